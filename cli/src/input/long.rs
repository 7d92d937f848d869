//! A line that is longer than memory should hold: cut between its events.

use std::io::{self, BufRead};

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
/// list of events. `false` when nobody wants any more.
pub(super) fn events(
    begin: Vec<u8>,
    reader: &mut dyn BufRead,
    hand_on: &mut dyn FnMut(Vec<u8>) -> bool,
) -> io::Result<bool> {
    let Some(start) = list(&begin) else {
        let mut whole = begin;
        reader.read_until(b'\n', &mut whole)?;
        return Ok(hand_on(whole));
    };
    let mut list = List { scan: Scan::default(), some: vec![b'['], hand_on, end: End::NotYet };
    list.take_in(&begin[start + 1..]);
    while list.end == End::NotYet {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            break;
        }
        let taken = list.take_in(read);
        reader.consume(taken);
    }
    if list.end == End::Unwanted {
        return Ok(false);
    }
    let is_whole = list.end == End::OfList;
    let mut last = list.some;
    if is_whole {
        last.push(b']');
        skip_line(reader)?;
    }
    Ok(hand_on(last))
}

/// Passes over what is left of a line.
fn skip_line(reader: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let read = reader.fill_buf()?;
        let end = read.iter().position(|byte| *byte == b'\n');
        let (taken, is_over) = (end.map_or(read.len(), |end| end + 1), end.is_some() || read.is_empty());
        reader.consume(taken);
        if is_over {
            return Ok(());
        }
    }
}

/// Where the list of events begins.
fn list(begin: &[u8]) -> Option<usize> {
    let skipped = begin.iter().take_while(|byte| byte.is_ascii_whitespace() || !byte.is_ascii()).count();
    if begin.get(skipped) == Some(&b'[') {
        return Some(skipped);
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
                return Some(i);
            }
        }
    }
    None
}

#[derive(PartialEq)]
enum End {
    NotYet,
    OfList,
    Unwanted,
}

struct List<'l> {
    scan: Scan,
    /// Whole events, and the beginning of the next.
    some: Vec<u8>,
    hand_on: &'l mut dyn FnMut(Vec<u8>) -> bool,
    end: End,
}

impl List<'_> {
    /// Takes bytes in up to the end of the list; says how many.
    fn take_in(&mut self, bytes: &[u8]) -> usize {
        let mut begin = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            let outside = self.scan.depth == 0 && !self.scan.in_text;
            if outside && byte == b']' {
                self.some.extend_from_slice(&bytes[begin..i]);
                self.end = End::OfList;
                return i + 1;
            }
            if outside && byte == b',' && self.some.len() + i - begin >= PART {
                self.some.extend_from_slice(&bytes[begin..i]);
                self.some.push(b']');
                begin = i + 1;
                if !(self.hand_on)(std::mem::replace(&mut self.some, vec![b'['])) {
                    self.end = End::Unwanted;
                    return i + 1;
                }
                continue;
            }
            self.scan.take(byte);
        }
        self.some.extend_from_slice(&bytes[begin..]);
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

    #[test]
    fn what_stands_behind_the_line_is_left() {
        let text = format!("{}\nnext", json!({"Records": [1, 2]}));
        let mut rest = &text.as_bytes()[5..];
        events(text.as_bytes()[..5].to_vec(), &mut rest, &mut |_| true).unwrap();
        assert!(rest.is_empty() || rest == b"next", "{rest:?}");
    }
}
