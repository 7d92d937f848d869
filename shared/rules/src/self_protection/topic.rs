use keepwatch_policy::Document;
use serde_json::Value;

use super::common::{denies, is_ours};
use super::deployment::{deployed, report_change};
use super::own_policy::{own_topic, topic_differs};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Keepwatch's SNS topics was deleted or its settings were changed; somebody subscribed to it, a
    /// subscription was removed or filtered, or it got another policy than the template's, which says who may publish, or one
    /// that can mask or refuse what is published.
    /// ## Why it matters
    /// The topics are the way to you. A subscription that is gone means silence; one more means that somebody
    /// else reads what is wrong in your account. Whoever may publish can forge a mail, or send so many that SNS ends the
    /// subscription; AWS logs neither.
    /// ## What to do
    /// Compare the subscriptions with who should get alerts. Remove the ones you do not know; deploy the
    /// stack again for the rest. A policy that was changed by hand is not put back by a deployment that does not change it:
    /// docs/operator.md says how.
    /// ## False positives
    /// A colleague or a chat tool that is added on purpose. What CloudFormation does within an hour after the same principal
    /// deployed Keepwatch's stack is low. A policy that is not the template's own, a filter on a subscription: no deployment
    /// writes those, and they are not low. A version of Keepwatch with other policies looks like that once, while it is
    /// deployed. A person who follows the link to confirm or to unsubscribe in a mail
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
            "ConfirmSubscription", "AddPermission", "RemovePermission", "PutDataProtectionPolicy",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for Topic {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let subscription = text_at(request, &["subscriptionArn"]);
        // arn:aws:sns:REGION:ACCOUNT:TOPIC, and one part more for a subscription.
        let given = text_at(request, &["topicArn"]).or_else(|| text_at(request, &["resourceArn"]));
        let Some(arn) = given.or(subscription) else { return Ok(()) };
        let Some(name) = arn.split(':').nth(5).filter(|name| is_ours(cx, name)) else { return Ok(()) };
        let topic = record.arn("sns", name);
        let endpoint = text_at(request, &["endpoint"]).unwrap_or("an endpoint that is not named");
        let attribute = text_at(request, &["attributeName"]).unwrap_or("a setting");
        let policy = policy_differs(record, cx, (name, &topic));
        if own_topic(cx, name).is_some() && policy == Some(None) {
            // It undoes what AddPermission and RemovePermission did as well.
            for aspect in ["Policy", "policy"] {
                let title = format!("{who} set the template's policy on Keepwatch's topic {name}");
                cx.report(cx.passing(&topic, title).aspect(aspect));
            }
            return Ok(());
        }
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
            "PutDataProtectionPolicy" => {
                let title = format!("{who} changed what Keepwatch's topic {name} masks or refuses");
                ("data protection", Severity::Critical, title)
            }
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
        let differs = policy.flatten();
        let sets = differs.is_none() && by_deployment(record, name);
        let seen = match differs {
            Some(why) => seen.because(as_sentence(&why)),
            None => seen,
        };
        let explained = sets && deployed(record, cx)?;
        report_change(record, cx, stop_caller(seen, record), explained);
        Ok(())
    }
}

/// What speaks against the policy that is set, and `None` where none is: in what it differs from the template's, or that it
/// denies, on a topic of a stack that is only named after Keepwatch's.
fn policy_differs(record: &Record<'_>, cx: &Cx<'_>, (name, topic): (&str, &str)) -> Option<Option<String>> {
    let request = record.request();
    let sets = record.event_name.or_empty() == "SetTopicAttributes"
        && text_at(request, &["attributeName"]) == Some("Policy");
    let written = value_at(request, &["attributeValue"]).unwrap_or(&Value::Null);
    sets.then(|| match own_topic(cx, name) {
        Some(id) => topic_differs(record, cx, (id, topic), written),
        // Of a stack that is only named after Keepwatch's.
        None => match Document::from_value(written) {
            Ok(document) => denies(&document),
            Err(error) => Some(error.to_string()),
        },
    })
}

/// Whether a deployment can make the change.
fn by_deployment(record: &Record<'_>, name: &str) -> bool {
    let request = record.request();
    let attribute = text_at(request, &["attributeName"]).unwrap_or_default();
    match (record.event_name.or_empty(), attribute) {
        ("DeleteTopic" | "AddPermission" | "RemovePermission" | "PutDataProtectionPolicy", _)
        | ("SetSubscriptionAttributes", "FilterPolicy" | "FilterPolicyScope") => false,
        // Alarms cannot publish to a topic with a key that does not know them, and say so nowhere. Taking a key away is what
        // an update from a stack with a key of its own does.
        ("SetTopicAttributes", "KmsMasterKeyId") => {
            !name.contains("-OpsTopic") || text_at(request, &["attributeValue"]).is_none()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::deployment::testing::*;
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
    fn a_policy_that_refuses_messages_silences_the_topic() {
        let policy = json!({"resourceArn": TOPIC, "dataProtectionPolicy": "{}"});
        let seen = fires_at(&Topic, Severity::Critical, &sns("PutDataProtectionPolicy", policy.clone()));
        assert_eq!(seen.subject.resource, TOPIC);
        fires_at(&Topic, Severity::Critical, &by_stack("sns", "PutDataProtectionPolicy", policy));
    }

    #[test]
    fn a_deployment_is_low_and_another_stack_is_not() {
        let attribute = json!({"topicArn": TOPIC, "attributeName": "DisplayName", "attributeValue": "x"});
        let attribute = by_stack("sns", "SetTopicAttributes", attribute);
        let subscribe = json!({"topicArn": TOPIC, "protocol": "email", "endpoint": "me@example.com"});
        let subscribe = by_stack("sns", "Subscribe", subscribe);
        let gone = by_stack("sns", "Unsubscribe", json!({"subscriptionArn": format!("{TOPIC}:a1")}));
        for event in [attribute, subscribe, gone] {
            deploys_at(&Topic, Severity::Low, &event);
            foreign_at(&Topic, Severity::High, &event);
        }
    }

    #[test]
    fn what_no_deployment_does_is_never_explained_by_one() {
        let ops = "arn:aws:sns:us-east-1:111122223333:keepwatch-OpsTopic-A1B2C3";
        let set = |topic: &str, statements: &[Value]| {
            let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
            let request = json!({"topicArn": topic, "attributeName": "Policy", "attributeValue": policy});
            by_stack("sns", "SetTopicAttributes", request)
        };
        let deny = |topic: &str, condition: Value| json!({"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic, "Condition": condition});
        let tls = |topic: &str| deny(topic, json!({"Bool": {"aws:SecureTransport": "false"}}));
        let notify = "arn:aws:iam::111122223333:role/keepwatch-NotifyRole-A1B2C3";
        let others = deny(TOPIC, json!({"ArnNotEquals": {"aws:PrincipalArn": notify}}));
        // As the template writes it; what else does not is in tests/template/test_resource_policies.py.
        let own = foreign(&Topic, &set(TOPIC, &[tls(TOPIC), others.clone()]));
        let good = |aspect| (Verdict::Passing, Some(aspect));
        assert_eq!(
            own.iter().map(|one| (one.verdict, one.subject.aspect.as_deref())).collect::<Vec<_>>(),
            [good("Policy"), good("policy")]
        );
        let open = deploys_at(&Topic, Severity::High, &set(TOPIC, &[tls(TOPIC)]));
        assert_eq!(
            open.reason,
            "The policy does not keep everybody but notify from publishing as the template's does."
        );
        let mut all = tls(TOPIC);
        all["Condition"] = json!({});
        let denied = deploys_at(&Topic, Severity::High, &set(TOPIC, &[tls(TOPIC), others, all]));
        assert_eq!(denied.reason, "The policy denies sns:Publish besides.");
        // Alarms that may not publish fail in silence.
        deploys_at(&Topic, Severity::High, &set(ops, &[tls(ops)]));
        let publish = |service: &str, condition: Value| json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": ops, "Condition": condition});
        let alarms = publish(
            "cloudwatch.amazonaws.com",
            json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
        );
        let rules = publish("events.amazonaws.com", json!({}));
        let spared = |who: &str| {
            let condition = json!({"Bool": {"aws:PrincipalIsAWSService": "false"}, "ArnNotEquals": {"aws:PrincipalArn": who}});
            set(ops, &[tls(ops), deny(ops, condition), alarms.clone(), rules.clone()])
        };
        let own = foreign(&Topic, &spared(notify));
        assert!(own.iter().all(|one| one.verdict == Verdict::Passing), "{own:?}");
        deploys_at(&Topic, Severity::High, &spared("arn:aws:iam::111122223333:user/mallory"));
        // A stack that is only named after Keepwatch's.
        let named = "arn:aws:sns:us-east-1:111122223333:keepwatch-forwarder-Topic-A1B2C3";
        deploys_at(&Topic, Severity::Low, &set(named, &[tls(named)]));
        deploys_at(&Topic, Severity::High, &set(named, &[deny(named, json!({}))]));
        let filter = json!({"subscriptionArn": format!("{TOPIC}:a1"), "attributeName": "FilterPolicy",
            "attributeValue": "{\"x\":[\"y\"]}"});
        deploys_at(&Topic, Severity::High, &by_stack("sns", "SetSubscriptionAttributes", filter));
        let key = |topic: &str, key: &str| {
            let request =
                json!({"topicArn": topic, "attributeName": "KmsMasterKeyId", "attributeValue": key});
            by_stack("sns", "SetTopicAttributes", request)
        };
        deploys_at(&Topic, Severity::Low, &key(TOPIC, "alias/x"));
        foreign_at(&Topic, Severity::High, &key(TOPIC, "alias/x"));
        deploys_at(&Topic, Severity::High, &key(ops, "alias/x"));
        deploys_at(&Topic, Severity::Low, &key(ops, ""));
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
