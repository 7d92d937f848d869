//! How many mails four ordinary weeks may bring.

use keepwatch_tests::noise::{WEEKS, run};

/// Alerts in the first week, and in each later one.
const MOST: [usize; 2] = [15, 5];

/// A digest a day and a report a week, which the owner can switch off.
const LETTERS: usize = 8;

#[test]
fn four_ordinary_weeks_bring_few_mails_and_the_ones_that_count() {
    let outcome = run();
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert!(outcome.events > 30_000 && outcome.brought > 5_000, "{} {}", outcome.events, outcome.brought);
    for week in 0..WEEKS {
        let subjects: Vec<&str> = outcome.alerts(week).map(|mail| mail.subject.as_str()).collect();
        assert!(subjects.len() <= MOST[usize::from(week > 0)], "week {}: {subjects:#?}", week + 1);
        let letters = outcome.mails.iter().filter(|mail| mail.week == week && mail.letter).count();
        assert!(letters <= LETTERS, "week {}: {letters} digests and reports", week + 1);
    }
    // What somebody would want to know of in these weeks is told.
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let alerts: Vec<String> =
        outcome.mails.iter().filter(|mail| !mail.letter).map(|mail| flat(&mail.text)).collect();
    for wanted in [
        "had a CloudFormation stack shop-api run as role cfn-exec",
        "Identity Center group",
        "opened bucket shop-exchange",
        "shared snapshot snap-0gold",
        "erp-sync",
        "having KMS key old deleted",
        "port 22",
        "frank@example[.]com replaced the code of function mailer",
        "GuardDuty",
    ] {
        assert!(alerts.iter().any(|text| text.contains(wanted)), "nobody is told: {wanted}");
    }
}
