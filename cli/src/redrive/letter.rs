//! What a dead letter is, and how one of its kind is returned.
//!
//! Whoever gives something up gives it another form: `detect` adds why (`reason`), EventBridge adds rule and target, SQS notes
//! the queue that it moved a message from, Lambda writes a record of its own, SNS the notification.

use std::collections::BTreeSet;

use clap::ValueEnum;
use keepwatch_aws::dead_letters::DeadLetter;
use keepwatch_base::text::clean;
use serde_json::Value;

use crate::doctor::template::Names;

/// The most characters of a reason that are shown.
const MAX_REASON: usize = 300;

/// How many hexadecimal digits end the id of a finding.
const DIGITS: usize = 16;

/// What was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// An event that was not judged.
    Event,
    /// A call whose resource was not looked at again.
    Recheck,
    /// Changes of findings that notify or securityhub did not follow.
    Stream,
    /// A mail that was not delivered.
    Mail,
    /// A run of a function that failed.
    Run,
    /// What is none of these. It is never returned.
    Other,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Recheck => "recheck",
            Kind::Stream => "stream",
            Kind::Mail => "mail",
            Kind::Run => "run",
            Kind::Other => "other",
        }
    }

    /// What so many of them are, for people.
    pub(crate) fn named(self) -> &'static str {
        match self {
            Kind::Event => "events that were not judged",
            Kind::Recheck => "re-checks that were not done",
            Kind::Stream => "stream records that were not followed",
            Kind::Mail => "mails that were not delivered",
            Kind::Run => "runs of a function that failed",
            Kind::Other => "others",
        }
    }
}

/// How a letter is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `detect` judges it.
    Judge,
    /// `scan` looks again at what it touched.
    Recheck,
    /// The findings that the mail names are due once more.
    Tell(BTreeSet<String>),
    /// `scan` runs.
    Scan,
    /// There is nothing to return, for this reason.
    Nothing(&'static str),
    /// It cannot be returned; this is what to do by hand.
    Hand(&'static str),
}

impl Way {
    /// What `--apply` does.
    pub(crate) fn text(&self) -> String {
        match self {
            Way::Judge => "goes to the intake queue and is judged as any event; judged twice it counts once, and what nobody \
                           can work with is back after five deliveries"
                .to_owned(),
            Way::Recheck => "goes to the delay queue, and scan looks again at what the call touched".to_owned(),
            Way::Tell(_) => {
                "sets the findings due that the mail names: all who are subscribed are mailed again".to_owned()
            }
            Way::Scan => {
                "calls the function scan with your own credentials and waits, up to 15 minutes".to_owned()
            }
            Way::Nothing(why) => format!("takes it away, as there is nothing to return: {why}"),
            Way::Hand(what) => format!("stays. By hand: {what}"),
        }
    }
}

/// What is known of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) kind: Kind,
    /// Why it was given up.
    pub(crate) reason: String,
    pub(crate) way: Way,
}

impl Diagnosis {
    fn new(kind: Kind, reason: &str, way: Way) -> Diagnosis {
        Diagnosis { kind, reason: clean(reason, MAX_REASON), way }
    }

    fn strange(reason: &str) -> Diagnosis {
        Diagnosis::new(Kind::Other, reason, Way::Hand(STRANGE))
    }
}

const STRANGE: &str = "look at it (docs/operator.md, \"Dead letters\"). `keepwatch redrive --discard --kind other` takes it away";

const IN_THE_TABLE: &str =
    "its alerts stay due in the findings table, and the sweep of each minute sends them";

const SWEPT: &str = "the sweep of the next minute has done its work";

const OF_OPERATIONS: &str = "read what it says; alarms and event rules alone publish to the operations topic. \
                             `keepwatch redrive --discard --kind mail` takes it away";

const NAMES_NO_FINDING: &str = "it names no finding that could be mailed again; `keepwatch findings list` has what is open. \
                                `keepwatch redrive --discard --kind mail` takes it away";

const NOT_IN_HUB: &str = "the record names no finding, and Security Hub lacks what they became: \
                          `keepwatch findings list --all --format asff` has them for aws securityhub batch-import-findings. \
                          `keepwatch redrive --discard --kind stream` takes it away";

/// What a letter is.
pub(crate) fn tell(letter: &DeadLetter, names: &Names) -> Diagnosis {
    // SQS asks no policy when it moves a message, so that any queue of the account can have one moved here.
    if let Some(queue) = letter.moved_from.as_deref() {
        return moved_from(queue, names);
    }
    if let Some(reason) = letter.attributes.get("reason") {
        return Diagnosis::new(Kind::Event, reason, Way::Judge);
    }
    let body: Value = serde_json::from_str(&letter.body).unwrap_or_default();
    of_rule(letter, names)
        .or_else(|| of_function(&body, names))
        .or_else(|| of_mail(letter, &body, names))
        .unwrap_or_else(|| Diagnosis::strange("nothing tells what it is"))
}

fn is(arn: &str, id: &str, names: &Names) -> bool {
    names.arn_of(id).as_deref() == Some(arn)
}

/// A message that a queue has moved here, which nobody could work with.
fn moved_from(queue: &str, names: &Names) -> Diagnosis {
    if is(queue, "IntakeQueue", names) {
        let reason = "detect was handed it a thousand times and did not answer: it does not start";
        Diagnosis::new(Kind::Event, reason, Way::Judge)
    } else if is(queue, "RecheckQueue", names) {
        Diagnosis::new(Kind::Recheck, "scan could not work with it three times", Way::Recheck)
    } else {
        Diagnosis::strange(&format!("it is from a queue that is not the stack's: {queue}"))
    }
}

/// An event that an event rule could not deliver (EventBridge user guide, "Using dead-letter queues to process undelivered
/// events").
fn of_rule(letter: &DeadLetter, names: &Names) -> Option<Diagnosis> {
    let attribute = |name: &str| letter.attributes.get(name).map(String::as_str);
    let rule = attribute("RULE_ARN")?;
    let name = rule.rsplit('/').next().unwrap_or(rule);
    let code = attribute("ERROR_CODE").unwrap_or("no code");
    let message = attribute("ERROR_MESSAGE").unwrap_or_default();
    let reason = format!("rule {name} could not deliver it: {code}: {message}");
    let target = attribute("TARGET_ARN").unwrap_or_default();
    let ends = [
        ("IntakeQueue", Kind::Event, Way::Judge),
        ("RecheckQueue", Kind::Recheck, Way::Recheck),
        ("NotifyFunction", Kind::Run, Way::Nothing(SWEPT)),
        ("ScanFunction", Kind::Run, Way::Scan),
        ("OpsTopic", Kind::Mail, Way::Hand(OF_OPERATIONS)),
    ];
    let end = ends.into_iter().find(|(id, ..)| is(target, id, names));
    let (_, kind, way) = end.unwrap_or(("", Kind::Other, Way::Hand(STRANGE)));
    Some(Diagnosis::new(kind, &reason, way))
}

/// What Lambda gave up: records of a stream (Lambda developer guide, "Retaining discarded batches for a DynamoDB event source"),
/// or a run ("Capturing records of Lambda asynchronous invocations").
fn of_function(body: &Value, names: &Names) -> Option<Diagnosis> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let function = text("/requestContext/functionArn");
    let is_function = |id: &str| {
        names.arn_of(id).is_some_and(|arn| {
            function.strip_prefix(arn.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    };
    let condition = text("/requestContext/condition");
    if let Some(batch) = body.get("DDBStreamBatchInfo") {
        let size = batch["batchSize"].as_u64().unwrap_or_default();
        let of = |name: &str, way| {
            let reason =
                format!("{name} did not follow changes of findings ({condition}), {size} in a batch");
            Diagnosis::new(Kind::Stream, &reason, way)
        };
        return Some(if is_function("NotifyFunction") {
            of("notify", Way::Nothing(IN_THE_TABLE))
        } else if is_function("SecurityHubFunction") {
            of("securityhub", Way::Hand(NOT_IN_HUB))
        } else {
            Diagnosis::strange(&format!("records of a function that is not the stack's: {function}"))
        });
    }
    body.get("requestContext")?;
    Some(if is_function("ScanFunction") {
        let why = text("/responsePayload/errorMessage");
        Diagnosis::new(Kind::Run, &format!("scan failed ({condition}): {why}"), Way::Scan)
    } else {
        Diagnosis::strange(&format!("a run of a function that is not the stack's: {function}"))
    })
}

/// A mail that SNS could not deliver. It adds three attributes where an endpoint has refused; what it makes of the body of a mail
/// was not tried on AWS, so that either is enough.
fn of_mail(letter: &DeadLetter, body: &Value, names: &Names) -> Option<Diagnosis> {
    let refused =
        ["RequestID", "ErrorCode", "ErrorMessage"].iter().all(|name| letter.attributes.contains_key(*name));
    if !refused && body["Type"] != "Notification" {
        return None;
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let why = letter.attributes.get("ErrorMessage").map_or("SNS does not say why", String::as_str);
    if names.physical("OpsTopic") == Some(text("TopicArn")) {
        let reason = format!("\"{}\": {why}", text("Subject"));
        return Some(Diagnosis::new(Kind::Mail, &reason, Way::Hand(OF_OPERATIONS)));
    }
    let findings = findings_of(body["Message"].as_str().unwrap_or(&letter.body));
    let way = if findings.is_empty() { Way::Hand(NAMES_NO_FINDING) } else { Way::Tell(findings) };
    Some(Diagnosis::new(Kind::Mail, why, way))
}

/// What may be ids of findings in a mail: the id of a rule or check, and sixteen hexadecimal digits.
fn findings_of(mail: &str) -> BTreeSet<String> {
    // Mails write what looks like the name of a host so that nobody makes a link of it.
    let mail = mail.replace("[.]", ".");
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_id = |word: &&str| {
        word.rsplit_once('-').is_some_and(|(rule, digits)| {
            !rule.is_empty() && digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    mail.split(|c| !is_part(c)).filter(is_id).map(str::to_owned).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::template::{HOME, names_for_tests};

    const EVENT: &str = r#"{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": {}}"#;

    const INTAKE: &str = "arn:aws:sqs:us-east-1:111122223333:keepwatch-IntakeQueue-1A";
    const RECHECK: &str = "arn:aws:sqs:us-east-1:111122223333:keepwatch-RecheckQueue-1A";
    const OPS: &str = "arn:aws:sns:us-east-1:111122223333:keepwatch-OpsTopic-1A";

    /// A letter with this body and these attributes.
    pub(crate) fn letter(body: &str, attributes: &[(&str, &str)]) -> DeadLetter {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        DeadLetter {
            body: body.to_owned(),
            attributes: attributes.iter().map(own).collect(),
            ..DeadLetter::default()
        }
    }

    fn moved(body: &str, queue: &str) -> DeadLetter {
        DeadLetter { moved_from: Some(queue.to_owned()), ..letter(body, &[]) }
    }

    fn told(letter: &DeadLetter) -> Diagnosis {
        tell(letter, &names_for_tests(HOME, &[("SecurityHub", "enabled")]))
    }

    fn kind_and_way(letter: &DeadLetter) -> (Kind, Way) {
        let told = told(letter);
        (told.kind, told.way)
    }

    /// As Lambda writes it (Lambda developer guide, "Retaining discarded batches for a DynamoDB event source").
    fn of_stream(function: &str) -> DeadLetter {
        let body = json!({
            "requestContext": {"requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81", "functionArn": function,
                "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0", "timestamp": "2019-11-14T00:13:49.717Z",
            "DDBStreamBatchInfo": {"shardId": "shardId-00000001573689847184-864758bb",
                "startSequenceNumber": "800000000003126276362", "endSequenceNumber": "800000000003126276362",
                "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
                "approximateArrivalOfLastRecord": "2019-11-14T00:13:19Z", "batchSize": 1,
                "streamArn": "arn:aws:dynamodb:us-east-1:111122223333:table/keepwatch-FindingsTable-1A/stream/2019-11-14T00:04:06.388"},
        });
        letter(&body.to_string(), &[])
    }

    /// As Lambda writes it (Lambda developer guide, "Capturing records of Lambda asynchronous invocations").
    fn of_run(function: &str) -> DeadLetter {
        let body = json!({
            "version": "1.0", "timestamp": "2019-11-14T18:16:05.568Z",
            "requestContext": {"requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e", "functionArn": format!("{function}:$LATEST"),
                "condition": "RetriesExhausted", "approximateInvokeCount": 3},
            "requestPayload": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": "no answer in time", "errorType": "Error"},
        });
        letter(&body.to_string(), &[])
    }

    fn of_rule(target: &str) -> DeadLetter {
        letter(
            EVENT,
            &[
                ("RULE_ARN", "arn:aws:events:us-east-1:111122223333:rule/keepwatch-calls-1"),
                ("TARGET_ARN", target),
                ("ERROR_CODE", "NO_PERMISSIONS"),
                ("ERROR_MESSAGE", "not authorized"),
                ("RETRY_ATTEMPTS", "0"),
            ],
        )
    }

    fn of_mail(topic: &str, text: &str) -> DeadLetter {
        let body = json!({"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic,
            "Subject": "[HIGH] A key", "Message": text, "Timestamp": "2026-03-01T12:00:00.000Z"});
        letter(&body.to_string(), &[])
    }

    #[test]
    fn an_event_goes_back_to_be_judged_whoever_gave_it_up() {
        for event in [
            letter(EVENT, &[("reason", "good news could not be confirmed")]),
            letter("no json", &[("reason", "this is not an event")]),
            of_rule(INTAKE),
            moved(EVENT, INTAKE),
        ] {
            assert_eq!(kind_and_way(&event), (Kind::Event, Way::Judge), "{event:?}");
        }
        assert_eq!(told(&letter(EVENT, &[("reason", "why")])).reason, "why");
        let reason = told(&of_rule(INTAKE)).reason;
        assert_eq!(reason, "rule keepwatch-calls-1 could not deliver it: NO_PERMISSIONS: not authorized");
    }

    #[test]
    fn a_re_check_is_no_event_though_it_looks_like_one() {
        for one in [of_rule(RECHECK), moved(EVENT, RECHECK), moved(r#"{"keepwatch": "go on"}"#, RECHECK)] {
            assert_eq!(kind_and_way(&one), (Kind::Recheck, Way::Recheck), "{one:?}");
        }
    }

    #[test]
    fn what_another_queue_sends_here_is_never_returned() {
        let foreign = "arn:aws:sqs:us-east-1:111122223333:mine";
        let mut forged = moved(EVENT, foreign);
        forged.attributes =
            letter("", &[("reason", "x"), ("RULE_ARN", "r"), ("TARGET_ARN", INTAKE)]).attributes;
        for one in [
            moved(EVENT, foreign),
            forged,
            moved(EVENT, "arn:aws:sqs:eu-west-1:111122223333:keepwatch-IntakeQueue-1A"),
        ] {
            let told = told(&one);
            assert_eq!(told.kind, Kind::Other, "{one:?}");
            assert!(matches!(told.way, Way::Hand(_)) && told.reason.contains("not the stack's"), "{told:?}");
        }
    }

    #[test]
    fn stream_records_are_the_sweeps_work_or_security_hub_s() {
        let arn = |name: &str| format!("arn:aws:lambda:us-east-1:111122223333:function:keepwatch-{name}-1A");
        let notify = of_stream(&arn("NotifyFunction"));
        assert_eq!(kind_and_way(&notify), (Kind::Stream, Way::Nothing(IN_THE_TABLE)));
        assert!(told(&notify).reason.contains("RetryAttemptsExhausted"));
        let hub = of_stream(&arn("SecurityHubFunction"));
        assert_eq!(kind_and_way(&hub), (Kind::Stream, Way::Hand(NOT_IN_HUB)));
        assert_eq!(kind_and_way(&of_stream(&arn("Other"))), (Kind::Other, Way::Hand(STRANGE)));
    }

    #[test]
    fn a_run_is_scanned_again_and_a_sweep_is_not() {
        let arn = |name: &str| format!("arn:aws:lambda:us-east-1:111122223333:function:keepwatch-{name}-1A");
        let run = of_run(&arn("ScanFunction"));
        assert_eq!(kind_and_way(&run), (Kind::Run, Way::Scan));
        assert_eq!(told(&run).reason, "scan failed (RetriesExhausted): no answer in time");
        assert_eq!(kind_and_way(&of_rule(&arn("ScanFunction"))), (Kind::Run, Way::Scan));
        assert_eq!(kind_and_way(&of_rule(&arn("NotifyFunction"))), (Kind::Run, Way::Nothing(SWEPT)));
        // A function whose name only begins so is another.
        assert_eq!(told(&of_run(&format!("{}2", arn("ScanFunction")))).kind, Kind::Other);
    }

    #[test]
    fn a_mail_names_the_findings_that_it_told_of() {
        let topic = "arn:aws:sns:us-east-1:111122223333:keepwatch-AlertTopic-1A";
        let text = "WHAT\n  Finding id:  iam-access-key-3f9a2c41d07be5a8\n  keepwatch findings show scan[.]coverage-00aa00aa00aa00aa\n\
                    not-an-id-12 -3f9a2c41d07be5a8 x-3f9a2c41d07be5a8f";
        let ids = ["iam-access-key-3f9a2c41d07be5a8", "scan.coverage-00aa00aa00aa00aa"];
        let expected = Way::Tell(ids.map(str::to_owned).into());
        assert_eq!(kind_and_way(&of_mail(topic, text)), (Kind::Mail, expected.clone()));
        let refused = [("RequestID", "1"), ("ErrorCode", "403"), ("ErrorMessage", "suppressed")];
        let plain = letter(text, &refused);
        assert_eq!(kind_and_way(&plain), (Kind::Mail, expected));
        assert_eq!(told(&plain).reason, "suppressed");
        assert_eq!(
            kind_and_way(&of_mail(topic, "the weekly report")),
            (Kind::Mail, Way::Hand(NAMES_NO_FINDING))
        );
        let alarm = of_mail(OPS, text);
        assert_eq!(kind_and_way(&alarm), (Kind::Mail, Way::Hand(OF_OPERATIONS)));
        assert!(told(&alarm).reason.contains("[HIGH] A key"), "what it says must be readable");
        assert_eq!(kind_and_way(&of_rule(OPS)), (Kind::Mail, Way::Hand(OF_OPERATIONS)));
    }

    #[test]
    fn what_is_not_understood_stays() {
        for one in [
            letter("?", &[]),
            letter("{}", &[]),
            letter(EVENT, &[]),
            letter("[]", &[]),
            of_rule("arn:aws:sqs:x"),
        ] {
            let (kind, way) = kind_and_way(&one);
            assert!(kind == Kind::Other && matches!(way, Way::Hand(_)), "{one:?}");
        }
    }
}
