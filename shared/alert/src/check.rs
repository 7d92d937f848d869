//! What every mail must hold, and a strict model of what mail clients turn into links. For tests only, those of other
//! crates among them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::LazyLock;

use keepwatch_base::partition::PARTITIONS;
use keepwatch_base::time::Timestamp;
use keepwatch_core::catalogue::Catalogue;
use keepwatch_core::finding::Finding;
use keepwatch_core::observation::{Observation, Verdict};
use serde_json::Value;

use crate::format::schema;
use crate::runbook::Runbook;
use crate::{Alert, RelatedActs, Sender, Stack};

/// How many lines are surely read, of a mail that wakes somebody.
const FIRST_SCREEN: usize = 25;

/// The stack whose mails are looked at.
pub fn sender() -> &'static Sender {
    static SENDER: LazyLock<Sender> = LazyLock::new(|| {
        let [name, region, account] = ["keepwatch", "us-east-1", "111122223333"].map(str::to_owned);
        Sender { stack: Some(Stack { name, region, account }), zone: None }
    });
    &SENDER
}

/// The finding that these observations make, recorded once, with its alert due.
pub fn finding(observations: &[Observation]) -> Finding {
    let mut finding =
        Finding::open(&observations[0], None, None).expect("a failing observation opens a finding");
    for observation in &observations[1..] {
        finding.apply(observation);
    }
    finding.stamp(Timestamp::parse("2026-03-01T12:00:05Z").unwrap());
    finding
}

/// Renders what a rule observed, and asserts that the mail and its twin are what they should be. Good news has no mail.
pub fn renders_well(observation: &Observation, catalogue: Catalogue) {
    if observation.verdict == Verdict::Passing {
        return;
    }
    let finding = finding(std::slice::from_ref(observation));
    let alert = Alert::of(&finding, catalogue, sender(), &RelatedActs::default());
    let mut faults = faults(&alert);
    let (start, end) = (format!("[{}] ", finding.severity.as_str()), format!(" ({})", finding.account));
    let told = alert.subject.starts_with(&start) && alert.subject.ends_with(&end);
    if finding.account.bytes().all(|b| b.is_ascii_digit()) && !told {
        faults.push(format!("the subject is not {start:?}, what happened, {end:?}"));
    }
    let first_command = alert.text.lines().position(|line| line.starts_with("  aws "));
    if first_command.is_none_or(|line| line >= FIRST_SCREEN) {
        faults.push(format!("the first {FIRST_SCREEN} lines have no command"));
    }
    let to_do = format!("WHAT TO DO NOW, IN ACCOUNT {}", finding.account);
    for heading in ["WHO", "WHAT AND WHERE", "WHEN", to_do.as_str(), "IF IT IS EXPECTED", "THIS FINDING"] {
        if alert.text.lines().filter(|line| *line == heading).count() != 1 {
            faults.push(format!("not one heading {heading}"));
        }
    }
    let mut what_to_do = alert.text.split(&format!("{to_do}\n")).nth(1).unwrap_or_default();
    what_to_do = what_to_do.split("\nWHO\n").next().unwrap_or_default();
    if what_to_do.trim().len() < 40 || !what_to_do.contains("\n  aws ") {
        faults.push("it does not say what to do".to_owned());
    }
    for line in alert.text.lines().filter(|line| line.starts_with("  keepwatch ")) {
        if !line.ends_with(" --stack keepwatch --region us-east-1") {
            faults.push(format!("the command finds no stack: {line}"));
        }
    }
    let unsure = alert.text.split_whitespace().collect::<Vec<_>>().join(" ").contains("To be sure, ");
    if unsure != (finding.headline().verdict == Verdict::Unknown) {
        faults.push("it does not say what would make it sure, or says so of what is sure".to_owned());
    }
    for step in &observation.steps {
        if !alert.text.contains(&step.command) {
            faults.push(format!("the command is changed or missing: {}", step.command));
        }
        if !says_where(&step.command) {
            faults.push(format!("it asks wherever the reader happens to be: {}", step.command));
        }
        let looks_up = step.command.starts_with("aws cloudtrail lookup-events");
        let begins = step.command.contains(" --start-time ");
        if looks_up && begins && step.purpose.contains("before") {
            faults.push(format!("what was before is not found from that day on: {}", step.command));
        }
    }
    for word in alert.text.split_whitespace() {
        if DEBRIS.contains(&word) || word.contains("Some(") {
            faults.push(format!("{word:?} is no word for people"));
        }
    }
    faults.extend(schema::ocsf(&alert.json));
    assert!(faults.is_empty(), "{faults:#?}\nSubject: {}\n\n{}\n{:#}", alert.subject, alert.text, alert.json);
}

/// Whether a command of the AWS CLI names its region, or is of a service that has none.
fn says_where(command: &str) -> bool {
    let service = command.split(' ').nth(1).unwrap_or_default();
    GLOBAL.contains(&service) || command.contains(" --region ") || command.contains(" --region=")
}

/// Services whose commands need no region: they are global, or find a bucket wherever it is.
const GLOBAL: [&str; 12] = [
    "account",
    "budgets",
    "ce",
    "cloudfront",
    "globalaccelerator",
    "iam",
    "organizations",
    "route53",
    "s3",
    "s3api",
    "sts",
    "waf",
];

/// What is wrong with any mail, whatever it is about.
pub fn faults(alert: &Alert) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |good: bool, fault: &str| {
        if !good {
            faults.push(fault.to_owned());
        }
    };
    let printable = |c: char| c == ' ' || c.is_ascii_graphic();
    check((1..=99).contains(&alert.subject.len()), "the subject's length");
    check(alert.subject.chars().all(printable), "the subject is not printable ASCII");
    check(alert.subject.starts_with('['), "the subject does not begin with a severity");
    let message = alert.message();
    check(alert.text.len() <= 256 * 1024 && message.len() <= 256 * 1024, "too large");
    let whole: Value = serde_json::from_str(&message).unwrap();
    let twin = serde_json::from_str::<Value>(whole["default"].as_str().unwrap());
    check(twin.is_ok_and(|twin| twin["severity_id"].is_u64()), "the twin is no JSON object");
    check(!alert.text.chars().any(is_invisible), "an invisible character");
    check(!alert.text.contains("\n\n\n"), "two empty lines");
    check(alert.text.ends_with('\n') && !alert.text.ends_with("\n\n"), "the end");
    for line in alert.text.lines() {
        let label = line.strip_prefix("  ").filter(|rest| rest.len() <= 16 && !rest.starts_with(' '));
        check(line.trim_end() == line, &format!("space at the end of {line:?}"));
        let alone = label.is_some_and(|label| LABELS.contains(&label));
        check(!alone, &format!("nothing after {line:?}"));
    }
    let mut told = runbooks(&alert.text);
    told.retain(|section| !expected(&alert.json).iter().any(|runbook| runbook.section() == section));
    check(told.is_empty(), &format!("it names a section about something else: {told:?}"));
    for runbook in expected(&alert.json) {
        let named = runbooks(&alert.text).iter().any(|section| section == runbook.section());
        check(named, &format!("it does not name the section {:?} of docs/operations.md", runbook.section()));
    }
    for link in clickable(&alert.subject).into_iter().chain(clickable(&alert.text)) {
        check(false, &format!("clickable: {link:?}"));
    }
    faults
}

/// The sections of `docs/operations.md` that a mail names.
fn runbooks(text: &str) -> Vec<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let after = text.split("the page \"Operations\" of Keepwatch's docs, section '").skip(1);
    after.filter_map(|rest| Some(rest.split_once('\'')?.0.to_owned())).collect()
}

/// Those that it has to name, by what its machine's copy says it is about.
fn expected(twin: &Value) -> Vec<Runbook> {
    let report = &twin["report"];
    let missing = report["history"].as_u64() > Some(0) || report["posture"]["missing"] == true;
    let deaf = report["kind"] == "weekly" && twin["severity"] == "High";
    // A mail of several findings tells the worst of them in full, and its machine's copy is that one's.
    let rule = twin["finding_info"]["analytic"]["uid"].as_str();
    [
        (twin["dead_letters"].is_object(), Runbook::DeadLetters),
        (twin["audience"].is_object(), Runbook::Subscribers),
        (missing, Runbook::DailyRun),
        (deaf, Runbook::NoEvents),
        (twin["alert_reason"] == "unreadable", Runbook::Unreadable),
    ]
    .into_iter()
    .filter_map(|(so, runbook)| so.then_some(runbook))
    .chain(rule.and_then(Runbook::of_rule))
    .collect()
}

/// Labels that never have a line without a value.
const LABELS: [&str; 10] =
    ["By", "Type", "ARN", "Access key", "Source IP", "User agent", "Resource", "Account", "Region", "Event"];

/// What a value that was not there looks like when nobody has thought of it.
const DEBRIS: [&str; 9] = ["None", "null", "{}", "[]", "()", "\"\"", "Null", "[object", "undefined"];

/// Characters that nobody sees, or that change how others look: controls, formats, fillers, variation selectors. From
/// the Unicode Character Database's own lists, not from the code under test.
fn is_invisible(c: char) -> bool {
    let ranges = [
        0x00..=0x09,
        0x0b..=0x1f,
        0x7f..=0x9f,
        0xad..=0xad,
        0x34f..=0x34f,
        0x61c..=0x61c,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x200b..=0x200f,
        0x2028..=0x202e,
        0x2060..=0x206f,
        0x3164..=0x3164,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xfffb,
        0xe0000..=0xe0fff,
    ];
    ranges.iter().any(|range| range.contains(&u32::from(c)))
}

/// What a mail client might turn into a link. Strict: any two names with a dot between count as a domain, whether or
/// not such a top-level domain exists today. Not counted: the console's own pages as `console.rs` builds them, and the
/// names of AWS's services.
pub fn clickable(text: &str) -> Vec<String> {
    // Clients end a link at these, and so none begins or goes on across them.
    let ends = |c: char| c.is_whitespace() || "<>\"'`()[]{}|,;".contains(c);
    text.split(ends).filter(|word| is_link(word)).map(str::to_owned).collect()
}

fn is_link(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '!', '?', '…']);
    if is_console(word) || is_service(word) {
        return false;
    }
    let lower = word.to_lowercase();
    let schemes =
        ["mailto:", "tel:", "sms:", "callto:", "sip:", "news:", "facetime:", "outlook:", "onenote:"];
    let begins = |prefix: &str| {
        lower.match_indices(prefix).any(|(at, _)| {
            let inside_a_word = lower[..at].ends_with(char::is_alphanumeric);
            lower.len() > at + prefix.len() && !inside_a_word
        })
    };
    lower.contains(":/") // http://, file:/, s3://
        || schemes.iter().any(|scheme| begins(scheme))
        || begins("www.")
        || begins("\\\\")
        || is_domain(&lower)
}

/// `name.name`, with an address before it or a path after it, whatever of the four full stops stands between.
fn is_domain(word: &str) -> bool {
    let mut before = ' ';
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        if matches!(c, '.' | '。' | '．' | '｡') && before.is_alphanumeric() {
            let top: Vec<char> = chars.clone().take_while(|c| c.is_alphabetic()).collect();
            if top.len() >= 2 || (top.len() == 1 && !top[0].is_ascii()) {
                return true;
            }
        }
        before = c;
    }
    false
}

fn is_console(word: &str) -> bool {
    let mut hosts = PARTITIONS.iter().filter_map(|partition| partition.console);
    hosts.any(|host| {
        word.strip_prefix(&format!("https://{host}/iam/home#/"))
            .is_some_and(|page| page.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_%".contains(&b)))
    })
}

fn is_service(word: &str) -> bool {
    let name = word.strip_suffix(".amazonaws.com");
    name.is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

#[test]
fn the_detector_finds_what_mail_clients_link() {
    for link in [
        "http://evil.example/kit",
        "see HTTPS://EVIL.EXAMPLE, please",
        "ftp://1.2.3.4",
        "file:///etc/passwd",
        "evil.com",
        "(evil.com)",
        "evil.com.",
        "evil.co.uk/path?x=1",
        "alice@evil.com",
        "mailto:alice",
        "tel:+15550100",
        "www.1and1",
        "evil。com",
        "evil．中国",
        "i❤evil｡ws",
        "\\\\host\\share",
        "<a href=\"https://evil.com\">",
        "[text](https://evil.com)",
        "https://console.aws.amazon.com.evil.com/iam/home#/x",
        "https://console.aws.amazon.com/iam/home#/users/details/x?redirect=evil",
        "https://console.aws.amazon.com@evil.com/",
        "x.iam.amazonaws.com",
        "evil.com/iam.amazonaws.com",
    ] {
        assert!(!clickable(link).is_empty(), "{link}");
    }
    for text in [
        "https://console.aws.amazon.com/iam/home#/users/details/bob%2Ename",
        "lambda.amazonaws.com, ec2.amazonaws.com.",
        "aws-cli/2.15.30 from 203.0.113.7 at 2026-03-01T12:00:00Z. Then more.",
        "arn:aws:iam::111122223333:user/bob",
        "https[:]//evil[.]example/kit",
        "alice@example'.'com",
        "hotel:1 \\n e.g. v1.5",
    ] {
        assert_eq!(clickable(text), [""; 0], "{text}");
    }
}

#[test]
fn the_check_can_fail() {
    let good = Alert {
        subject: "[HIGH] x (111122223333)".to_owned(),
        text: "x\n".to_owned(),
        json: serde_json::json!({"severity_id": 4}),
    };
    assert_eq!(faults(&good), [""; 0]);
    let long = "x".repeat(100);
    for subject in ["", "HIGH x", "[HIGH] \u{e9}", "[HIGH] x\ny", "[HIGH] evil.com", &format!("[{long}]")] {
        assert_ne!(faults(&Alert { subject: subject.to_owned(), ..good.clone() }), [""; 0], "{subject}");
    }
    let huge = format!("{}\n", "x".repeat(300_000));
    for text in ["", "x", "x\n\n", "x \n", "a\n\n\nb\n", "  By\n", "x\u{202e}\n", "a\tb\n", &huge] {
        assert_ne!(faults(&Alert { text: text.to_owned(), ..good.clone() }), [""; 0], "{text:?}");
    }
}
