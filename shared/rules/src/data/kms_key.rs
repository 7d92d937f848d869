use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A KMS key is to be deleted, or its imported key material was deleted (high), or it was disabled (medium). Or a
    /// custom key store was disconnected, and none of its keys can be used until it is connected again (medium).
    /// Or material was imported that expires (low).
    /// Cancelling the deletion, importing the material again or enabling the key resolves the finding. When KMS has
    /// deleted the key, there is nothing left to do, and its findings close as deleted.
    /// ## Why it matters
    /// Everything encrypted with the key cannot be read while it is disabled, and never again once it is deleted: disks,
    /// databases, buckets, backups. No copy and no support case brings a deleted key back.
    /// ## What to do
    /// Before the deadline, cancel the deletion and enable the key again: cancelling alone leaves it disabled. Then ask
    /// the caller.
    /// ## False positives
    /// The end of a project. A custom key store is disconnected for maintenance of its CloudHSM cluster. CloudTrail tells for at most 90 days who used the key: look before you let it go.
    KmsKey {
        id: "data-kms-key-disabled-or-deleted",
        title: "A KMS key was disabled or is to be deleted",
        severity: High,
        confidence: High,
        catalogue: ["DATA-01"],
        references: [
            cis("3.0", &["4.7"]),
            cis("5.0", &["4.7"]),
            security_hub(&["KMS.3", "CloudWatch.7"]),
            attack(&["T1485"]),
            doc(&["AWS KMS API Reference: ScheduleKeyDeletion, DisableKey, DeleteImportedKeyMaterial"]),
        ],
        on: [On::Call("kms.amazonaws.com", &[
            "ScheduleKeyDeletion", "CancelKeyDeletion", "DisableKey", "EnableKey", "DeleteImportedKeyMaterial",
            "ImportKeyMaterial", "DeleteKey", "DisconnectCustomKeyStore", "ConnectCustomKeyStore",
        ])],
        repeat_hours: 6,
    }
}

impl Rule for KmsKey {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if let Some(store) = record.param(&["customKeyStoreId"]) {
            cx.report(key_store(record, cx, store));
            return Ok(());
        }
        let named = record.response_text(&["keyId"]).or_else(|| record.param(&["keyId"]));
        let Some(key) = named.or_else(|| gone(record)) else { return Ok(()) };
        let (arn, short) = kms_key(record, key);
        let who = caller_name(record);
        let name = record.event_name.or_empty();
        if name == "DeleteKey" {
            for aspect in ["deletion", "disabled", "key material"] {
                let title = format!("KMS has deleted key {short}: its waiting period is over");
                cx.report(cx.passing(&arn, title).aspect(aspect));
            }
            return Ok(());
        }
        if name == "ImportKeyMaterial" && record.param(&["expirationModel"]) == Some("KEY_MATERIAL_EXPIRES") {
            let when = record.param(&["validTo"]).map_or_else(String::new, |when| format!(" on {when}"));
            let seen = cx
                .failing(&arn, format!("{who} imported key material into KMS key {short} that expires{when}"))
                .severity(Severity::Low)
                .aspect("expires")
                .because("What the key encrypts cannot be read from then on, until the material is imported again.")
                .detail_if("Expires", record.param(&["validTo"]))
                .step("When does it expire?", "kms describe-key", &[region_option(record), ("--key-id", &arn)]);
            cx.report(cx.tempered(stop_caller(seen, record)));
        }
        let good = match name {
            "CancelKeyDeletion" => Some(("deletion", "cancelled the deletion of")),
            "EnableKey" => Some(("disabled", "enabled")),
            "ImportKeyMaterial" => Some(("key material", "imported key material into")),
            _ => None,
        };
        if let Some((aspect, did)) = good {
            cx.report(cx.passing(&arn, format!("{who} {did} KMS key {short}")).aspect(aspect));
            return Ok(());
        }
        let options = [region_option(record), ("--key-id", arn.as_str())];
        let seen = match name {
            "ScheduleKeyDeletion" => {
                let deadline = deadline(record);
                cx.failing(&arn, format!("{who} is having KMS key {short} deleted{}", deadline.title))
                    .aspect("deletion")
                    .because("The key is unusable from now on. When it is deleted, what it encrypts is lost for ever.")
                    .detail("Deleted", deadline.detail)
                    .step("Cancel the deletion", "kms cancel-key-deletion", &options)
                    .step("Make the key usable again", "kms enable-key", &options)
            }
            "DisableKey" => cx
                .failing(&arn, format!("{who} disabled KMS key {short}"))
                .aspect("disabled")
                .severity(Severity::Medium)
                .because("What the key encrypts cannot be read until it is enabled again.")
                .step("Enable it again", "kms enable-key", &options),
            _ => cx
                .failing(&arn, format!("{who} deleted the imported key material of KMS key {short}"))
                .aspect("key material")
                .because(
                    "What the key encrypts cannot be read until exactly this material is imported again.",
                )
                .step(
                    "Begin an import",
                    "kms get-parameters-for-import",
                    &[
                        region_option(record),
                        ("--key-id", &arn),
                        ("--wrapping-algorithm", "RSAES_OAEP_SHA_256"),
                        ("--wrapping-key-spec", "RSA_4096"),
                    ],
                ),
        };
        let seen = seen.step("What is the key for, and in which state is it?", "kms describe-key", &options);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// The key that KMS itself has deleted. Its event has neither parameters nor an answer.
fn gone<'r>(record: &'r Record<'_>) -> Option<&'r str> {
    if record.event_name.or_empty() != "DeleteKey" {
        return None;
    }
    items_at(record.whole(), &["resources"]).into_iter().find_map(|resource| text_at(resource, &["ARN"]))
}

struct Deadline {
    title: String,
    detail: String,
}

/// When the key is deleted. A key with replicas waits for them and has no date yet.
fn deadline(record: &Record<'_>) -> Deadline {
    let days = number_at(record.response(), &["pendingWindowInDays"])
        .or_else(|| number_at(record.request(), &["pendingWindowInDays"]));
    match (record.response_text(&["deletionDate"]), record.response_text(&["keyState"])) {
        (Some(date), _) => Deadline { title: format!(" on {date}"), detail: format!("on {date}") },
        (None, Some("PendingReplicaDeletion")) => {
            let days = days.map_or_else(|| "its waiting period".to_owned(), |days| format!("{days} days"));
            Deadline {
                title: " with its replicas".to_owned(),
                detail: format!("{days} after its last replica in another region"),
            }
        }
        // Thirty days are what KMS takes where the caller names none.
        _ => {
            let days = days.unwrap_or(30);
            Deadline { title: format!(" in {days} days"), detail: format!("in {days} days") }
        }
    }
}

/// A custom key store, whose keys are in CloudHSM or outside AWS.
fn key_store(record: &Record<'_>, cx: &Cx<'_>, store: &str) -> Observation {
    let (who, arn) = (caller_name(record), record.arn("kms", &format!("custom-key-store/{store}")));
    if record.event_name.or_empty() == "ConnectCustomKeyStore" {
        return cx.passing(arn, format!("{who} connected custom key store {store}"));
    }
    let options = [region_option(record), ("--custom-key-store-id", store)];
    let seen = cx
        .failing(arn, format!("{who} disconnected custom key store {store}"))
        .severity(Severity::Medium)
        .because("No key of the store can be used, and nothing that one of them encrypts can be read.")
        .step("Connect it again", "kms connect-custom-key-store", &options);
    stop_caller(seen, record)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::observation::{Resolution, Verdict};

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn arn() -> String {
        format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}")
    }

    fn kms(name: &str, response: Value) -> String {
        let event = json!({"requestParameters": {"keyId": KEY}, "responseElements": response});
        call("kms", name, event)
    }

    #[test]
    fn fires() {
        let date = "Nov 2, 2026, 11:25:25 PM";
        let response = json!({"keyId": arn(), "keyState": "PendingDeletion", "deletionDate": date});
        let seen = fires_at(&KmsKey, Severity::High, &kms("ScheduleKeyDeletion", response));
        assert_eq!(seen.title, format!("alice is having KMS key {KEY} deleted on {date}"));
        assert_eq!(seen.subject.resource, arn());
        let replicas =
            json!({"keyId": arn(), "keyState": "PendingReplicaDeletion", "pendingWindowInDays": "7"});
        let seen = fired(&KmsKey, &kms("ScheduleKeyDeletion", replicas));
        assert_eq!(seen.details[0].1, "7 days after its last replica in another region");
        let seen = fired(&KmsKey, &kms("ScheduleKeyDeletion", json!(null)));
        assert!(seen.title.ends_with("deleted in 30 days"), "{}", seen.title);
        fires_at(&KmsKey, Severity::Medium, &kms("DisableKey", json!(null)));
        fires_at(&KmsKey, Severity::High, &kms("DeleteImportedKeyMaterial", json!(null)));
    }

    #[test]
    fn the_reverse_resolves_its_own_problem_alone() {
        let bad = [
            fired(&KmsKey, &kms("ScheduleKeyDeletion", json!({"keyId": arn()}))).finding_id(),
            fired(&KmsKey, &kms("DisableKey", json!(null))).finding_id(),
            fired(&KmsKey, &kms("DeleteImportedKeyMaterial", json!(null))).finding_id(),
        ];
        let good = ["CancelKeyDeletion", "EnableKey", "ImportKeyMaterial"].map(|name| {
            let seen = observe(&KmsKey, &kms(name, json!(null)));
            assert_eq!((seen.len(), seen[0].verdict), (1, Verdict::Passing), "{name}");
            seen[0].finding_id()
        });
        assert_eq!(bad, good);
        assert_ne!(good[0], good[1]);
    }

    #[test]
    fn a_key_that_is_gone_has_no_problem_left() {
        // The shape in the KMS guide.
        let event = json!({"eventType": "AwsServiceEvent", "requestParameters": null, "responseElements": null,
            "userIdentity": {"type": null, "arn": null, "userName": null, "invokedBy": "AWS Internal"},
            "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": arn()}]});
        let gone = observe(&KmsKey, &call("kms", "DeleteKey", event));
        assert!(
            gone.iter()
                .all(|seen| seen.verdict == Verdict::Passing && seen.resolution == Resolution::Deleted)
        );
        let settled: Vec<_> = gone.iter().map(|seen| seen.finding_id()).collect();
        for name in ["ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial"] {
            assert!(settled.contains(&fired(&KmsKey, &kms(name, json!(null))).finding_id()), "{name}");
        }
        quiet(&KmsKey, &[call("kms", "DeleteKey", json!({"requestParameters": null}))]);
    }

    #[test]
    fn a_key_store_that_is_disconnected_takes_its_keys_along() {
        let store =
            |name: &str| call("kms", name, json!({"requestParameters": {"customKeyStoreId": "cks-1"}}));
        let off = fires_at(&KmsKey, Severity::Medium, &store("DisconnectCustomKeyStore"));
        assert_eq!(off.title, "alice disconnected custom key store cks-1");
        let on = observe(&KmsKey, &store("ConnectCustomKeyStore"));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &KmsKey,
            &[
                call(
                    "kms",
                    "DisableKey",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"keyId": KEY}}),
                ),
                call("kms", "DisableKey", json!({"requestParameters": null})),
                call("kms", "DisableKey", json!({"requestParameters": {"keyId": ["odd"]}})),
                kms("DisableKeyRotation", json!(null)),
                kms("Decrypt", json!(null)),
            ],
        );
    }

    #[test]
    fn material_that_expires_is_low() {
        let import = |model: &str| {
            let request =
                json!({"keyId": KEY, "expirationModel": model, "validTo": "Nov 22, 2026, 3:00:00 AM"});
            observe(&KmsKey, &asked("kms", "ImportKeyMaterial", request))
        };
        let seen = import("KEY_MATERIAL_EXPIRES");
        assert_eq!(
            (seen[0].verdict, seen[0].severity, seen[1].verdict),
            (Verdict::Failing, Severity::Low, Verdict::Passing)
        );
        assert_eq!(import("KEY_MATERIAL_DOES_NOT_EXPIRE").len(), 1);
    }
}
