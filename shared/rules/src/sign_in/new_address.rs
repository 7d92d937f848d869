use super::common::{user, what_since, with_mfa};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An IAM user signed in to the console from an address that this user did not sign in from before. Off until it is
    /// switched on: `keepwatch tune rule sign-in-new-address --on`. It then learns: for the first day of each user every
    /// address is taken as theirs. It knows no places, only addresses, and remembers the latest 200 of a user; a user who
    /// does not sign in for 40 days is learnt anew.
    /// ## Why it matters
    /// Whoever has stolen a password, or a second factor with it, signs in from a place of their own. The address is what
    /// they cannot take along.
    /// ## What to do
    /// Ask the user whether it was them. If it was not, take the password away, and look at what was done since.
    /// ## False positives
    /// People who travel, work from home or have a provider that changes their address. Of an IPv6 address the first 64
    /// bits count. Root, SAML and Identity Center are left out: root has rules of its own, and the others sign in
    /// elsewhere.
    NewAddress {
        id: "sign-in-new-address",
        title: "A user signed in to the console from a new address",
        severity: Medium,
        confidence: Low,
        catalogue: ["AUTH-04"],
        references: [
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: AWS Management Console sign-in events"]),
        ],
        on: [On::Call("signin.amazonaws.com", &["ConsoleLogin"])],
        opt_in: true,
    }
}

impl Rule for NewAddress {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let federated = record.additional_text(&["SamlProviderArn"]).is_some();
        let Some(user) = user(record).filter(|_| sign_in_result(record) == Some("Success") && !federated)
        else {
            return Ok(());
        };
        let Some(origin) = record.origin() else { return Ok(()) };
        let Some(since) = cx.first_sight(user, &origin)? else { return Ok(()) };
        let from = record.source_ip_address.or_empty();
        let mfa = match with_mfa(record) {
            Some(true) => "used",
            Some(false) => "NOT used",
            None => "AWS does not say",
        };
        let title = format!("User {user} signed in to the console from a new address: {from}");
        let seen = cx
            .failing(record.iam_arn("user", user), title)
            .aspect(&origin)
            .because(format!(
                "The user's sign-ins are watched since {since}, and none that is remembered came from there."
            ))
            .detail("Address", from)
            .detail("MFA", mfa);
        cx.report(what_since(seen, record).step(
            "If it was not the user, take the password away",
            "iam delete-login-profile",
            &[("--user-name", user)],
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::events::sign_in;
    use super::*;
    use crate::testing::log::{all, last_fired, quiet};
    use crate::testing::*;

    /// A sign-in on this day of March.
    fn on(day: usize, address: &str, changes: Value) -> String {
        let mut event: Value = serde_json::from_str(&sign_in("Success", changes)).unwrap_or_default();
        event["eventTime"] = json!(format!("2026-03-{day:02}T12:00:00Z"));
        event["sourceIPAddress"] = json!(address);
        event.to_string()
    }

    #[test]
    fn fires() {
        let days = [on(1, "203.0.113.7", json!({})), on(2, "198.51.100.9", json!({}))];
        let seen = last_fired(&NewAddress, &days);
        assert_eq!(seen.title, "User alice signed in to the console from a new address: 198.51.100.9");
        assert_eq!(seen.subject.resource, "arn:aws:iam::111122223333:user/alice");
        assert_eq!((seen.subject.aspect.as_deref(), seen.severity), (Some("198.51.100.9"), Severity::Medium));
        assert!(seen.reason.contains("since 2026-03-01T12:00:00Z"), "{}", seen.reason);
    }

    #[test]
    fn a_redelivery_is_the_same_news_and_the_next_sign_in_is_none() {
        let (first, new) = (on(1, "203.0.113.7", json!({})), on(3, "198.51.100.9", json!({})));
        let log = [first.clone(), new.clone(), first, new, on(4, "198.51.100.9", json!({}))];
        let reports: Vec<usize> = all(&NewAddress, &log).iter().map(Vec::len).collect();
        assert_eq!(reports, [0, 1, 0, 1, 0]);
    }

    #[test]
    fn one_network_of_ipv6_is_one_address() {
        let days = [on(1, "2001:db8:1:2::1", json!({})), on(3, "2001:db8:1:2::2", json!({}))];
        quiet(&NewAddress, &days);
        let elsewhere = [days[0].clone(), on(3, "2001:db8:1:3::1", json!({}))];
        assert_eq!(last_fired(&NewAddress, &elsewhere).subject.aspect.as_deref(), Some("2001:db8:1:3::/64"));
    }

    #[test]
    fn stays_quiet() {
        let known = on(1, "203.0.113.7", json!({}));
        for changes in [
            json!({"responseElements": {"ConsoleLogin": "Failure"}}),
            json!({"responseElements": null}),
            json!({"errorCode": "AccessDenied"}),
            json!({"userIdentity": {"type": "Root", "userName": null}}),
            json!({"userIdentity": {"type": "AssumedRole"}}),
            json!({"additionalEventData": {"SamlProviderArn": "arn:aws:iam::111122223333:saml-provider/x"}}),
            // Another user, whose first sign-in it is.
            json!({"userIdentity": {"userName": "bob"}}),
        ] {
            quiet(&NewAddress, &[known.clone(), on(3, "198.51.100.9", changes)]);
        }
        // The first day, an address that is known, and what is no address.
        let learning: Vec<String> =
            (1..9).map(|i| on(1, &format!("198.51.100.{i}"), json!({}))).chain([known.clone()]).collect();
        quiet(&NewAddress, &learning);
        quiet(
            &NewAddress,
            &[known.clone(), on(9, "203.0.113.7", json!({})), on(9, "AWS Internal", json!({}))],
        );
        // All rules together: it waits to be switched on.
        assert!(evaluate_all(&known).iter().all(|seen| seen.rule.id != "sign-in-new-address"));
    }
}
