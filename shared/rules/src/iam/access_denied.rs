use std::net::IpAddr;
use std::time::Duration;

use crate::kit::prelude::*;

/// How many refused calls within how long.
const MANY: usize = 25;
const SPAN: Duration = Duration::from_secs(5 * 60);

declare_rule! {
    /// ## What it detects
    /// One principal at one address was refused 25 calls within five minutes. Single refusals are not told:
    /// every account has them every day.
    /// ## Why it matters
    /// Whoever has found a key does not know what it may do, and tries. It looks the same when somebody tries
    /// doors with a role that was meant for something else.
    /// ## What to do
    /// See what was tried, and whether it succeeded anywhere. If the owner of the credentials knows nothing
    /// of it, stop them.
    /// ## False positives
    /// A program that lost a permission and tries again and again: the calls are all the same then. AWS's own
    /// services and service-linked roles are left out; scanners that you have listed as automation are low.
    /// Read-only calls are not delivered and not counted, except in a replay of log files.
    AccessDenied {
        id: "iam-access-denied-burst",
        title: "Many calls of one principal were refused",
        severity: Medium,
        confidence: Low,
        catalogue: ["IAM-15"],
        references: [
            cis("3.0", &["4.1"]),
            cis("5.0", &["4.1"]),
            security_hub(&["CloudWatch.2"]),
            attack(&["T1580"]),
        ],
        on: [On::Failed(&[
            "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation",
        ])],
        failed_calls: true,
    }
}

impl Rule for AccessDenied {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = &record.user_identity;
        // A service that acts for somebody has a name where others have an address.
        let Ok(from) = record.source_ip_address.or_empty().parse::<IpAddr>() else { return Ok(()) };
        if record.by_root() || who.invoked_by.get().is_some() || cx.by_service() {
            return Ok(());
        }
        let session = who.arn.get().or_else(|| who.principal_id.get()).or_else(|| who.account_id.get());
        let caller = format!("{} {from}", session.unwrap_or("anonymous"));
        let Some(counted) = cx.many(MANY, &caller, SPAN)? else { return Ok(()) };
        let subject = acting_arn(record).or(session).unwrap_or("anonymous");
        let (name, count) = (caller_name(record), counted.count);
        let name = if subject == "anonymous" { "Somebody without credentials" } else { &name };
        let event = record.event_name.or_empty();
        let seen = cx
            .failing(subject, format!("{name} was refused {count} calls within five minutes, from {from}"))
            .global()
            .because(
                "Whoever has new credentials and does not know what they allow tries one call after another.",
            )
            .detail("The latest", format!("{event} of {}", record.event_source.or_empty()))
            .detail("Since", counted.since.to_string())
            .detail_if("AWS says", record.error_message.get());
        let by = match (who.access_key_id.get(), who.user_name.get()) {
            (Some(key), _) => lookup("AccessKeyId", key),
            (None, Some(user)) => lookup("Username", user),
            (None, None) => lookup("EventName", event),
        };
        let region = region(record);
        let seen = seen.step(
            "What else was tried, and what succeeded? (repeat in every enabled region)",
            "cloudtrail lookup-events",
            &[("--region", region), ("--lookup-attributes", &by)],
        );
        cx.report(stop_caller(cx.tempered(seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{failed_call, log};

    fn refused(changes: Value) -> String {
        failed_call("ec2", "RunInstances", "Client.UnauthorizedOperation", changes)
    }

    #[test]
    fn fires_at_the_twenty_fifth() {
        let events = log::repeated(&refused(json!({})), 25, 10);
        let seen = log::last_fired(&AccessDenied, &events);
        assert_eq!(seen.severity, Severity::Medium);
        assert_eq!(seen.title, "alice was refused 25 calls within five minutes, from 203.0.113.7");
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/alice");
        let role = json!({"errorCode": "AccessDenied", "userIdentity": {
            "type": "AssumedRole", "userName": null, "principalId": "AROAEXAMPLE:s1",
            "arn": "arn:aws:sts::111122223333:assumed-role/app/s1",
            "sessionContext": {"sessionIssuer": {"userName": "app",
            "arn": "arn:aws:iam::111122223333:role/app"}}}});
        let seen = log::last_fired(&AccessDenied, &log::repeated(&refused(role), 25, 1));
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:role/app");
        let nobody = json!({"errorCode": "AccessDenied", "userIdentity": null});
        let seen = log::last_fired(&AccessDenied, &log::repeated(&refused(nobody), 25, 1));
        assert!(seen.title.starts_with("Somebody without credentials"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        let many = |changes: Value| log::repeated(&refused(changes), 40, 1);
        let linked =
            "arn:aws:iam::111122223333:role/aws-service-role/config.amazonaws.com/AWSServiceRoleForConfig";
        for quiet in [
            log::repeated(&refused(json!({})), 24, 1),
            // Never 25 within five minutes.
            log::repeated(&refused(json!({})), 60, 13),
            many(json!({"errorCode": "ThrottlingException"})),
            many(json!({"sourceIPAddress": "cloudformation.amazonaws.com"})),
            many(json!({"sourceIPAddress": "AWS Internal"})),
            many(json!({"userIdentity": {"type": "AWSService"}})),
            many(json!({"userIdentity": {"invokedBy": "config.amazonaws.com"}})),
            many(json!({"userIdentity": {"sessionContext": {"sessionIssuer": {"arn": linked}}}})),
            many(json!({"userIdentity": {"type": "Root"}})),
        ] {
            log::quiet(&AccessDenied, &quiet);
        }
    }

    #[test]
    fn one_address_and_one_principal_at_a_time() {
        let mut events = log::repeated(&refused(json!({})), 24, 1);
        let other = refused(json!({"sourceIPAddress": "198.51.100.7"}));
        events.extend((0..24).map(|i| log::at(&other, &format!("other-{i}"), i)));
        let bob = refused(
            json!({"userIdentity": {"arn": "arn:aws:iam::111122223333:user/bob", "userName": "bob"}}),
        );
        events.extend((0..24).map(|i| log::at(&bob, &format!("bob-{i}"), i)));
        log::quiet(&AccessDenied, &events);
        // The same event delivered again is no second refusal.
        log::quiet(&AccessDenied, &vec![refused(json!({})); 40]);
    }
}
