use std::time::Duration;

use keepwatch_policy::{Document, Level, trust};

use crate::kit::prelude::*;

/// How long a role counts as new.
const NEW: Duration = Duration::from_secs(15 * 60);

declare_rule! {
    /// ## What it detects
    /// A role that is at most a quarter of an hour old, and that AWS services such as EC2 or Lambda may take on, was
    /// given administrative power. When the role was made and whom it trusts are read from the account; where they
    /// cannot be read this rule says nothing, because the rules on attached and inline policies report the grant in
    /// any case. Taking the policy away settles the finding.
    /// The grant itself is mailed by the rule that sees it; this finding is recorded beside it.
    /// ## Why it matters
    /// Make a role for a service, make it administrator, start something that runs with it: that is how a thief turns
    /// a stolen key into a foothold that survives the key. Whoever can start an instance or a function with the role is
    /// then administrator without ever assuming it.
    /// ## What to do
    /// Ask the caller what runs with the role. If nobody knows it: take the policy away, look for instances, functions
    /// and tasks that use the role already, and stop the caller's credentials.
    /// ## False positives
    /// Infrastructure as code makes roles and grants within seconds. `cdk bootstrap` does just this for CloudFormation,
    /// and CI systems are often set up so. The finding is right about such a role all the same: say once that you want
    /// it, or give it less.
    ServiceRole {
        id: "admin-new-service-role",
        title: "A role made minutes ago for AWS services got administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-16"],
        references: [attack(&["T1136.003"])],
        on: [On::Call("iam.amazonaws.com", &[
            "AttachRolePolicy", "PutRolePolicy", "DetachRolePolicy", "DeleteRolePolicy",
        ])],
        general: true,
    }
}

impl Rule for ServiceRole {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (Some(given), Some(time)) = (Given::of(record), record.time()) else { return Ok(()) };
        if power::takes_away(record) {
            cx.report(given.taken(record, cx));
            return Ok(());
        }
        let Power::Known(grant) = given.gain(record, cx)?.power else { return Ok(()) };
        let severity = match grant.level {
            Level::FullAdmin => Severity::Critical,
            Level::PrivilegeEscalation => Severity::High,
            Level::ServiceAdmin | Level::Ordinary => return Ok(()),
        };
        let Fact::Known(role) = cx.facts.role(given.name)? else { return Ok(()) };
        // A role of this name that was made after the event is another one.
        let Some(age) = role.created.filter(|made| *made <= time).map(|made| time.since(made)) else {
            return Ok(());
        };
        let services = Document::parse(&role.trust.text).map(|trust| trust::trusted_services(&trust));
        let services = services.unwrap_or_default().join(", ");
        if age > NEW || services.is_empty() {
            return Ok(());
        }
        let (who, age, already) = (caller_name(record), minutes(age), grant.ability().with_adverb("already"));
        let (name, short) = (given.name, given.short());
        let title =
            format!("Role {name}, made {age} ago for {services}, {already}: {who} gave it policy {short}");
        let (remove, option) = match given.inline {
            true => ("iam delete-role-policy", "--policy-name"),
            false => ("iam detach-role-policy", "--policy-arn"),
        };
        let seen = cx
            .failing(&given.arn, title)
            .aspect(given.policy)
            .severity(severity)
            .because(as_sentence(&grant.why()))
            .detail("Policy", given.policy)
            .detail("Used by", &services)
            .step("Remove the policy", remove, &[("--role-name", name), (option, given.policy)])
            .step(
                "Where can EC2 use it? (instance profiles)",
                "iam list-instance-profiles-for-role",
                &[("--role-name", name)],
            );
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

fn minutes(age: Duration) -> String {
    match age.as_secs() / 60 {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        more => format!("{more} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_base::time::Timestamp;
    use keepwatch_core::state::{Answer, PolicyText, Query, RoleFacts, Value};

    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    const EC2: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    const PEOPLE: &str = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}}"#;

    fn attach(policy: &str) -> String {
        call(
            "iam",
            "AttachRolePolicy",
            json!({"requestParameters": {"roleName": "web", "policyArn": policy}}),
        )
    }

    fn put(document: &str) -> String {
        let parameters = json!({"roleName": "web", "policyName": "p", "policyDocument": document});
        call("iam", "PutRolePolicy", json!({"requestParameters": parameters}))
    }

    fn role(made: &str, trust: &str) -> [(Query, Answer); 1] {
        let trust = PolicyText { name: "trust".to_owned(), text: trust.to_owned() };
        let role = RoleFacts { trust, created: Timestamp::parse(made) };
        [(Query::Role { name: "web".to_owned() }, Fact::Known(Value::Role(role)))]
    }

    #[test]
    fn fires() {
        let new = role("2026-03-01T11:55:00Z", EC2);
        let seen = fired_with(&ServiceRole, &attach(ADMIN), &new);
        assert_eq!(seen.severity, Severity::Critical);
        assert_eq!(
            seen.title,
            "Role web, made 5 minutes ago for ec2.amazonaws.com, is already a full administrator: \
             alice gave it policy AdministratorAccess"
        );
        let all = put(r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
        assert_eq!(fired_with(&ServiceRole, &all, &new).severity, Severity::Critical);
        let escalation =
            put(r#"{"Statement":{"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"*"}}"#);
        assert_eq!(fired_with(&ServiceRole, &escalation, &new).severity, Severity::High);
    }

    #[test]
    fn taking_the_policy_away_settles_it() {
        let new = role("2026-03-01T11:55:00Z", EC2);
        let request = json!({"requestParameters": {"roleName": "web", "policyArn": ADMIN}});
        let gone = observe(&ServiceRole, &call("iam", "DetachRolePolicy", request));
        assert_eq!((gone.len(), gone[0].verdict), (1, keepwatch_core::observation::Verdict::Passing));
        assert_eq!(gone[0].finding_id(), fired_with(&ServiceRole, &attach(ADMIN), &new).finding_id());
    }

    #[test]
    fn stays_quiet() {
        for facts in [
            role("2026-03-01T11:40:00Z", EC2),
            role("2026-03-01T12:00:01Z", EC2),
            role("some day", EC2),
            role("2026-03-01T11:55:00Z", PEOPLE),
            role("2026-03-01T11:55:00Z", "not a policy"),
        ] {
            let observations = observe_with(&ServiceRole, &attach(ADMIN), &facts);
            assert!(observations.is_empty(), "{observations:?}");
        }
        let new = role("2026-03-01T11:55:00Z", EC2);
        for event in [
            attach("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
            put(r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#),
            put("not a policy"),
            call(
                "iam",
                "AttachRolePolicy",
                json!({"requestParameters": {"roleName": "web", "policyArn": 7}}),
            ),
            call(
                "iam",
                "PutRolePolicy",
                json!({"requestParameters": {"omitted": true, "originalSize": 120000}}),
            ),
            call("iam", "AttachRolePolicy", json!({"requestParameters": null})),
        ] {
            let observations = observe_with(&ServiceRole, &event, &new);
            assert!(observations.is_empty(), "{observations:?}");
        }
        let failed = json!({"errorCode": "AccessDenied", "requestParameters": {"roleName": "web", "policyArn": ADMIN}});
        assert!(observe_with(&ServiceRole, &call("iam", "AttachRolePolicy", failed), &new).is_empty());
        quiet(&ServiceRole, &[attach(ADMIN)]); // The role cannot be read.
    }
}
