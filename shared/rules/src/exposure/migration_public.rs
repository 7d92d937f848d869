use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A replication instance of the Database Migration Service was made with a public address. That is what
    /// happens when nobody says otherwise. Its deletion settles the finding.
    /// ## Why it matters
    /// The instance holds the credentials of the databases it copies between, and while it works, their data.
    /// ## What to do
    /// Make the instance anew without a public address, for it cannot be taken away, and delete this one.
    /// ## False positives
    /// Migrations from a database outside AWS without a VPN. They end, and the instance should end with them.
    MigrationPublic {
        id: "exposure-migration-instance-public",
        title: "A database migration instance has a public address",
        severity: Medium,
        confidence: High,
        catalogue: ["PUB-14"],
        references: [
            security_hub(&["DMS.1"]),
            attack(&["T1133"]),
            doc(&["DMS API reference: CreateReplicationInstance"]),
        ],
        on: [On::Call("dms.amazonaws.com", &["CreateReplicationInstance", "DeleteReplicationInstance"])],
    }
}

impl Rule for MigrationPublic {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let answer = value_at(record.response(), &["replicationInstance"]).unwrap_or(record.response());
        let id = text_at(request, &["replicationInstanceIdentifier"])
            .or_else(|| text_at(answer, &["replicationInstanceIdentifier"]));
        let arn = text_at(request, &["replicationInstanceArn"])
            .or_else(|| text_at(answer, &["replicationInstanceArn"]));
        if record.event_name.or_empty() == "DeleteReplicationInstance" {
            if let Some(arn) = arn {
                cx.report(cx.passing(arn, format!("{who} deleted migration instance {}", id.unwrap_or(arn))));
            }
            return Ok(());
        }
        let Some(id) = id else { return Ok(()) };
        // The default is public (API reference, PubliclyAccessible).
        let public =
            record.param_flag(&["publiclyAccessible"]).or_else(|| flag_at(answer, &["publiclyAccessible"]));
        if public == Some(false) {
            return Ok(());
        }
        let made = record.arn("dms", &format!("rep:{id}"));
        let seen = cx
            .failing(
                arn.unwrap_or(&made),
                format!("{who} made migration instance {id} with a public address"),
            )
            .because(match public {
                Some(_) => "The instance is publicly accessible.",
                None => "Nobody said otherwise, and then the instance is publicly accessible.",
            })
            .step(
                "Where does it stand, and which security groups guard it?",
                "dms describe-replication-instances",
                &[region_option(record), ("--filters", &filter("replication-instance-id", id))],
            )
            .step(
                "Delete it, once another stands in its place",
                "dms delete-replication-instance",
                &[region_option(record), ("--replication-instance-arn", arn.unwrap_or("THE_ARN"))],
            );
        cx.report(cx.tempered(seen));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const ARN: &str = "arn:aws:dms:us-east-1:111122223333:rep:ABCDEFGH";

    fn create(public: Value, answer: Value) -> String {
        let request = json!({"replicationInstanceIdentifier": "move", "publiclyAccessible": public});
        call(
            "dms",
            "CreateReplicationInstance",
            json!({"requestParameters": request, "responseElements": answer}),
        )
    }

    #[test]
    fn fires() {
        let answer = |public: Value| json!({"replicationInstance": {"replicationInstanceArn": ARN, "publiclyAccessible": public}});
        let seen = fires_at(&MigrationPublic, Severity::Medium, &create(json!(true), answer(json!(true))));
        assert_eq!(seen.title, "alice made migration instance move with a public address");
        assert_eq!(seen.subject.resource, ARN);
        fires_at(&MigrationPublic, Severity::Medium, &create(json!(null), answer(json!(true))));
        fires_at(&MigrationPublic, Severity::Medium, &create(json!(null), json!(null)));
    }

    #[test]
    fn deleting_it_settles_it() {
        let open = fired(
            &MigrationPublic,
            &create(json!(null), json!({"replicationInstance": {"replicationInstanceArn": ARN}})),
        );
        let delete = json!({"requestParameters": {"replicationInstanceArn": ARN}});
        let gone = observe(&MigrationPublic, &call("dms", "DeleteReplicationInstance", delete));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, open.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &MigrationPublic,
            &[
                create(json!(false), json!(null)),
                create(json!("false"), json!(null)),
                create(json!(null), json!({"replicationInstance": {"publiclyAccessible": false}})),
                call(
                    "dms",
                    "CreateReplicationInstance",
                    json!({"errorCode": "AccessDeniedException",
                    "requestParameters": {"replicationInstanceIdentifier": "move"}}),
                ),
                call("dms", "CreateReplicationInstance", json!({"requestParameters": null})),
            ],
        );
    }
}
