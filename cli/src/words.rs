//! Words that several commands take.

use keepwatch_base::time::Timestamp;

/// How alike two words must be for one to be proposed in place of the other, from 0 to 1.
const ALIKE: f64 = 0.85;

/// RFC 3339, or a day.
pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    let parsed = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    parsed.ok_or_else(|| "write it like 2026-03-31 or 2026-03-31T18:00:00Z".to_owned())
}

/// `: did you mean X?` for the known word that is most like this one, or a semicolon.
pub(crate) fn did_you_mean<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let alike = known.into_iter().map(|word| (strsim::jaro_winkler(text, word), word));
    let best = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, word)| format!(": did you mean {word}?")).unwrap_or_else(|| ";".to_owned())
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
        assert_eq!(did_you_mean("admin-inlne-policy", known), ": did you mean admin-inline-policy?");
        assert_eq!(did_you_mean("mars", known), ";");
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
