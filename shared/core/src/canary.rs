//! The canary: once a day `scan` makes a call that changes nothing, and it must come back as an event.
//!
//! It starts the logging of a trail that does not exist, under a name that nobody can guess. The call counts as a write, because
//! many trails record no others, and goes the way of every event: CloudTrail, EventBridge, the intake queue. `detect` notes that
//! it came ([`note`]), the next run of `scan` judges it ([`begin`]). [`crate::posture::canary`] says what findings are told.
//!
//! Nobody else's call stands in for it. The number in the name is from the operating system's source of randomness and is kept
//! before the call is made; only the number that waits is looked for; and the caller must be the role of `scan` and have got
//! CloudTrail's answer that there is no such trail, which that role gets inside of that function only (`OwnFunctionOnly` in
//! template.yaml).

use std::time::Duration;

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::engine::Config;
use crate::event::{Body, Event};
use crate::memory::journal::{Journal, RECEIPTS_KEPT, change};

/// The journal's entry of what was called, which `keepwatch doctor` reads too.
pub const ENTRY: &str = "canary";

/// What follows the stack's name in the name of the trail that does not exist; template.yaml lets `scan` call no other.
const MARK: &str = "-canary-";

/// How many hexadecimal digits a number has: 128 bits.
const DIGITS: usize = 32;

/// How the name of the role of `scan` goes on after the stack's.
const ROLE: &str = "-ScanRole-";

/// How long a call has to come back, and the least time between two calls: a run of `scan` that is tried again calls once.
/// CloudTrail takes five minutes on average and promises no time (CloudTrail user guide, "How CloudTrail works").
const WAITS: Duration = Duration::from_secs(12 * 3_600);

/// So many misses in a row are no chance.
pub const MISSES: u32 = 2;

/// A call that was made, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The number in the name.
    pub number: String,
    /// When it was made.
    pub at: Timestamp,
    /// Why it was not made, where it was not.
    #[serde(default)]
    pub refused: Option<String>,
}

/// A call that came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// When it was made.
    pub called: Timestamp,
    /// When `detect` had it.
    pub at: Timestamp,
}

impl Return {
    /// How long it took.
    pub fn latency(self) -> Duration {
        self.at.since(self.called)
    }
}

/// What is known of the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// When the first was made.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// The latest.
    #[serde(default)]
    pub waits: Option<Call>,
    /// The latest that came back.
    #[serde(default)]
    pub last: Option<Return>,
    /// How many in a row did not come back, the one that waits left out.
    #[serde(default)]
    pub misses: u32,
    /// How many of these the check on trails explains.
    #[serde(default)]
    pub explained: u32,
}

/// The name of the trail that a call is about.
pub fn trail(stack: &str, number: &str) -> String {
    format!("{stack}{MARK}{number}")
}

/// The journal's entry of a call that came back: when.
pub fn entry_of(number: &str) -> String {
    format!("{ENTRY}#{number}")
}

/// Notes that a call came back, if that is what the event is. The first time counts.
///
/// # Errors
/// As [`change`]. The event must be delivered again then.
pub async fn note<J: Journal>(
    journal: &J,
    event: &Event<'_>,
    account: &str,
    config: &Config,
    now: Timestamp,
) -> Result<(), String> {
    let Some(number) = number(event, account, config) else { return Ok(()) };
    // A write that is refused is no proof that the entry is there: it is looked at.
    change(journal, &entry_of(number), now, RECEIPTS_KEPT, |at: &mut Option<Timestamp>| {
        let is_first = at.is_none();
        at.get_or_insert(now);
        ((), is_first)
    })
    .await
}

/// The number of a call of `scan` itself.
fn number<'e>(event: &'e Event<'_>, account: &str, config: &Config) -> Option<&'e str> {
    let Body::CloudTrail(record) = &event.body else { return None };
    if record.event_name.or_empty() != "StartLogging"
        || record.event_source.or_empty() != "cloudtrail.amazonaws.com"
        || record.error_code.or_empty() != "TrailNotFoundException"
        || event.account() != account
    {
        return None;
    }
    let role = record.user_identity.session_context.session_issuer.arn.or_empty();
    if !role.contains(ROLE) || !config.own_arns.iter().any(|arn| arn == role) {
        return None;
    }
    let number = record.param(&["name"])?.strip_prefix(config.stack.as_str())?.strip_prefix(MARK)?;
    (number.len() == DIGITS && number.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(number)
}

/// Judges the call of the last run, and keeps the number of the one that is to be made. `false` when none is: one was made a few
/// hours ago, or another run makes it.
///
/// # Errors
/// The journal's. No call is to be made then: nobody would know its number.
pub async fn begin<J: Journal>(journal: &J, number: &str, now: Timestamp) -> Result<bool, J::Error> {
    let (mut canary, expected) = read_with_version(journal, now).await?;
    if let Some(call) = &canary.waits {
        // One from the future was not written by a run, and must not put off the next one.
        if now.since(call.at) < WAITS && !call.at.is_ahead_of(now) {
            return Ok(false);
        }
        if !canary.has_come_back() {
            canary.misses = canary.misses.saturating_add(1);
        }
    }
    canary.since.get_or_insert(now);
    canary.waits = Some(Call { number: number.to_owned(), at: now, refused: None });
    if journal.write(ENTRY, &canary, expected, now.plus(RECEIPTS_KEPT)).await? {
        return Ok(true);
    }
    // Where the answer to a write was lost, the client's own second attempt is refused: the number is kept all the same, and
    // would be a miss if the call were not made.
    let kept = journal.read::<Canary>(ENTRY).await?.and_then(|entry| entry.value.waits);
    Ok(kept.is_some_and(|call| call.number == number))
}

/// Notes that AWS did not take a call.
///
/// # Errors
/// As [`change`].
pub async fn refused<J: Journal>(journal: &J, number: &str, why: &str, now: Timestamp) -> Result<(), String> {
    change(journal, ENTRY, now, RECEIPTS_KEPT, |canary: &mut Canary| {
        let call = canary.waits.as_mut().filter(|call| call.number == number);
        let known = call.is_some();
        if let Some(call) = call {
            call.refused = Some(why.to_owned());
        }
        ((), known)
    })
    .await
}

/// Notes that the check on trails has told why nothing came back so far: what is missed from here on is counted anew.
///
/// # Errors
/// As [`change`].
pub async fn explain<J: Journal>(journal: &J, now: Timestamp) -> Result<(), String> {
    change(journal, ENTRY, now, RECEIPTS_KEPT, |canary: &mut Canary| {
        let news = canary.explained != canary.misses;
        canary.explained = canary.misses;
        ((), news)
    })
    .await
}

/// What is known now, with the return of the call that waits.
///
/// # Errors
/// The journal's.
pub async fn read<J: Journal>(journal: &J, now: Timestamp) -> Result<Canary, J::Error> {
    Ok(read_with_version(journal, now).await?.0)
}

async fn read_with_version<J: Journal>(
    journal: &J,
    now: Timestamp,
) -> Result<(Canary, Option<u64>), J::Error> {
    let entry = journal.read::<Canary>(ENTRY).await?;
    let expected = entry.as_ref().map(|entry| entry.version);
    let mut canary = entry.map(|entry| entry.value).unwrap_or_default();
    if let Some(number) = canary.waits.as_ref().map(|call| call.number.clone()) {
        let back = journal.read::<Timestamp>(&entry_of(&number)).await?;
        canary.came_back(back.map(|entry| entry.value), now);
    }
    Ok((canary, expected))
}

impl Canary {
    /// Takes the time at which the call that waits came back. Times from the future were not written by `detect`.
    pub fn came_back(&mut self, at: Option<Timestamp>, now: Timestamp) {
        let (Some(call), Some(at)) = (&self.waits, at.filter(|at| !at.is_ahead_of(now))) else { return };
        self.last = Some(Return { called: call.at, at });
        (self.misses, self.explained) = (0, 0);
    }

    /// Whether the call that waits has come back.
    pub fn has_come_back(&self) -> bool {
        self.waits.as_ref().is_some_and(|call| self.last.is_some_and(|last| last.called == call.at))
    }

    /// Misses in a row that nothing explains.
    pub fn unexplained(&self) -> u32 {
        self.misses.saturating_sub(self.explained)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Memory, done};

    const ACCOUNT: &str = "111122223333";
    const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/keepwatch-ScanRole-A1B2C3";
    const NUMBER: &str = "00112233445566778899aabbccddeeff";

    fn record() -> Value {
        json!({
            "eventVersion": "1.09", "eventID": "e1", "eventTime": "2026-03-01T04:24:00Z", "awsRegion": "us-east-1",
            "eventSource": "cloudtrail.amazonaws.com", "eventName": "StartLogging", "eventType": "AwsApiCall",
            "errorCode": "TrailNotFoundException", "readOnly": false, "recipientAccountId": ACCOUNT,
            "requestParameters": {"name": trail("keepwatch", NUMBER)},
            "userIdentity": {
                "type": "AssumedRole", "accountId": ACCOUNT,
                "arn": "arn:aws:sts::111122223333:assumed-role/keepwatch-ScanRole-A1B2C3/keepwatch-scan",
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE_ARN}},
            },
        })
    }

    fn config() -> Config {
        let own = |name: &str| format!("arn:aws:iam::111122223333:role/keepwatch-{name}-A1B2C3");
        let own_arns = ["DetectRole", "OperatorRole", "ScanRole"].map(own).to_vec();
        Config { stack: "keepwatch".to_owned(), own_arns, ..Config::default() }
    }

    fn event(record: &Value) -> String {
        json!({
            "version": "0", "id": "1", "detail-type": "AWS API Call via CloudTrail", "source": "aws.cloudtrail",
            "account": record["recipientAccountId"], "time": "2026-03-01T04:24:00Z", "region": "us-east-1",
            "resources": [], "detail": record,
        })
        .to_string()
    }

    fn read_number(record: &Value) -> Option<String> {
        number(&Event::parse(&event(record)).unwrap(), ACCOUNT, &config()).map(str::to_owned)
    }

    #[test]
    fn the_call_of_scan_is_known_by_its_number() {
        assert_eq!(read_number(&record()).as_deref(), Some(NUMBER));
    }

    #[test]
    fn nobody_elses_call_is_one() {
        let issuer = "/userIdentity/sessionContext/sessionIssuer/arn";
        for (field, value) in [
            // Somebody who has read the name in the event history.
            (issuer, json!("arn:aws:iam::111122223333:role/admin")),
            (issuer, json!("arn:aws:iam::111122223333:role/keepwatch-ScanRole-OTHER")),
            (issuer, json!("arn:aws:iam::111122223333:role/keepwatch-OperatorRole-A1B2C3")),
            (issuer, json!("arn:aws:iam::999988887777:role/keepwatch-ScanRole-A1B2C3")),
            (issuer, Value::Null),
            // What this role is answered outside of its function.
            ("/errorCode", json!("AccessDenied")),
            ("/errorCode", Value::Null),
            ("/recipientAccountId", json!("999988887777")),
            ("/eventName", json!("StopLogging")),
            ("/eventSource", json!("s3.amazonaws.com")),
            ("/requestParameters", Value::Null),
            ("/requestParameters/name", json!("keepwatch-test-alert-0123456789abcdef")),
            ("/requestParameters/name", json!(trail("shop", NUMBER))),
            ("/requestParameters/name", json!(trail("keepwatch", &NUMBER[1..]))),
            ("/requestParameters/name", json!(trail("keepwatch", &NUMBER.replace('f', "g")))),
        ] {
            let mut other = record();
            *other.pointer_mut(field).unwrap() = value.clone();
            assert_eq!(read_number(&other), None, "{field}: {value}");
        }
    }

    /// What is refused once was once taken for noted, and the call for missed.
    #[test]
    fn a_return_is_noted_though_a_write_is_refused() {
        let text = event(&record());
        let event = Event::parse(&text).unwrap();
        let first = Timestamp::parse("2026-03-01T04:29:00Z").unwrap();
        for is_written in [false, true] {
            let journal = Memory::refusing(is_written);
            for at in [first, first.plus(Duration::from_secs(86_400))] {
                done(note(&journal, &event, ACCOUNT, &config(), at)).unwrap();
                let noted = done(journal.read::<Timestamp>(&entry_of(NUMBER))).unwrap();
                assert_eq!(noted.map(|entry| entry.value), Some(first), "{is_written}");
            }
        }
    }

    /// The call must be made once its number is kept, or it would be a miss of which nobody could say why.
    #[test]
    fn a_call_whose_number_is_kept_is_made() {
        let now = Timestamp::parse("2026-03-01T04:24:00Z").unwrap();
        for is_written in [false, true] {
            let journal = Memory::refusing(is_written);
            assert_eq!(done(begin(&journal, NUMBER, now)).unwrap(), is_written);
            let kept = done(read(&journal, now)).unwrap().waits;
            assert_eq!(kept.is_some(), is_written);
        }
    }
}
