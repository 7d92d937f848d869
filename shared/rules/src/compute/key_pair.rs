use crate::kit::prelude::*;

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
        references: [attack(&["T1098.004"]), doc(&["Amazon EC2 User Guide: Key pairs"])],
        on: [On::Call("ec2.amazonaws.com", &["CreateKeyPair", "ImportKeyPair", "DeleteKeyPair"])],
    }
}

impl Rule for KeyPair {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        let arn = |key: &str| record.arn("ec2", &format!("key-pair/{key}"));
        // A pair can be deleted by its name or by its id, and the answer tells the id.
        let named = |key: &'static str| record.param(&[key]).or_else(|| record.response_text(&[key]));
        let (name, id) = (named("keyName"), named("keyPairId"));
        if record.event_name.or_empty() == "DeleteKeyPair" {
            for key in [name, id].into_iter().flatten() {
                cx.report(cx.passing(arn(key), format!("{who} deleted key pair {key}")));
            }
            return Ok(());
        }
        let Some(key) = name else { return Ok(()) };
        let did = if record.event_name.or_empty() == "ImportKeyPair" { "imported" } else { "created" };
        let filter = filter("key-name", key);
        let place = region_option(record);
        let seen = cx
            .failing(arn(id.unwrap_or(key)), format!("{who} {did} key pair {key}"))
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
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

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
    fn it_is_the_same_pair_by_name_and_by_id() {
        let answered = |name: &str, request: Value, response: Value| {
            call("ec2", name, json!({"requestParameters": request, "responseElements": response}))
        };
        let id = json!({"keyPairId": "key-0123456789abcdef0"});
        let made = fired(&KeyPair, &answered("CreateKeyPair", json!({"keyName": "mykeypair"}), id.clone()));
        assert!(made.steps[1].command.ends_with("--key-name mykeypair"), "{:?}", made.steps);
        for gone in [
            answered("DeleteKeyPair", json!({"keyName": "mykeypair"}), id.clone()),
            answered("DeleteKeyPair", id.clone(), json!({"_return": true})),
        ] {
            let seen = observe(&KeyPair, &gone);
            assert!(seen.iter().all(|seen| seen.verdict == Verdict::Passing));
            assert!(seen.iter().any(|seen| seen.finding_id() == made.finding_id()), "{gone}");
        }
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
