//! Text that came from an event: made safe to store, to show and to paste.
//!
//! User agents, session names, tags and error messages are an attacker's to choose. Everything that leaves a rule has
//! passed [`clean`]; everything that reaches a mail has passed [`defang`] or [`shell_word`] as well.

/// The most characters of one text that are kept.
pub const MAX_TEXT: usize = 1_000;

/// Removes control, bidirectional and invisible characters, folds line breaks to spaces, and cuts at `max` characters
/// with an ellipsis.
pub fn clean(text: &str, max: usize) -> String {
    // Most text is short and plain.
    if text.len() <= max && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(max));
    let mut kept = 0;
    for c in text.chars() {
        let c = match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' | '\u{85}' => ' ',
            _ if is_hidden(c) => continue,
            _ => c,
        };
        if kept == max {
            out.push('…');
            break;
        }
        out.push(c);
        kept += 1;
    }
    out
}

/// Control characters, and those that change how their neighbours look: Unicode Bidi_Control, zero-width joiners,
/// variation selectors, tags and other default-ignorable code points.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Writes text so that no mail client turns it into a link: `evil.com` becomes `evil[.]com`, `http://` becomes
/// `http[:]//`. An AWS service's own name (`iam.amazonaws.com`) stays as it is.
pub fn defang(text: &str) -> String {
    text.split(' ').map(defang_word).collect::<Vec<_>>().join(" ")
}

fn defang_word(word: &str) -> String {
    let bare = word.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', ')']);
    let service = bare.strip_suffix(".amazonaws.com");
    if service.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    for (at, c) in word.char_indices() {
        match c {
            _ if !makes_link(word, at, c) => out.push(c),
            ':' => out.push_str("[:]"),
            '\\' => out.push_str("[\\]"),
            _ => out.push_str("[.]"),
        }
    }
    out
}

/// What mail clients make a link of with a colon alone, without slashes.
const SCHEMES: &[&str] = &["mailto", "tel", "sms", "callto", "sip", "news", "facetime", "outlook", "onenote"];

/// Whether the character `c` at this place makes a link of what stands around it. Without it there is none.
fn makes_link(text: &str, at: usize, c: char) -> bool {
    if !matches!(c, '.' | ':' | '\\' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}') {
        return false;
    }
    let (before, after) = (&text[..at], &text[at + c.len_utf8()..]);
    let Some(next) = after.chars().next() else { return false };
    match c {
        ':' => next == '/' || (next != ' ' && SCHEMES.iter().any(|name| ends_in(before, name))),
        // Windows' network paths are links to Outlook.
        '\\' => before.ends_with('\\'),
        // Every full stop that IDNA reads as a dot, before anything that can begin a domain label or a TLD.
        _ => next.is_alphabetic() || (next.is_alphanumeric() && ends_in(before, "www")),
    }
}

/// Whether the text ends in this word, in any case.
fn ends_in(text: &str, word: &str) -> bool {
    let Some((head, tail)) = text.len().checked_sub(word.len()).and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    tail.eq_ignore_ascii_case(word) && !head.ends_with(char::is_alphanumeric)
}

/// The text as one word of a POSIX shell, never clickable: a dot before a letter stands between quotes of its own, which the
/// shell joins again (`alice@example'.'com`). What needs quotes anywhere is quoted from end to end, so that it reads as one.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '=' | ',' | '.' | '@' | '/' | ':' | '%')
    };
    if text.is_empty() {
        return "''".to_owned();
    }
    let whole = !text.chars().all(|c| plain(c) || c == '\'');
    let linked = text.char_indices().any(|(at, c)| makes_link(text, at, c));
    if !linked && !text.contains('\'') && !text.starts_with('=') {
        return if whole { format!("'{text}'") } else { text.to_owned() };
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        let breaks_link = makes_link(text, at, c);
        // A word that begins with = is the path of a program to zsh.
        let quote = breaks_link || (whole && c != '\'') || (c == '=' && out.is_empty());
        if quoted && (breaks_link || !quote) {
            out.push('\'');
            quoted = false;
        }
        if quote && !quoted {
            out.push('\'');
            quoted = true;
        }
        if c == '\'' {
            out.push('\\');
        }
        out.push(c);
        if breaks_link {
            out.push('\'');
            quoted = false;
        }
    }
    if quoted {
        out.push('\'');
    }
    out
}

/// Folds to printable ASCII, for mail subjects: anything else becomes `?`.
pub fn ascii(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_nothing_and_breaks_no_line() {
        assert_eq!(clean("a\u{202e}b\u{200b}c\nd\u{7}e", 99), "abc de");
        assert_eq!(clean("abcdef", 3), "abc…");
    }

    #[test]
    fn nothing_stays_clickable() {
        assert_eq!(
            defang("see https://evil.example/x or evil.com"),
            "see https[:]//evil[.]example/x or evil[.]com"
        );
        assert_eq!(defang("aws-cli/2.15.30 from 203.0.113.7"), "aws-cli/2.15.30 from 203.0.113.7");
        assert_eq!(defang("cloudformation.amazonaws.com"), "cloudformation.amazonaws.com");
        assert_eq!(
            defang("(ec2.amazonaws.com, x.y.amazonaws.com.)"),
            "(ec2.amazonaws.com, x[.]y[.]amazonaws[.]com.)"
        );
        assert_eq!(defang("WWW.1and1 MailTo:bob tel:1 hotel:1"), "WWW[.]1and1 MailTo[:]bob tel[:]1 hotel:1");
        assert_eq!(
            defang("\\\\host\\share C:\\x evil\u{3002}\u{4e2d}"),
            "\\[\\]host\\share C:\\x evil[.]\u{4e2d}"
        );
        assert_eq!(defang("x.s3.amazonaws.com"), "x[.]s3[.]amazonaws[.]com");
    }

    #[test]
    fn shell_words_survive_a_shell_and_attract_no_click() {
        assert_eq!(shell_word("bob"), "bob");
        assert_eq!(shell_word("alice@example.com"), "alice@example'.'com");
        assert_eq!(shell_word("\u{fc}\u{3002}\u{4e2d}"), "'\u{fc}''\u{3002}''\u{4e2d}'");
        assert_eq!(shell_word("a b;c"), "'a b;c'");
        assert_eq!(shell_word("it's"), "it\\'s");
        assert_eq!(shell_word("$(id)"), "'$(id)'");
        assert_eq!(shell_word("' ; rm"), "\\'' ; rm'");
        assert_eq!(shell_word("Roles[?Arn=='a.b']"), "'Roles[?Arn=='\\''a''.''b'\\'']'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("=ls"), "'='ls");
        assert_eq!(shell_word("a=b"), "a=b");
    }
}
