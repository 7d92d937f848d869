//! The forwarders of other regions. Each sends a heartbeat a quarter of an hour, the way of its events, and the heartbeat's
//! name says which event rules the forwarder has (infra/forwarder.yaml).

use std::collections::BTreeMap;
use std::time::Duration;

use keepwatch_base::arn::Arn;
use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::{Body, Event};
use crate::memory::journal::{Journal, change};

/// The journal's entry.
pub(crate) const ENTRY: &str = "forwarders";

/// How long a region that falls silent is remembered: as long as somebody may need to find out why.
pub(crate) const KEPT: Duration = Duration::from_secs(400 * 86_400);

/// The most regions that are remembered. AWS has fewer than forty, and a forged region pushes out none of them.
const MOST: usize = 64;

/// What EventBridge calls an event of a clock.
const CLOCK: &str = "Scheduled Event";

/// A forwarder, as its last heartbeat told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarder {
    /// Stands for the event rules that it has.
    pub version: String,
    /// When it was heard last.
    pub at: Timestamp,
}

/// The forwarders that were ever heard, by region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarders(pub BTreeMap<String, Forwarder>);

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The region that it comes from.
    pub region: String,
    /// The forwarder.
    pub forwarder: Forwarder,
}

impl Heartbeat {
    /// Reads a heartbeat of a forwarder of this account and stack. Its time is the clock's, and never later than `now`.
    pub fn of(event: &Event<'_>, account: &str, stack: &str, now: Timestamp) -> Option<Heartbeat> {
        let envelope = &event.envelope;
        let of_clock = matches!(event.body, Body::Other)
            && envelope.source.or_empty() == "aws.events"
            && envelope.detail_type.or_empty() == CLOCK
            && envelope.account.or_empty() == account;
        let rule = Arn::parse(envelope.resources.0.first()?.get()?).filter(|_| of_clock)?;
        let name = rule.resource.strip_prefix("rule/")?;
        let version = name.strip_prefix(stack)?.strip_prefix("-heartbeat-")?;
        let fits = rule.service == "events"
            && rule.account == account
            && rule.region == envelope.region.or_empty()
            && !stack.is_empty()
            && version.len() == 16
            && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        let at = event.time()?.min(now);
        fits.then(|| Heartbeat {
            region: rule.region.to_owned(),
            forwarder: Forwarder { version: version.to_owned(), at },
        })
    }

    /// Notes it; the latest of a region counts.
    ///
    /// # Errors
    /// As [`change`]. Nothing is lost then: the next comes in a quarter of an hour.
    pub async fn note<J: Journal>(self, journal: &J, now: Timestamp) -> Result<(), String> {
        let Heartbeat { region, forwarder } = self;
        change(journal, ENTRY, now, KEPT, |Forwarders(known): &mut Forwarders| {
            let newer = known.get(&region).is_none_or(|last| last.at < forwarder.at);
            let room = known.len() < MOST || known.contains_key(&region);
            if newer && room {
                known.insert(region.clone(), forwarder.clone());
            }
            ((), newer && room)
        })
        .await
    }
}

impl Forwarders {
    /// Those that were ever heard.
    ///
    /// # Errors
    /// The journal's.
    pub async fn read<J: Journal>(journal: &J) -> Result<Forwarders, J::Error> {
        Ok(journal.read(ENTRY).await?.map(|entry| entry.value).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn event() -> Value {
        json!({
            "version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events", "account": ACCOUNT,
            "time": "2026-03-01T12:00:00Z", "region": "eu-west-1",
            "resources": [format!("arn:aws:events:eu-west-1:{ACCOUNT}:rule/keepwatch-heartbeat-0123456789abcdef")],
            "detail": {},
        })
    }

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-01T12:01:00Z").unwrap()
    }

    fn read(event: &Value) -> Option<Heartbeat> {
        Heartbeat::of(&Event::parse(&event.to_string()).unwrap(), ACCOUNT, "keepwatch", now())
    }

    #[test]
    fn a_heartbeat_says_region_and_version() {
        let heartbeat = read(&event()).unwrap();
        assert_eq!(heartbeat.region, "eu-west-1");
        assert_eq!(heartbeat.forwarder.version, "0123456789abcdef");
        assert_eq!(heartbeat.forwarder.at, Timestamp::parse("2026-03-01T12:00:00Z").unwrap());
    }

    #[test]
    fn one_from_the_future_is_of_now() {
        let mut early = event();
        early["time"] = json!("2036-03-01T12:00:00Z");
        assert_eq!(read(&early).unwrap().forwarder.at, now());
    }

    #[test]
    fn everything_else_is_none() {
        let rule = |arn: &str| json!([arn]);
        for (field, value) in [
            ("source", json!("mine")),
            ("detail-type", json!("AWS API Call via CloudTrail")),
            ("account", json!("999988887777")),
            ("region", json!("eu-west-2")),
            ("resources", json!([])),
            (
                "resources",
                rule("arn:aws:events:eu-west-1:999988887777:rule/keepwatch-heartbeat-0123456789abcdef"),
            ),
            ("resources", rule("arn:aws:events:eu-west-1:111122223333:rule/shop-heartbeat-0123456789abcdef")),
            ("resources", rule("arn:aws:events:eu-west-1:111122223333:rule/keepwatch-heartbeat")),
            (
                "resources",
                rule("arn:aws:events:eu-west-1:111122223333:rule/keepwatch-heartbeat-0123456789abcdeg"),
            ),
            ("time", json!("yesterday")),
        ] {
            let mut other = event();
            other[field] = value.clone();
            assert_eq!(read(&other), None, "{field}: {value}");
        }
    }
}
