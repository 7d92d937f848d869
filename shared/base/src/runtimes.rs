//! Lambda's runtimes and the days from which AWS no longer patches them (AWS Lambda Developer Guide, "Lambda runtimes").

/// The day of the list. What has come since is not in it.
pub const AS_OF: &str = "2026-08-31";

/// The runtimes: the day from which AWS no longer patches them, and that from which it refuses to create functions on them. An
/// empty day is long past.
const ENDS: [(&str, &str, &str); 48] = [
    ("nodejs", "", ""),
    ("nodejs4.3", "", ""),
    ("nodejs4.3-edge", "", ""),
    ("nodejs6.10", "", ""),
    ("nodejs8.10", "", ""),
    ("nodejs10.x", "", ""),
    ("nodejs12.x", "", ""),
    ("nodejs14.x", "", ""),
    ("nodejs16.x", "2024-06-12", "2027-02-01"),
    ("nodejs18.x", "2025-09-01", "2027-02-01"),
    ("nodejs20.x", "2026-04-30", "2027-02-01"),
    ("nodejs22.x", "2027-04-30", "2027-06-01"),
    ("nodejs24.x", "2028-04-30", "2028-06-01"),
    ("python2.7", "", ""),
    ("python3.6", "", ""),
    ("python3.7", "", ""),
    ("python3.8", "2024-10-14", "2027-02-01"),
    ("python3.9", "2025-12-15", "2027-02-01"),
    ("python3.10", "2026-10-31", "2027-02-01"),
    ("python3.11", "2027-06-30", "2027-07-31"),
    ("python3.12", "2028-10-31", "2028-11-30"),
    ("python3.13", "2029-06-30", "2029-07-31"),
    ("python3.14", "2029-06-30", "2029-07-31"),
    ("ruby2.5", "", ""),
    ("ruby2.7", "", ""),
    ("ruby3.2", "2026-03-31", "2027-02-01"),
    ("ruby3.3", "2027-03-31", "2027-04-30"),
    ("ruby3.4", "2028-03-31", "2028-04-30"),
    ("ruby4.0", "2029-03-31", "2029-04-30"),
    ("java8", "", ""),
    ("java8.al2", "2027-06-30", "2027-07-31"),
    ("java11", "2027-06-30", "2027-07-31"),
    ("java17", "2027-06-30", "2027-07-31"),
    ("java21", "2029-06-30", "2029-07-31"),
    ("java25", "2029-06-30", "2029-07-31"),
    ("go1.x", "", ""),
    ("dotnetcore1.0", "", ""),
    ("dotnetcore2.0", "", ""),
    ("dotnetcore2.1", "", ""),
    ("dotnetcore3.1", "", ""),
    ("dotnet5.0", "", ""),
    ("dotnet6", "2024-12-20", "2027-02-01"),
    ("dotnet7", "", ""),
    ("dotnet8", "2026-11-10", "2027-02-01"),
    ("dotnet10", "2028-11-14", "2028-12-14"),
    ("provided", "2024-01-08", "2024-02-08"),
    ("provided.al2", "2026-07-31", "2027-02-01"),
    ("provided.al2023", "2029-06-30", "2029-07-31"),
];

/// The day from which AWS no longer patches a runtime, `2026-10-31`; empty where that is long past. None for what is not in
/// the list, which may be newer than the list.
pub fn end(runtime: &str) -> Option<&'static str> {
    ENDS.iter().find(|(known, ..)| *known == runtime).map(|(_, end, _)| *end)
}

/// The day from which AWS refuses to create functions on a runtime, as [`end`].
pub fn creation_refused(runtime: &str) -> Option<&'static str> {
    ENDS.iter().find(|(known, ..)| *known == runtime).map(|(.., refused)| *refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days_and_creation_is_refused_after_the_end() {
        let day = |text: &str| text.is_empty() || (text.len() == 10 && text.as_bytes()[4] == b'-');
        for (runtime, end, refused) in ENDS {
            assert!(day(end) && day(refused) && end <= refused, "{runtime}: {end}, {refused}");
        }
        assert_eq!((end("python3.9"), end("nodejs"), end("cobol1")), (Some("2025-12-15"), Some(""), None));
        assert_eq!((creation_refused("python3.9"), creation_refused("cobol1")), (Some("2027-02-01"), None));
    }
}
