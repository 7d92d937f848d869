//! Text that came from an event: made safe to store, to show and to paste.
//!
//! User agents, session names, tags and error messages are an attacker's to choose. Everything that leaves a rule has
//! passed [`clean`]; everything that reaches a mail has passed [`defang`] or [`shell_word`] as well.

/// The most characters of one text that are kept.
pub const MAX_TEXT: usize = 1_000;

/// Removes control, bidirectional and invisible characters, folds line breaks to spaces, and cuts at `max` characters
/// with an ellipsis.
pub fn clean(text: &str, max: usize) -> String {
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
    let service = word.strip_suffix(".amazonaws.com");
    if service.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len());
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            // Every full stop that IDNA reads as a dot, before anything that can begin a domain label or a TLD.
            ('.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}', Some(next)) if next.is_alphabetic() => {
                out.push_str("[.]")
            }
            (':', Some('/')) => out.push_str("[:]"),
            _ => out.push(c),
        }
    }
    out
}

/// The text as one word of a POSIX shell, never clickable: a dot before a letter is quoted on its own, which the shell
/// joins again (`alice@example'.'com`).
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=,.@/:%".contains(c);
    if text.is_empty() {
        return "''".to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let breaks_link = match c {
            '.' => chars.peek().is_some_and(|next| next.is_alphabetic()),
            ':' => chars.peek() == Some(&'/'),
            _ => false,
        };
        // A word that begins with = is the path of a program to zsh.
        let quote = breaks_link || !(plain(c) || c == '\'') || (c == '=' && out.is_empty());
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
        assert_eq!(defang("x.s3.amazonaws.com"), "x[.]s3[.]amazonaws[.]com");
    }

    #[test]
    fn shell_words_survive_a_shell_and_attract_no_click() {
        assert_eq!(shell_word("bob"), "bob");
        assert_eq!(shell_word("alice@example.com"), "alice@example'.'com");
        assert_eq!(shell_word("a b;c"), "a' 'b';'c");
        assert_eq!(shell_word("it's"), "it\\'s");
        assert_eq!(shell_word("$(id)"), "'$('id')'");
        assert_eq!(shell_word("' ; rm"), "\\'' ; 'rm");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("=ls"), "'='ls");
        assert_eq!(shell_word("a=b"), "a=b");
    }
}
