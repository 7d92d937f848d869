//! Words that sentences are made of: names that are safe to show, lists, abilities.

use keepwatch_base::text::clean;

use super::level::Level;

/// The most characters of a name that a document's author chose.
pub(super) const MAX_NAME: usize = 64;
/// The most characters of an ability, without the ellipsis of a longer one.
const MAX_ABILITY: usize = 79;

/// A name from a document, safe to show.
pub(super) fn name(text: &str) -> String {
    clean(text.trim(), MAX_NAME)
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if items.len() <= 3 => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", items[..3].join(", "), items.len() - 3),
    }
}

/// What the holder can do, in a clause of at most 80 characters that follows its name. `way` is what a weak path or a
/// right over named identities lets it do.
pub(super) fn ability(level: Level, services: &[String], way: Option<&str>) -> String {
    let text = match level {
        Level::FullAdmin => "is a full administrator".to_owned(),
        Level::PrivilegeEscalation => "can make itself administrator".to_owned(),
        Level::ServiceAdmin => match (services, way) {
            ([], Some(way)) => format!("can {way}"),
            ([], None) => "fully controls a service".to_owned(),
            (services, _) => format!("fully controls {}", control(services)),
        },
        Level::Ordinary => "has no power over IAM or over a whole service".to_owned(),
    };
    clean(&text, MAX_ABILITY)
}

/// `s3`, `s3 and ec2`, `s3, ec2 and 2 more services`. Names that no service of AWS has are counted only: they may be
/// sentences.
fn control(services: &[String]) -> String {
    if services.iter().any(|s| s == "*") {
        return "nearly every service".to_owned();
    }
    let plain = |s: &&String| {
        s.len() <= 24 && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let named: Vec<&str> = services.iter().filter(plain).take(2).map(String::as_str).collect();
    match (named.as_slice(), services.len() - named.len()) {
        ([], 1) => "a service".to_owned(),
        ([], count) => format!("{count} services"),
        (named, 0) => named.join(" and "),
        (named, 1) => format!("{} and 1 more service", named.join(", ")),
        (named, more) => format!("{} and {more} more services", named.join(", ")),
    }
}
