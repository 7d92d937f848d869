//! How many mails four ordinary weeks may bring.

use keepwatch_tests::noise::{WEEKS, run};

/// Mails in the first week, and in each later one: alerts, daily mails and the weekly one together.
const MOST: [usize; 2] = [15, 5];

#[test]
fn four_ordinary_weeks_bring_few_mails_and_the_ones_that_count() {
    let outcome = run();
    assert_eq!(outcome.errors, Vec::<String>::new());
    assert!(outcome.events > 30_000 && outcome.brought > 5_000, "{} {}", outcome.events, outcome.brought);
    for week in 0..WEEKS {
        let subjects: Vec<&str> = outcome.alerts(week).map(|mail| mail.subject.as_str()).collect();
        let mails = outcome.mails.iter().filter(|mail| mail.week == week).count();
        assert!(
            mails <= MOST[usize::from(week > 0)],
            "week {}: {mails} mails, of them {subjects:#?}",
            week + 1
        );
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
