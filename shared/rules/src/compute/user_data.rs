use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// The user data of an existing instance was changed: the script that can run at the next start. The event does not
    /// show the script, because CloudTrail takes it out.
    /// ## Why it matters
    /// The script runs as the machine's administrator. Stop, change, start is a way onto a machine for somebody who has
    /// only permissions in EC2, and with it to the credentials of the instance's role.
    /// ## What to do
    /// Read the user data before the instance starts again. If nobody knows it, put it right and keep the machine off.
    /// ## False positives
    /// A rare correction by hand. Infrastructure as code mostly replaces the instance instead.
    UserData {
        id: "compute-user-data-changed",
        title: "The user data of an instance was changed",
        severity: Medium,
        confidence: High,
        catalogue: ["EXEC-02"],
        references: [
            attack(&["T1059"]),
            attack(&["T1037"]),
            doc(&["Amazon EC2 User Guide: Run commands when you launch an instance"]),
        ],
        on: [On::Call("ec2.amazonaws.com", &["ModifyInstanceAttribute"])],
    }
}

impl Rule for UserData {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let request = record.request();
        let named = record.param(&["attribute"]) == Some("userData");
        // The value is taken out of the event; that the key is there is what counts.
        let given = request.get("userData").is_some_and(|value| !value.is_null());
        let Some(instance) = record.param(&["instanceId"]).filter(|_| named || given) else { return Ok(()) };
        let place = region_option(record);
        let seen = cx
            .failing(
                record.arn("ec2", &format!("instance/{instance}")),
                format!("{} changed the user data of instance {instance}", caller_name(record)),
            )
            .because("It can run as administrator when the instance starts next. The event does not show what it says.")
            .step("Read it (base64)", "ec2 describe-instance-attribute", &[
                place,
                ("--instance-id", instance),
                ("--attribute", "userData"),
            ])
            .step("Keep the instance off until you have", "ec2 stop-instances", &[place, ("--instance-ids", instance)]);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn modify(request: Value) -> String {
        call("ec2", "ModifyInstanceAttribute", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let hidden = json!("<sensitiveDataRemoved>");
        let seen =
            fires_at(&UserData, Severity::Medium, &modify(json!({"instanceId": "i-1", "userData": hidden})));
        assert_eq!(seen.title, "alice changed the user data of instance i-1");
        let named = json!({"instanceId": "i-1", "attribute": "userData", "value": hidden});
        assert_eq!(fired(&UserData, &modify(named)).finding_id(), seen.finding_id());
        fired(&UserData, &modify(json!({"instanceId": "i-1", "userData": {"value": hidden}})));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &UserData,
            &[
                modify(json!({"instanceId": "i-1", "instanceType": {"value": "t2.xlarge"}})),
                modify(json!({"instanceId": "i-1", "attribute": "disableApiTermination", "value": "true"})),
                modify(json!({"instanceId": "i-1", "userData": null})),
                modify(json!(null)),
                call(
                    "ec2",
                    "ModifyInstanceAttribute",
                    json!({"errorCode": "Client.IncorrectInstanceState",
                    "requestParameters": {"instanceId": "i-1", "userData": "<sensitiveDataRemoved>"}}),
                ),
            ],
        );
    }
}
