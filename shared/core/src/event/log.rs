//! Log files: how recorded events are written down.
//!
//! CloudTrail's files in S3 hold one object with `Records`; `aws cloudtrail lookup-events` prints one with `Events`, each
//! with the record as text under `CloudTrailEvent`; others collect events in a list or one a line.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::lenient::{List, Text, lenient};
use super::{Body, Envelope, Event, Outline, Record, Unreadable, skim};

/// Something that a log file holds, in the order it stands there.
#[derive(Clone, Copy, Debug)]
pub enum LogEntry<'a> {
    /// A CloudTrail record of which only the outline has been read.
    Record(&'a Outline<'a>, &'a str),
    /// Anything else: an envelope, or what is no event.
    Other(&'a str),
}

lenient! {
    /// The objects around events.
    Wrapper {
        /// CloudTrail's files.
        records: List<Option<&'a RawValue>> = "Records",
        /// The answer of `lookup-events`.
        events: List<Found<'a>> = "Events",
        /// One of its events, alone.
        event: Text<'a> = "CloudTrailEvent",
    }
}

lenient! {
    /// An event of `lookup-events`.
    Found {
        /// The record, as text.
        event: Text<'a> = "CloudTrailEvent",
    }
}

/// Hands on each event of a JSON document: an event, a list of events, an object around them, or text that is one of these, as
/// `--query` of the AWS CLI prints it; and of several that follow one another. What is broken is handed on as an error, after
/// the events before it.
pub fn entries(text: &str, each: &mut dyn FnMut(Result<LogEntry<'_>, Unreadable>)) {
    let mut text = text.trim_start_matches('\u{feff}').trim();
    loop {
        let behind = match (records(text), text.strip_prefix('[')) {
            (Some(list), _) => items(list, each).and_then(object),
            (None, Some(list)) => items(list, each),
            (None, None) => value(text, each).map(|end| &text[end..]),
        };
        match behind {
            Ok(behind) => text = behind.trim_start(),
            Err(error) => return each(Err(error)),
        }
        if text.is_empty() {
            return;
        }
        if !text.starts_with(['{', '"', '[']) {
            let rest: String = text.chars().take(20).collect();
            return each(Err(Unreadable::Behind(rest)));
        }
    }
}

/// Hands on what one value holds, and says where it ends.
fn value(text: &str, each: &mut dyn FnMut(Result<LogEntry<'_>, Unreadable>)) -> Result<usize, Unreadable> {
    if text.starts_with('"') {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let inner = values.next().ok_or(Unreadable::Nothing)??;
        // Text in text is nobody's log.
        match inner.trim_start().starts_with('{') {
            true => whole(&inner, each),
            false => each(Err(Unreadable::NoObject)),
        }
        return Ok(values.byte_offset());
    }
    entry(text, &mut |entry| match entry {
        LogEntry::Other(own) if inside(own, each) => {}
        entry => each(Ok(entry)),
    })
}

/// Hands on the one value of this text, which holds no other.
fn whole(text: &str, each: &mut dyn FnMut(Result<LogEntry<'_>, Unreadable>)) {
    if let Err(error) = entry(text, &mut |entry| each(Ok(entry))) {
        each(Err(error));
    }
}

/// What follows `{"Records":[`.
fn records(text: &str) -> Option<&str> {
    let text = text.strip_prefix('{')?.trim_start().strip_prefix("\"Records\"")?;
    text.trim_start().strip_prefix(':')?.trim_start().strip_prefix('[')
}

/// Hands on the items of a list that has just begun, and says what stands behind it.
fn items<'t>(
    mut text: &'t str,
    each: &mut dyn FnMut(Result<LogEntry<'_>, Unreadable>),
) -> Result<&'t str, Unreadable> {
    loop {
        text = text.trim_start();
        if let Some(behind) = text.strip_prefix(']') {
            return Ok(behind);
        }
        text = text[value(text, each)?..].trim_start();
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.starts_with(']') => {}
            None => return Err(Unreadable::BreaksOff),
        }
    }
}

/// What stands behind an object of which this is what follows its list of events. What else it holds is no event.
fn object(mut text: &str) -> Result<&str, Unreadable> {
    loop {
        text = text.trim_start();
        if let Some(behind) = text.strip_prefix('}') {
            return Ok(behind);
        }
        let name = passed(text.strip_prefix(',').ok_or(Unreadable::BreaksOff)?)?.trim_start();
        text = passed(name.strip_prefix(':').ok_or(Unreadable::BreaksOff)?)?;
    }
}

/// What stands behind the value that begins the text.
fn passed(text: &str) -> Result<&str, Unreadable> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next().ok_or(Unreadable::BreaksOff)??;
    Ok(&text[values.byte_offset()..])
}

/// Reads one value, once: hands on its outline, and says where it ends.
fn entry(text: &str, each: &mut dyn FnMut(LogEntry<'_>)) -> Result<usize, Unreadable> {
    let (outline, end) = skim::skim::<Outline<'_>>(text)?;
    let own = &text[..end];
    each(if outline.is_record() { LogEntry::Record(&outline, own) } else { LogEntry::Other(own) });
    Ok(end)
}

/// The events in an object around them; `false` where it is none.
fn inside(text: &str, each: &mut dyn FnMut(Result<LogEntry<'_>, Unreadable>)) -> bool {
    let Ok(wrapper) = serde_json::from_str::<Wrapper<'_>>(text) else { return false };
    let found = wrapper.events.0.iter().map(|found| &found.event).chain([&wrapper.event]);
    let texts: Vec<&str> = found.filter_map(Text::get).collect();
    let records: Vec<&str> = wrapper.records.0.iter().flatten().map(|raw| raw.get()).collect();
    for text in records.iter().chain(&texts) {
        whole(text, each);
    }
    !records.is_empty() || !texts.is_empty()
}

impl<'a> LogEntry<'a> {
    /// It as it stands in the file.
    pub fn text(&self) -> &'a str {
        match self {
            LogEntry::Record(_, text) | LogEntry::Other(text) => text,
        }
    }

    /// The event, read whole.
    ///
    /// # Errors
    /// [`Unreadable`] when it is none.
    pub fn event(&self) -> Result<Event<'a>, Unreadable> {
        match self {
            LogEntry::Record(outline, text) => {
                let body = Body::CloudTrail(Box::new(Record::read_on((*outline).clone(), text)?));
                Ok(Event { envelope: Envelope::default(), body })
            }
            LogEntry::Other(text) => Event::parse(text),
        }
    }
}

/// Whether the last document of a line goes on behind it, such as a pretty-printed one.
pub fn goes_on(line: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<IgnoredAny>();
    values.any(|value| value.is_err_and(|error| error.is_eof()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use keepwatch_rules::testing::{call, envelope};

    /// What the document holds: event names, `-` for what is no record, and the errors' words.
    fn told(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        entries(text, &mut |entry| {
            all.push(match entry {
                Ok(entry @ LogEntry::Record(outline, text)) => {
                    let whole = Event::parse(text).unwrap();
                    assert_eq!(whole.name(), outline.event_name.or_empty());
                    assert_eq!(format!("{:?}", entry.event().unwrap()), format!("{whole:?}"));
                    outline.event_name.or_empty().to_owned()
                }
                Ok(LogEntry::Other(text)) => format!("-{text}"),
                Err(error) => format!("! {error}"),
            });
        });
        all
    }

    fn record(name: &str) -> String {
        call("iam", name, json!({}))
    }

    #[test]
    fn records_are_found_in_whatever_holds_them() {
        let (a, b) = (record("A"), record("B"));
        let text = |record: &str| json!({"EventId": "1", "CloudTrailEvent": record});
        for (document, expected) in [
            (a.clone(), vec!["A"]),
            (format!("{{\"Records\":[{a},{b}]}}"), vec!["A", "B"]),
            (format!("\u{feff} {{ \"Records\" : [\n {a} ,\r\n{b}\n]\n}}\n"), vec!["A", "B"]),
            (format!("{{\"more\":1,\"Records\":[{a}]}}"), vec!["A"]),
            (format!("[{a},{b}]"), vec!["A", "B"]),
            (json!({"Events": [text(&a), text(&b)], "NextToken": "x"}).to_string(), vec!["A", "B"]),
            (text(&a).to_string(), vec!["A"]),
            ("{\"Records\":[]}".to_owned(), vec![]),
            // aws cloudtrail lookup-events --query 'Events[]', 'Events[].CloudTrailEvent' and 'Events[0].CloudTrailEvent'
            (json!([text(&a), text(&b)]).to_string(), vec!["A", "B"]),
            (json!([a, b]).to_string(), vec!["A", "B"]),
            (json!(a).to_string(), vec!["A"]),
        ] {
            assert_eq!(told(&document), expected, "{document}");
            let value: Value = serde_json::from_str(document.trim_start_matches('\u{feff}')).unwrap();
            assert_eq!(told(&serde_json::to_string_pretty(&value).unwrap()), expected, "pretty: {document}");
        }
        assert_eq!(told(&format!("{a}\t{b} {a}")), ["A", "B", "A"], "--output text");
        let envelope = envelope("aws.iam", "AWS API Call via CloudTrail", json!({}));
        assert_eq!(told(&envelope), [format!("-{envelope}")]);
    }

    /// As `zcat *.gz` prints them: CloudTrail's files end without a newline.
    #[test]
    fn a_document_behind_another_is_read_too() {
        let (a, b) = (record("A"), record("B"));
        for document in [
            format!("{{\"Records\":[{a}]}}{{\"Records\":[{b}]}}"),
            format!("{{\"Records\":[{a}], \"more\": {{\"x\": [\"]}}\"]}}, \"n\": 1}}\n{{\"Records\":[{b}]}}"),
            format!("{{\"Records\":[]}}{{\"Records\":[{a}]}}{b}"),
            format!("[{a}][{b}]"),
            format!("{a}[{b}]"),
            format!("[{a}] {{\"Records\":[{b}]}}\n"),
        ] {
            assert_eq!(told(&document), ["A", "B"], "{document}");
        }
        for behind in ["garbage", "]", "}", ",", "1"] {
            for document in [a.clone(), format!("[{a}]"), format!("{{\"Records\":[{a}]}}")] {
                let told = told(&format!("{document} {behind}"));
                assert_eq!((told.len(), told[0].as_str()), (2, "A"), "{told:?}");
                assert!(
                    told[1].contains(&format!("something stands behind the event: {behind}")),
                    "{told:?}"
                );
            }
        }
    }

    #[test]
    fn what_stands_before_a_break_is_kept_and_the_break_is_told() {
        let (a, b) = (record("A"), record("B"));
        for (head, tail) in
            [("{\"Records\":[", "]}"), ("{\"Records\":[", "],\"more\":{\"x\":1}}"), ("[", "]")]
        {
            let whole = format!("{head}{a},{b}{tail}");
            let ends = [head.len() + a.len(), head.len() + a.len() + 1 + b.len()];
            for cut in 0..whole.len() {
                let mut told = told(&whole[..cut]);
                let error = told.pop().unwrap();
                assert!(error.starts_with("! "), "{cut}: {error}");
                let before = ends.iter().filter(|end| **end <= cut).count();
                assert_eq!(told, ["A", "B"][..before], "{}", &whole[..cut]);
            }
        }
    }

    #[test]
    fn a_line_goes_on_when_json_does() {
        assert!(goes_on("{") && goes_on("[{\"a\": 1},") && goes_on("{\"Records\": ["));
        assert!(goes_on("{\"Records\": []}{") && goes_on("{} ["));
        assert!(!goes_on("{}") && !goes_on("{}{}") && !goes_on("{broken") && !goes_on("{\"a\": 1}, "));
    }

    proptest! {
        /// Any text is answered, and what is JSON is read as serde reads it.
        #[test]
        fn any_text_is_answered(text in ".{0,60}|[\\[{]{1,3}\\PC{0,40}|\\{\"Records\":\\[\\PC{0,30}") {
            let _ = told(&text);
        }
    }
}
