//! The line that a problem is about. The parser tells it for broken YAML only; for the rest the words of its message are
//! looked for in the text. Lines count from 0 within the text.

/// The first line that says something.
pub(crate) fn first(text: &str) -> usize {
    let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    text.lines().position(says).unwrap_or_default()
}

/// The line of the condition.
pub(crate) fn condition(text: &str) -> usize {
    find(text, |line| key(line) == "condition").unwrap_or_else(|| first(text))
}

/// The line that this message is about.
pub(crate) fn line_of(message: &str, text: &str) -> usize {
    if let Some(line) = reports(message) {
        return line.saturating_sub(1).min(text.lines().count().saturating_sub(1));
    }
    // `Missing required field 'title'`: it stands nowhere.
    if message.starts_with("Missing required field") {
        let detection = message.contains("condition").then(|| find(text, |line| key(line) == "detection"));
        return detection.flatten().unwrap_or_else(|| first(text));
    }
    if message.to_ascii_lowercase().starts_with("condition") || message.starts_with("unknown detection") {
        return condition(text);
    }
    quoted(message)
        .find_map(|word| {
            find(text, |line| line.contains(&format!("|{word}"))).or_else(|| find(text, |l| l.contains(word)))
        })
        .or_else(|| find(text, |line| key(line) == "detection"))
        .unwrap_or_else(|| first(text))
}

/// The line where this field is followed by what is not a plain value.
pub(crate) fn opened(field: &str, text: &str) -> usize {
    let opens = |line: &str| {
        let line = line.trim_start().trim_start_matches(['-', ' ']);
        let bare = line.trim_start_matches(['\'', '"']);
        let rest = bare.strip_prefix(field).map(|rest| rest.trim_start_matches(['\'', '"']).trim_start());
        let value = rest.and_then(|rest| rest.strip_prefix(':')).map(str::trim_start);
        value.is_some_and(|value| value.is_empty() || value.starts_with(['{', '[', '#', '&', '*']))
    };
    let at = find(text, opens).or_else(|| find(text, |line| line.contains(&format!("{field}:"))));
    at.or_else(|| find(text, |line| key(line) == "detection")).unwrap_or_else(|| first(text))
}

/// `… at line 7 column 3`
fn reports(message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("at line ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn find(text: &str, wanted: impl Fn(&str) -> bool) -> Option<usize> {
    text.lines().position(|line| !line.trim_start().starts_with('#') && wanted(line))
}

fn key(line: &str) -> &str {
    line.trim_start().split(':').next().unwrap_or_default()
}

/// The words of a message in quotes of any kind, and its last word after a colon.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    let inside = message.split(['\'', '"', '`']).skip(1).step_by(2);
    let last = message.rsplit(": ").next().into_iter();
    inside.chain(last).map(str::trim).filter(|word| !word.is_empty())
}
