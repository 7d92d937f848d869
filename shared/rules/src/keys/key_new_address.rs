use super::common::{Owner, done_with, of_key, stop, whose};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A call was signed with a long-term access key from an address that the key was not used from before; low for users
    /// that you have listed as automation. Off until it is switched on: `keepwatch tune rule access-key-new-address --on`.
    /// It then learns: for the first day of each key every address is taken as the owner's. It looks at the events that
    /// other rules asked for, refused calls included, and remembers the latest 200 addresses of a key; a key that is not
    /// used for 40 days is learnt anew.
    /// ## Why it matters
    /// A long-term key works from anywhere until somebody stops it. A thief uses it from a place of their own, and the
    /// first call from there is often the first sign that the key has leaked.
    /// ## What to do
    /// Ask the key's owner about the address and the call. If nobody knows it, stop the key, and treat everything that it
    /// may do as done.
    /// ## False positives
    /// People who travel or whose provider changes their address, and pipelines on hired machines: give those roles in
    /// place of keys, or list them as automation. Machines behind a VPC endpoint show their private addresses. Of an IPv6
    /// address the first 64 bits count. Calls that AWS services make for the key have no address and are left out.
    KeyNewAddress {
        id: "access-key-new-address",
        title: "A long-term access key is used from a new address",
        severity: Medium,
        confidence: Low,
        catalogue: ["KEY-09"],
        references: [
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: CloudTrail record contents (sourceIPAddress, invokedBy)"]),
        ],
        on: [On::LongTermKey],
        failed_calls: true,
        opt_in: true,
    }
}

impl Rule for KeyNewAddress {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let key = record.user_identity.access_key_id.or_empty();
        let Some(origin) = record.origin() else { return Ok(()) };
        let Some(since) = cx.first_sight(key, &origin)? else { return Ok(()) };
        let (owner, from) = (Owner::of(record), record.source_ip_address.or_empty());
        let title = format!("Access key {key}{} was used from a new address: {from}", owner.phrase());
        let call = format!("{} of {}", record.event_name.or_empty(), record.event_source.or_empty());
        let failed = record.error_code.get().map(|code| format!("{call}, which failed: {code}"));
        // A user agent names a tool and is the caller's choice; only the owner's own list makes it less.
        let severity = match cx.automation() {
            Some(Automation::Listed) => Severity::Low,
            _ => Severity::Medium,
        };
        let seen = of_key(cx, key, owner, &title)
            .aspect(&origin)
            .severity(severity)
            .because(format!(
                "The key's calls are watched since {since}, and none that is remembered came from there."
            ))
            .detail("Address", from)
            .detail("First call", failed.unwrap_or(call));
        let seen = whose(done_with(seen, key), "When and where was it last used?", key);
        cx.report(stop(seen, key, owner));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_base::hash::short_hash;
    use keepwatch_base::time::Timestamp;
    use keepwatch_core::memory::first_sight::FirstSeen;
    use keepwatch_core::memory::journal::RECEIPTS_KEPT;
    use keepwatch_core::observation::Observation;
    use keepwatch_core::state::{Answer, Fact, FirstSeenQuery, Query};

    const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

    fn used(changes: Value) -> String {
        let mut event = json!({"userIdentity": {"accessKeyId": KEY}});
        if let (Some(event), Value::Object(changes)) = (event.as_object_mut(), changes) {
            event.extend(changes);
        }
        call("iam", "CreateUser", event)
    }

    /// The answer that the key was first seen at `any`, and at this address at `member`.
    fn known(address: &str, member: &str, any: &str) -> [(Query, Answer); 1] {
        let time = |text| Timestamp::parse(text).unwrap_or_default();
        let key = format!("access-key-new-address#{}", short_hash(&[ACCOUNT, KEY]));
        let query = FirstSeenQuery { key, member: address.to_owned(), time: time(NOW), kept: RECEIPTS_KEPT };
        let seen = FirstSeen { member: time(member), any: time(any) };
        [(Query::FirstSeen(query), Fact::Known(keepwatch_core::state::Value::FirstSeen(seen)))]
    }

    const NOW: &str = "2026-03-01T12:00:00Z";
    const LONG_AGO: &str = "2026-02-01T00:00:00Z";

    fn new(event: &str, address: &str) -> Observation {
        fired_with(&KeyNewAddress, event, &known(address, NOW, LONG_AGO))
    }

    #[test]
    fn fires() {
        let seen = fired_with(&KeyNewAddress, &used(json!({})), &known("203.0.113.7", NOW, LONG_AGO));
        assert_eq!(
            seen.title,
            format!("Access key {KEY} of user alice was used from a new address: 203.0.113.7")
        );
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), (KEY, "global"));
        assert_eq!((seen.subject.aspect.as_deref(), seen.severity), (Some("203.0.113.7"), Severity::Medium));
        for command in ["lookup-events", "get-access-key-last-used", "update-access-key --user-name alice"] {
            assert!(seen.steps.iter().any(|step| step.command.contains(command)), "{:?}", seen.steps);
        }
        let refused = new(&used(json!({"errorCode": "AccessDenied"})), "203.0.113.7");
        assert!(refused.details.iter().any(|(_, value)| value.ends_with("which failed: AccessDenied")));
        let v6 = new(&used(json!({"sourceIPAddress": "2001:db8:1:2:3:4:5:6"})), "2001:db8:1:2::/64");
        assert!(v6.title.ends_with("2001:db8:1:2:3:4:5:6"), "{}", v6.title);
        assert_eq!(v6.subject.aspect.as_deref(), Some("2001:db8:1:2::/64"));
        new(&root_call("iam", "CreateUser", json!({"userIdentity": {"accessKeyId": KEY}})), "203.0.113.7");
    }

    #[test]
    fn a_user_agent_makes_it_no_less() {
        let tool = used(json!({"userAgent": "HashiCorp Terraform/1.9"}));
        assert_eq!(new(&tool, "203.0.113.7").severity, Severity::Medium);
    }

    #[test]
    fn stays_quiet() {
        for (member, any) in [(LONG_AGO, LONG_AGO), (NOW, NOW), (NOW, "2026-02-28T12:00:01Z")] {
            let seen = observe_with(&KeyNewAddress, &used(json!({})), &known("203.0.113.7", member, any));
            assert!(seen.is_empty(), "{seen:?}");
        }
        // What is no address is not even asked about.
        let mut quiet_ones = vec![call("iam", "CreateUser", json!({}))];
        for odd in [json!("cloudformation.amazonaws.com"), json!("AWS Internal"), json!(7), json!(null)] {
            quiet_ones.push(used(json!({"sourceIPAddress": odd})));
        }
        let service = json!({"accessKeyId": KEY, "invokedBy": "athena.amazonaws.com"});
        quiet_ones.push(used(json!({"userIdentity": service})));
        for event in quiet_ones {
            let seen = observe_with(&KeyNewAddress, &event, &known("203.0.113.7", NOW, LONG_AGO));
            assert!(seen.is_empty(), "{seen:?} of {event}");
        }
        quiet(&KeyNewAddress, &[used(json!({}))]);
        // All rules together: it waits to be switched on.
        let all = evaluate_all_with(&used(json!({})), &known("203.0.113.7", NOW, LONG_AGO));
        assert!(all.iter().all(|seen| seen.rule.id != "access-key-new-address"), "{all:?}");
    }
}
