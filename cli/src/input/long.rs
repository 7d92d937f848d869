//! A line that is longer than memory should hold: cut between its events.

use std::io::{self, BufRead, Read as _};

use super::size::PART;

/// What stands before the list of events in an object around them.
const LISTS: [&str; 3] = ["\"Records\"", "\"Events\"", "\"QueryResultRows\""];

/// Where a reader stands in JSON.
#[derive(Default)]
struct Scan {
    /// Objects and lists that are open.
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// Takes a byte in; says whether it belongs to a text.
    fn take(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return true;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.in_text
    }
}

/// Reads to the end of a line of which this is the beginning, and hands it on as lists of some megabytes; whole where it is no
/// list of events. What stands behind the list's document is handed on after it. `false` when nobody wants any more.
pub(super) fn events(
    mut begin: Vec<u8>,
    reader: &mut dyn BufRead,
    hand_on: &mut dyn FnMut(Vec<u8>) -> bool,
) -> io::Result<bool> {
    loop {
        let Some((start, depth)) = list(&begin) else {
            reader.read_until(b'\n', &mut begin)?;
            return Ok(hand_on(begin));
        };
        let mut list = List::new(depth + 1, &mut *hand_on);
        let mut rest = begin.split_off(start + 1);
        let taken = list.take_in(&rest);
        rest.drain(..taken);
        while list.end == End::NotYet {
            let read = reader.fill_buf()?;
            if read.is_empty() {
                break;
            }
            let taken = list.take_in(read);
            reader.consume(taken);
        }
        let List { end, mut some, .. } = list;
        if end == End::Unwanted {
            return Ok(false);
        }
        if end == End::OfDocument {
            some.push(b']');
        }
        if !hand_on(some) {
            return Ok(false);
        }
        if !rest.ends_with(b"\n") {
            let most = (2 * PART).saturating_sub(rest.len()) as u64;
            (&mut *reader).take(most).read_until(b'\n', &mut rest)?;
        }
        if rest.len() < 2 * PART || rest.ends_with(b"\n") {
            return Ok(rest.trim_ascii().is_empty() || hand_on(rest));
        }
        begin = rest;
    }
}

/// Where the list of events begins in the first document, and how many objects are around it.
fn list(begin: &[u8]) -> Option<(usize, usize)> {
    let skipped = begin.iter().take_while(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()).count();
    if begin.get(skipped) == Some(&b'[') {
        return Some((skipped, 0));
    }
    let head = String::from_utf8_lossy(&begin[..begin.len().min(4_096)]);
    if !LISTS.iter().any(|name| head.contains(name)) {
        return None;
    }
    let mut scan = Scan::default();
    let mut name = 0;
    for (i, &byte) in begin.iter().enumerate() {
        let before = scan.depth;
        let in_text = scan.take(byte);
        if byte == b'"' && in_text && scan.in_text && before == 1 {
            name = i;
        }
        if byte == b'[' && !in_text && before == 1 {
            let key = String::from_utf8_lossy(&begin[name..i]);
            if LISTS.iter().any(|list| key.starts_with(list)) {
                return Some((i, 1));
            }
        }
        if before == 1 && scan.depth == 0 {
            break;
        }
    }
    None
}

#[derive(PartialEq)]
enum End {
    NotYet,
    OfDocument,
    Unwanted,
}

struct List<'l> {
    scan: Scan,
    /// How deep its events lie.
    depth: usize,
    /// Whether its last event is over, and only the object around it is not.
    is_over: bool,
    /// Whole events, and the beginning of the next.
    some: Vec<u8>,
    hand_on: &'l mut dyn FnMut(Vec<u8>) -> bool,
    end: End,
}

impl<'l> List<'l> {
    fn new(depth: usize, hand_on: &'l mut dyn FnMut(Vec<u8>) -> bool) -> List<'l> {
        let scan = Scan { depth, ..Scan::default() };
        List { scan, depth, is_over: false, some: vec![b'['], hand_on, end: End::NotYet }
    }

    /// Takes bytes in up to the end of the document; says how many.
    fn take_in(&mut self, bytes: &[u8]) -> usize {
        let mut begin = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            let between = !self.is_over && self.scan.depth == self.depth && !self.scan.in_text;
            if between && byte == b',' && self.some.len() + i - begin >= PART {
                self.some.extend_from_slice(&bytes[begin..i]);
                self.some.push(b']');
                begin = i + 1;
                if !(self.hand_on)(std::mem::replace(&mut self.some, vec![b'['])) {
                    self.end = End::Unwanted;
                    return i + 1;
                }
                continue;
            }
            if between && byte == b']' {
                self.some.extend_from_slice(&bytes[begin..i]);
                self.is_over = true;
            }
            // An object that was never begun does not end the list: it is handed on, and its reader says what is wrong.
            if !(between && byte == b'}') {
                self.scan.take(byte);
            }
            if self.scan.depth == 0 {
                self.end = End::OfDocument;
                return i + 1;
            }
        }
        if !self.is_over {
            self.some.extend_from_slice(&bytes[begin..]);
        }
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use serde_json::{Value, json};

    use super::*;

    /// The events of all lists that are handed on, and how long the longest list is.
    fn cut(text: &str, begin: usize) -> (Vec<Value>, usize) {
        let (mut all, mut longest) = (Vec::new(), 0);
        let mut rest = BufReader::with_capacity(777, &text.as_bytes()[begin..]);
        let went_on = events(text.as_bytes()[..begin].to_vec(), &mut rest, &mut |list| {
            longest = longest.max(list.len());
            all.extend(serde_json::from_slice::<Vec<Value>>(&list).unwrap());
            true
        });
        assert!(went_on.unwrap());
        (all, longest)
    }

    #[test]
    fn a_long_line_is_cut_between_events() {
        let event = |i: usize| json!({"i": i, "text": format!("a \"[{{,]}} {}", "x".repeat(2_000)), "list": [1, {"b": []}]});
        let events: Vec<Value> = (0..6_000).map(event).collect();
        for text in [
            json!(events).to_string(),
            json!({"Records": events}).to_string(),
            json!({"A": [1], "Records": events, "Z": [2]}).to_string(),
        ] {
            let (all, longest) = cut(&text, 5_000);
            assert_eq!(all, events);
            assert!(longest < PART + 10_000, "{longest}");
        }
    }

    /// All that is handed on of a line of which so much has been read, and what is left.
    fn handed_on(text: &str, begin: usize) -> (Vec<String>, String) {
        let mut rest = &text.as_bytes()[begin..];
        let mut all = Vec::new();
        let went_on = events(text.as_bytes()[..begin].to_vec(), &mut rest, &mut |some| {
            all.push(String::from_utf8(some).unwrap());
            true
        });
        assert!(went_on.unwrap());
        (all, String::from_utf8(rest.to_vec()).unwrap())
    }

    #[test]
    fn what_stands_behind_the_line_is_left() {
        for text in
            ["{\"Records\": [1, 2]}\nnext", "[1, 2]\nnext", "{\"Records\": [1, 2], \"Z\": [\"]}\"]} \r\nnext"]
        {
            for begin in text.find('[').unwrap() + 1..text.find('\n').unwrap() {
                assert_eq!(handed_on(text, begin), (vec!["[1, 2]".to_owned()], "next".to_owned()), "{begin}");
            }
        }
    }

    #[test]
    fn what_stands_behind_a_document_is_handed_on() {
        for (first, second) in [
            ("{\"Records\": [1], \"Z\": {\"a\": \"}\"}}", "{\"Records\": [2]}\n"),
            ("[1]", "[2]"),
            ("[1]", " garbage\n"),
            ("{\"Records\": [1]}", "}"),
        ] {
            let text = format!("{first}{second}");
            for begin in first.find('[').unwrap() + 1..text.len() {
                let (all, rest) = handed_on(&text, begin);
                assert_eq!(all, ["[1]", second], "{begin} of {text}");
                assert_eq!(rest, "");
            }
        }
    }

    /// What has no end has none in what is handed on either, so that its reader says so.
    #[test]
    fn what_breaks_off_is_handed_on_as_broken() {
        for text in
            ["{\"Records\": [1, 2", "[1, 2", "{\"Records\": [1, 2]", "{\"Records\": [1, 2], \"Z\": {}"]
        {
            let (all, _) = handed_on(text, text.find('[').unwrap() + 1);
            assert_eq!(all, ["[1, 2"], "{text}");
        }
    }

    #[test]
    fn a_document_before_the_list_is_handed_on_too() {
        let text = "{\"eventName\": \"A\"} {\"Records\": [1]}\n";
        assert_eq!(handed_on(text, text.len() - 1).0, [text]);
    }
}
