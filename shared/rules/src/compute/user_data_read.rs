use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One caller read the user data of five or more instances within ten minutes, whether or not it was allowed to.
    /// `threshold` changes the number.
    /// ## Why it matters
    /// User data is where passwords and tokens for a machine's first start are left. Whoever reads one after the other is
    /// looking for them.
    /// ## What to do
    /// See who the caller is. If nobody knows it, stop its credentials, and change what the user data of your instances
    /// holds.
    /// ## False positives
    /// Scanners of security and inventory, which read it of every instance: hence low, and nothing where you have listed
    /// them as automation. The console reads it of one instance at a time.
    UserDataRead {
        id: "compute-user-data-read",
        title: "One caller read the user data of many instances",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-14"],
        references: [
            attack(&["T1552.005"]),
            attack(&["T1580"]),
            doc(&["Amazon EC2 API Reference: DescribeInstanceAttribute"]),
        ],
        on: [On::Read("ec2.amazonaws.com", &["DescribeInstanceAttribute"])],
        failed_calls: true,
    }
}

/// How many instances make a series.
const SERIES: usize = 5;

impl Rule for UserDataRead {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if ec2_parameter(record, "attribute") != Some("userData")
            || matches!(cx.automation(), Some(Automation::Service | Automation::Listed))
        {
            return Ok(());
        }
        let Some(instance) = ec2_parameter(record, "instanceId") else { return Ok(()) };
        let by = acting_principal(record);
        let Some(counted) = cx.many_distinct(SERIES, by, instance, TEN_MINUTES)? else { return Ok(()) };
        let count = counted.count;
        let refused = if record.failed() { ", or tried to," } else { "" };
        let who = caller_name(record);
        let seen = cx
            .failing(by, format!("{who} read{refused} the user data of {count} instances within ten minutes"))
            .because("What a machine is told at its first start often holds passwords.")
            .detail("The latest instance", instance);
        cx.report(stop_caller(what_else(seen, record), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn read(request: Value, changes: Value) -> String {
        let mut event = json!({"requestParameters": request, "readOnly": true});
        if let (Some(event), Value::Object(changes)) = (event.as_object_mut(), changes) {
            event.extend(changes);
        }
        call("ec2", "DescribeInstanceAttribute", event)
    }

    #[test]
    fn fires_for_a_series() {
        let window = |count| [among(&UserDataRead, ALICE, "i-1", TEN_MINUTES, count)];
        let event = read(json!({"instanceId": "i-1", "attribute": "userData"}), json!({}));
        let seen = fired_with(&UserDataRead, &event, &window(5));
        assert_eq!(seen.title, "alice read the user data of 5 instances within ten minutes");
        assert_eq!(seen.severity, Severity::Low);
        assert!(observe_with(&UserDataRead, &event, &window(4)).is_empty());
        let refused = read(
            json!({"instanceId": "i-1", "attribute": "userData"}),
            json!({"errorCode": "Client.UnauthorizedOperation"}),
        );
        let refused = fired_with(&UserDataRead, &refused, &window(15));
        assert!(refused.title.contains("read, or tried to, the user data of 15"), "{}", refused.title);
    }

    #[test]
    fn stays_quiet() {
        let service = json!({"userIdentity": {"type": "AWSService"}});
        let many = [among(&UserDataRead, ALICE, "i-1", TEN_MINUTES, 50)];
        for event in [
            read(json!({"instanceId": "i-1", "attribute": "disableApiTermination"}), json!({})),
            read(json!({"instanceId": "i-1", "attribute": "userData"}), service),
            read(json!({"attribute": "userData"}), json!({})),
            read(json!(null), json!({})),
        ] {
            assert!(observe_with(&UserDataRead, &event, &many).is_empty(), "{event}");
        }
    }
}
