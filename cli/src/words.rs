//! Words that several commands take.

use std::path::Path;

use keepwatch_base::text::{clean, shell_word};
use keepwatch_base::time::Timestamp;

/// How alike two words must be for one to be proposed in place of the other, from 0 to 1.
const ALIKE: f64 = 0.85;

/// RFC 3339, or a day.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let parsed = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    parsed.ok_or_else(|| "write it like 2026-03-31 or 2026-03-31T18:00:00Z".to_owned())
}

/// ` (did you mean X?)` for the known word that is most like this one, or nothing. A word that is known was meant.
pub(crate) fn did_you_mean<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let lower = text.to_lowercase();
    let alike = known.into_iter().map(|word| (strsim::jaro_winkler(&lower, &word.to_lowercase()), word));
    let best = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(_, word)| *word != text)
        .map(|(_, word)| format!(" (did you mean {word}?)"))
        .unwrap_or_default()
}

/// What a parser says, without the place: it counts from where it began, which may be in the midst of a file.
pub(crate) fn without_place(said: &str) -> &str {
    said.split(" at line ").next().unwrap_or_default()
}

/// A path as it is written in a shell, quoted only where it must be.
pub(crate) fn path_word(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if path.chars().all(plain) && !path.is_empty() { path } else { shell_word(&path) }
}

/// Looks through ids of findings for the one that is most like what somebody wrote.
///
/// Lists show the end of an id, so what was written is compared with as many of its last characters, and with the whole.
pub(crate) struct Likest<'t> {
    text: &'t str,
    best: Option<(f64, String)>,
}

impl<'t> Likest<'t> {
    pub(crate) fn new(text: &'t str) -> Likest<'t> {
        Likest { text, best: None }
    }

    /// Compares one more.
    pub(crate) fn look(&mut self, id: &str) {
        let end = id.get(id.len().saturating_sub(self.text.len())..).unwrap_or(id);
        for shown in [end, id] {
            let alike = strsim::jaro_winkler(self.text, shown);
            if alike >= ALIKE && self.best.as_ref().is_none_or(|(best, _)| alike > *best) {
                self.best = Some((alike, shown.to_owned()));
            }
        }
    }

    /// ` (did you mean X?)`, or nothing.
    pub(crate) fn meant(&self) -> String {
        self.best.as_ref().map(|(_, id)| format!(" (did you mean {}?)", clean(id, 128))).unwrap_or_default()
    }
}

/// Whether it is written like a region: `eu-central-1`, `us-gov-west-1`, `eusc-de-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return false };
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    word(first)
        && !middle.is_empty()
        && middle.iter().all(word)
        && last.len() == 1
        && last.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_nearly_right_is_proposed() {
        let known = ["root-console-sign-in", "admin-inline-policy"];
        assert_eq!(did_you_mean("admin-inlne-policy", known), " (did you mean admin-inline-policy?)");
        assert_eq!(did_you_mean("Root-Console-Signin", known), " (did you mean root-console-sign-in?)");
        assert_eq!(did_you_mean("mars", known), "");
        // What is wrong is something else, such as a value.
        assert_eq!(did_you_mean("root-console-sign-in", known), "");
    }

    #[test]
    fn an_id_that_is_nearly_right_is_proposed_as_it_was_written() {
        let meant = |text| {
            let mut like = Likest::new(text);
            ["root-console-sign-in-3f9a2c41d07be5a8", "network-changed-0011223344556677"]
                .into_iter()
                .for_each(|id| like.look(id));
            like.meant()
        };
        assert_eq!(meant("d07be5a9"), " (did you mean d07be5a8?)");
        assert_eq!(
            meant("root-console-sign-in-3f9a2c41d07be5a9"),
            " (did you mean root-console-sign-in-3f9a2c41d07be5a8?)"
        );
        assert_eq!(meant("zzzz"), "");
    }

    #[test]
    fn regions_are_told_from_other_words() {
        assert!(
            ["eu-central-1", "us-gov-west-1", "eusc-de-east-1", "ap-southeast-5"].into_iter().all(is_region)
        );
        assert!(
            ["mars", "eu-central", "us-east-1a", "1", "", "us--1", "EU-WEST-1"]
                .into_iter()
                .all(|text| !is_region(text))
        );
    }
}
