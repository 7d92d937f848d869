use super::common::{EXPOSED, Owner, exposed};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Trusted Advisor's check "Exposed Access Keys" lists a key of this account. It joins the finding that AWS Health or
    /// the quarantine policy may have opened for the same key.
    /// ## Why it matters
    /// It names the place where the key was found, the daily spend it is suspected of, and AWS's deadline.
    /// ## What to do
    /// Stop the key now, then see what it has done and undo that. Trusted Advisor drops the item up to a week after all
    /// keys are safe.
    /// ## False positives
    /// Keys that were deleted within the last days stay listed until the next refresh.
    ExposedKeyListed {
        id: "exposed-access-key-trusted-advisor",
        title: "Trusted Advisor lists an exposed access key",
        severity: Critical,
        confidence: High,
        catalogue: ["KEY-05"],
        references: [attack(&["T1552"]), trusted_advisor(&["12Fnkpl8Y5"])],
        on: [On::TrustedAdvisor("Exposed Access Keys")],
        finding: EXPOSED,
        origin: State,
    }
}

impl Rule for ExposedKeyListed {
    fn trusted_advisor(&self, item: &TrustedAdvisor<'_>, cx: &mut Cx<'_>) -> Outcome {
        let columns = item.columns();
        let column = |name: &str| columns.get(name).map(String::as_str);
        let Some(key) = column("Access Key ID").or(item.resource_id.get()) else { return Ok(()) };
        if item.status.is_ignore_case("OK") {
            let seen = cx.passing(key, "Trusted Advisor no longer lists the key").global();
            cx.report(seen.confirm(Confirm::stopped(key)));
            return Ok(());
        }
        let owner = Owner::by_name(column("User Name (IAM or Root)"));
        let kind = column("Fraud Type").unwrap_or("Exposed");
        // The check is red for exposed keys and yellow for suspicious use; a suspicion is worth less than a fact.
        let suspected = kind.eq_ignore_ascii_case("Suspected") || item.status.is_ignore_case("WARN");
        let says = if suspected { "may be exposed" } else { "is exposed" };
        let deadline = column("Deadline").and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis);
        let seen = exposed(cx, key, owner, &format!("Access key {key}{} {says}", owner.phrase()))
            .severity(if suspected { Severity::High } else { Severity::Critical })
            .because(format!("Trusted Advisor lists it under Exposed Access Keys as {kind}."))
            .detail_if("Found at", column("Location"))
            .detail_if("USD per day", column("Usage (USD per Day)"))
            .detail_if("AWS case", column("Case ID"))
            .detail_if("Deadline", deadline.map(|time| time.to_string()).as_deref());
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn listed(status: &str, detail: Value) -> String {
        envelope(
            "aws.trustedadvisor",
            "Trusted Advisor Check Item Refresh Notification",
            json!({
                "check-name": "Exposed Access Keys", "status": status, "uuid": "u-1", "resource_id": "",
                "check-item-detail": detail,
            }),
        )
    }

    fn item(kind: &str) -> Value {
        json!({"Access Key ID": "AKIAIOSFODNN7EXAMPLE", "User Name (IAM or Root)": "bob", "Fraud Type": kind,
            "Location": "www.example.com", "Deadline": "1440453299248", "Usage (USD per Day)": null})
    }

    #[test]
    fn fires() {
        let seen = fires_at(&ExposedKeyListed, Severity::Critical, &listed("ERROR", item("Exposed")));
        assert_eq!(seen.finding_id(), {
            let health = keepwatch_core::observation::Subject {
                account: ACCOUNT.to_owned(),
                region: "global".to_owned(),
                resource: "AKIAIOSFODNN7EXAMPLE".to_owned(),
                aspect: None,
            };
            keepwatch_core::finding::finding_id("exposed-access-key", &health)
        });
        fires_at(&ExposedKeyListed, Severity::High, &listed("WARN", item("Suspected")));
    }

    #[test]
    fn ok_resolves() {
        let ok = observe(&ExposedKeyListed, &listed("OK", item("Exposed")));
        assert_eq!(ok.first().map(|o| o.verdict), Some(Verdict::Passing));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ExposedKeyListed,
            &[
                listed("ERROR", json!(null)),
                listed("ERROR", json!({"Access Key ID": null})),
                envelope(
                    "aws.trustedadvisor",
                    "Trusted Advisor Check Item Refresh Notification",
                    json!({"check-name": "IAM Access Key Rotation", "status": "ERROR", "check-item-detail": item("Exposed")}),
                ),
            ],
        );
    }
}
