//! IAM's wildcards: `*` is any run of characters, the empty one too, and `?` is exactly one character.
//!
//! Nothing else is special, and `*` crosses `:` and `/`. The matcher goes back to the last `*` only, so its work is at
//! most pattern length times text length, and runs of `*` count as one.

/// Whether the text fits the pattern. ARNs and condition values are compared this way.
pub fn matches(pattern: &str, text: &str) -> bool {
    run(pattern.as_bytes(), text.as_bytes(), |a, b| a == b)
}

/// The same without regard to the case of ASCII letters. Action names are compared this way.
pub fn matches_ignore_ascii_case(pattern: &str, text: &str) -> bool {
    run(pattern.as_bytes(), text.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
}

/// Whether some text fits both patterns.
pub fn meets(a: &str, b: &str) -> bool {
    // What both begin with alike, up to the first wildcard, decides nothing.
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b && !matches!(a, b'*' | b'?')).count();
    let rest = |text: &str| text.get(same..).unwrap_or(text).chars().collect::<Vec<char>>();
    let (a, b) = if a.is_char_boundary(same) { (rest(a), rest(b)) } else { (chars(a), chars(b)) };
    if let (Some(a), Some(b)) = (a.first(), b.first())
        && a != b
        && ![a, b].iter().any(|c| matches!(c, '*' | '?'))
    {
        return false;
    }
    // `row[j]` says whether the ends of both, from here on, share a text.
    let mut row = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let below = std::mem::replace(&mut row, vec![false; b.len() + 1]);
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some('*'), other) => below[j] || (other.is_some() && row[j + 1]),
                (other, Some('*')) => row[j + 1] || (other.is_some() && below[j]),
                (Some(x), Some(y)) => (x == y || *x == '?' || *y == '?') && below[j + 1],
                _ => false,
            };
        }
    }
    row[0]
}

/// Whether every text that fits the second pattern is sure to fit the first. A `?` of the first covers no `*`.
pub fn covers(wide: &str, narrow: &str) -> bool {
    !(wide.contains('?') && narrow.contains('*')) && matches(wide, narrow)
}

/// Whether nothing of the text is fixed: `*`, `**`, `?*`.
pub fn is_all_wild(pattern: &str) -> bool {
    pattern.contains('*') && pattern.bytes().all(|b| matches!(b, b'*' | b'?'))
}

fn chars(text: &str) -> Vec<char> {
    text.chars().collect()
}

/// Whether the pattern holds a wildcard at all.
pub fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

fn run(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    // Most patterns that do not fit differ in their last byte; to see it here spares the walk.
    if let (Some(&p), Some(&t)) = (pattern.last(), text.last())
        && p != b'*'
        && p != b'?'
        && !same(p, t)
    {
        return false;
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last `*`: the pattern behind it, and the text not yet given to it.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                while pattern.get(p) == Some(&b'*') {
                    p += 1;
                }
                if p == pattern.len() {
                    return true;
                }
                star = Some((p, t));
            }
            Some(b'?') => {
                p += 1;
                t += width(text[t]);
            }
            Some(&byte) if same(byte, text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    let next = from + width(text[from]);
                    star = Some((after, next));
                    (p, t) = (after, next);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// How many bytes the character takes that begins with this byte.
fn width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("?*", "a", true),
            ("**", "abc", true),
            ("i*m:*", "iam:PassRole", true),
            ("?am:*", "iam:PassRole", true),
            ("?am:*", "am:PassRole", false),
            ("a*b*c", "axxbxxbxc", true),
            ("a*b*c", "axxbxxbx", false),
            ("*ab", "aab", true),
            ("?", "é", true),
            ("??", "é", false),
            ("*?é", "éé", true),
            ("iam:passrole", "iam:PassRole", false),
            ("arn:*/x", "arn:a:b/c/x", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} on {text}");
        }
        assert!(matches_ignore_ascii_case("IAM:pass*", "iam:PassRole"));
        assert!(!matches_ignore_ascii_case("É", "é"), "only ASCII letters have no case");
    }

    #[test]
    fn patterns_in_common() {
        for (a, b, common) in [
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("role/app-*", "role/*-web", true),
            ("role/app-*", "role/app-x", true),
            ("role/app-*", "role/web-*", false),
            ("a*b", "*c*b", true),
            ("a?c", "ab?", true),
            ("ab", "abc", false),
            ("é?", "éx", true),
            ("éa", "èa", false),
        ] {
            assert_eq!((meets(a, b), meets(b, a)), (common, common), "{a} and {b}");
        }
        for (wide, narrow, all) in [
            ("*", "a*", true),
            ("a*", "*", false),
            ("role/*", "role/app-*", true),
            ("role/?", "role/*", false),
            ("role/?", "role/?", true),
        ] {
            assert_eq!(covers(wide, narrow), all, "{wide} over {narrow}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn a_text_of_both_is_in_common(a in "[ab*?]{0,6}", b in "[ab*?]{0,6}", text in "[ab]{0,6}") {
            if matches(&a, &text) && matches(&b, &text) {
                prop_assert!(meets(&a, &b));
            }
            if covers(&a, &b) && matches(&b, &text) {
                prop_assert!(matches(&a, &text));
            }
            if !b.contains(['*', '?']) {
                prop_assert_eq!(meets(&a, &b), matches(&a, &b));
            }
        }

        #[test]
        fn agrees_with_wildmatch(pattern in "[ab:é*?]{0,12}", text in "[ab:é]{0,12}") {
            prop_assert_eq!(matches(&pattern, &text), wildmatch::WildMatch::new(&pattern).matches(&text));
        }

        #[test]
        fn never_panics(pattern in "\\PC*", text in "\\PC*") {
            matches(&pattern, &text);
            matches_ignore_ascii_case(&pattern, &text);
        }
    }
}
