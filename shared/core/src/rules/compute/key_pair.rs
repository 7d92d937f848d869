use crate::event::Record;
use crate::rules::admin::power;
use crate::rules::network_access::region;
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};

declare_rule! {
    /// ## What it detects
    /// An SSH key pair for EC2 was created or imported. Deleting it resolves the finding.
    /// ## Why it matters
    /// New instances trust the key that they are started with. Somebody who means to stay brings a key of their own.
    /// ## What to do
    /// Nothing, if you know the key. Else delete it, and look for instances that were started with it: on those the key
    /// stays after the pair is deleted.
    /// ## False positives
    /// New team members and new projects. Whether the caller has done so before, the event does not tell.
    KeyPair {
        id: "compute-key-pair-made",
        title: "A key pair for EC2 was created or imported",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-08"],
        references: ["ATT&CK T1098.004", "Amazon EC2 User Guide: Key pairs"],
        on: [On::Call("ec2.amazonaws.com", &["CreateKeyPair", "ImportKeyPair", "DeleteKeyPair"])],
    }
}

impl Rule for KeyPair {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(key) = record.param(&["keyName"]).or_else(|| record.response_text(&["keyName"])) else {
            return Ok(());
        };
        let (who, arn) = (power::who(record), record.arn("ec2", &format!("key-pair/{key}")));
        let did = match record.event_name.or_empty() {
            "DeleteKeyPair" => {
                cx.report(cx.passing(arn, format!("{who} deleted key pair {key}")));
                return Ok(());
            }
            "ImportKeyPair" => "imported",
            _ => "created",
        };
        let filter = format!("Name=key-name,Values={key}");
        let place = region(record);
        let seen = cx
            .failing(arn, format!("{who} {did} key pair {key}"))
            .because("Whoever holds the private key can sign in to instances that are started with it.")
            .detail_if("Fingerprint", record.response_text(&["keyFingerprint"]))
            .step("Which instances trust it?", "ec2 describe-instances", &[place, ("--filters", &filter)])
            .step("Delete it", "ec2 delete-key-pair", &[place, ("--key-name", key)]);
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observation::{Severity, Verdict};
    use crate::rules::testing::*;

    fn pair(name: &str) -> String {
        call("ec2", name, json!({"requestParameters": {"keyName": "mykeypair"}}))
    }

    #[test]
    fn fires_and_resolves() {
        let made = fires_at(&KeyPair, Severity::Low, &pair("CreateKeyPair"));
        assert_eq!(made.title, "alice created key pair mykeypair");
        assert_eq!(fired(&KeyPair, &pair("ImportKeyPair")).title, "alice imported key pair mykeypair");
        let gone = observe(&KeyPair, &pair("DeleteKeyPair"));
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), made.finding_id());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &KeyPair,
            &[
                call("ec2", "CreateKeyPair", json!({"requestParameters": null})),
                call("ec2", "CreateKeyPair", json!({"requestParameters": {"keyName": {"value": "k"}}})),
                call(
                    "ec2",
                    "CreateKeyPair",
                    json!({"errorCode": "Client.UnauthorizedOperation",
                    "requestParameters": {"keyName": "mykeypair"}}),
                ),
                call("lightsail", "CreateKeyPair", json!({"requestParameters": {"keyName": "mykeypair"}})),
            ],
        );
    }
}
