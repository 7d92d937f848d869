use super::common::{is_ours, report_change};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's SNS topics was deleted or its settings were changed; somebody subscribed to it, a
    /// subscription was removed or filtered, or a permission on it was changed.
    /// ## Why it matters
    /// The topics are the way to you. A subscription that is gone means silence; one more means that somebody
    /// else reads what is wrong in your account.
    /// ## What to do
    /// Compare the subscriptions with who should get alerts. Remove the ones you do not know; deploy the
    /// stack again for the rest.
    /// ## False positives
    /// A colleague or a chat tool that is added on purpose. Deployments are low, unless they subscribe an
    /// address, which any stack may. A person who follows the link to confirm or to unsubscribe in a mail
    /// does so without signing in: CloudTrail does not record that, and this rule cannot tell it.
    Topic {
        id: "self-topic-changed",
        title: "One of Keepwatch's alert topics was tampered with",
        severity: High,
        confidence: High,
        catalogue: ["SELF-03"],
        references: [
            attack(&["T1562"]),
            attack(&["T1567"]),
            doc(&["SNS developer guide: Logging SNS API calls using CloudTrail"]),
        ],
        on: [On::Call("sns.amazonaws.com", &[
            "DeleteTopic", "SetTopicAttributes", "Subscribe", "Unsubscribe", "SetSubscriptionAttributes",
            "ConfirmSubscription", "AddPermission", "RemovePermission",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for Topic {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let subscription = text_at(request, &["subscriptionArn"]);
        // arn:aws:sns:REGION:ACCOUNT:TOPIC, and one part more for a subscription.
        let Some(arn) = text_at(request, &["topicArn"]).or(subscription) else { return Ok(()) };
        let Some(name) = arn.split(':').nth(5).filter(|name| is_ours(cx, name)) else { return Ok(()) };
        let topic = record.arn("sns", name);
        let endpoint = text_at(request, &["endpoint"]).unwrap_or("an endpoint that is not named");
        let attribute = text_at(request, &["attributeName"]).unwrap_or("a setting");
        let (aspect, severity, title) = match record.event_name.or_empty() {
            "DeleteTopic" => ("topic", Severity::Critical, format!("{who} deleted Keepwatch's topic {name}")),
            "Subscribe" => {
                (endpoint, Severity::High, format!("{who} subscribed {endpoint} to Keepwatch's topic {name}"))
            }
            "Unsubscribe" => {
                let title = format!("{who} removed a subscription from Keepwatch's topic {name}");
                (subscription.unwrap_or("subscription"), Severity::High, title)
            }
            "SetSubscriptionAttributes" => {
                let title =
                    format!("{who} changed {attribute} of a subscription to Keepwatch's topic {name}");
                (subscription.unwrap_or("subscription"), Severity::High, title)
            }
            "ConfirmSubscription" => (
                "confirmed",
                Severity::Low,
                format!("{who} confirmed a subscription to Keepwatch's topic {name}"),
            ),
            "SetTopicAttributes" => {
                (attribute, Severity::High, format!("{who} changed {attribute} of Keepwatch's topic {name}"))
            }
            _ => ("policy", Severity::High, format!("{who} changed who may use Keepwatch's topic {name}")),
        };
        let seen = cx
            .failing(&topic, title)
            .severity(severity)
            .aspect(aspect)
            .because("This topic carries Keepwatch's alerts or the alarms about Keepwatch itself.")
            .detail("Topic", name)
            .detail_if("Endpoint", text_at(request, &["endpoint"]))
            .detail_if("Value", text_at(request, &["attributeValue"]))
            .step(
                "Who gets the alerts now?",
                "sns list-subscriptions-by-topic",
                &[("--topic-arn", &topic), ("--region", region(record))],
            );
        let new = record.response_text(&["subscriptionArn"]).filter(|arn| arn.starts_with("arn:"));
        let seen = match new {
            Some(new) => seen.step(
                "Remove the subscription",
                "sns unsubscribe",
                &[("--subscription-arn", new), ("--region", region(record))],
            ),
            None => seen,
        };
        report_change(record, cx, stop_caller(seen, record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::common::testing::by_stack;
    use super::*;
    use crate::testing::*;

    const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:keepwatch-AlertTopic-A1B2C3";

    fn sns(event: &str, request: Value) -> String {
        call("sns", event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        fires_at(&Topic, Severity::Critical, &sns("DeleteTopic", json!({"topicArn": TOPIC})));
        let subscribe = json!({"topicArn": TOPIC, "protocol": "email", "endpoint": "thief@example.com"});
        let seen = fires_at(&Topic, Severity::High, &sns("Subscribe", subscribe.clone()));
        assert_eq!(
            seen.title,
            "alice subscribed thief@example.com to Keepwatch's topic keepwatch-AlertTopic-A1B2C3"
        );
        let subscription = format!("{TOPIC}:a1b2c3d4-0000-4000-8000-000000000001");
        let confirmed =
            json!({"requestParameters": subscribe, "responseElements": {"subscriptionArn": subscription}});
        let seen = fired(&Topic, &call("sns", "Subscribe", confirmed));
        assert!(seen.steps.iter().any(|step| step.command.contains("unsubscribe")));
        let gone =
            fires_at(&Topic, Severity::High, &sns("Unsubscribe", json!({"subscriptionArn": subscription})));
        assert_eq!(gone.subject.resource, TOPIC);
        let filter =
            json!({"subscriptionArn": subscription, "attributeName": "FilterPolicy", "attributeValue": "x"});
        fires_at(&Topic, Severity::High, &sns("SetSubscriptionAttributes", filter));
        let policy = json!({"topicArn": TOPIC, "attributeName": "Policy", "attributeValue": "x"});
        fires_at(&Topic, Severity::High, &sns("SetTopicAttributes", policy));
        fires_at(&Topic, Severity::High, &sns("AddPermission", json!({"topicArn": TOPIC, "label": "x"})));
        fires_at(&Topic, Severity::Low, &sns("ConfirmSubscription", json!({"topicArn": TOPIC})));
    }

    #[test]
    fn a_deployment_is_low_unless_it_subscribes_somebody() {
        let attribute = json!({"topicArn": TOPIC, "attributeName": "DisplayName", "attributeValue": "x"});
        fires_at(&Topic, Severity::Low, &by_stack("sns", "SetTopicAttributes", attribute));
        let subscribe = json!({"topicArn": TOPIC, "protocol": "email", "endpoint": "me@example.com"});
        fires_at(&Topic, Severity::Medium, &by_stack("sns", "Subscribe", subscribe));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Topic,
            &[
                sns("DeleteTopic", json!({"topicArn": "arn:aws:sns:us-east-1:111122223333:orders"})),
                sns(
                    "Unsubscribe",
                    json!({"subscriptionArn": "arn:aws:sns:us-east-1:111122223333:orders:keepwatch-x"}),
                ),
                sns("DeleteTopic", json!({"topicArn": 7})),
                sns("DeleteTopic", json!(null)),
                call(
                    "sns",
                    "DeleteTopic",
                    json!({"errorCode": "AuthorizationError", "requestParameters": {"topicArn": TOPIC}}),
                ),
            ],
        );
    }
}
