use super::common::search;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS was asked to raise a service quota: of what can be turned into money, that is EC2, Bedrock, SageMaker or SES
    /// (medium), or of another service (low). Or one caller read quotas in five regions within ten minutes (low).
    /// `threshold` changes the number.
    /// ## Why it matters
    /// Quotas are what stops a thief from running a hundred machines instead of five. Raising them is the first thing
    /// that miners and resellers of models do.
    /// ## What to do
    /// If nobody asked for it, answer the case with AWS Support that it was not you, and stop the caller's credentials.
    /// ## False positives
    /// Growth. It is rare enough to know of. Tools that watch quotas in all regions: name them as `automation`. Requests
    /// by a support case are not seen: the event hides what they say.
    Quota {
        id: "compute-quota-increase-requested",
        title: "A higher service quota was asked for",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-11"],
        references: [attack(&["T1496"]), doc(&["Service Quotas API Reference: RequestServiceQuotaIncrease"])],
        on: [
            On::Call("servicequotas.amazonaws.com", &["RequestServiceQuotaIncrease"]),
            On::Read("servicequotas.amazonaws.com", &["GetServiceQuota"]),
        ],
    }
}

impl Rule for Quota {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        if record.event_name.or_empty() == "GetServiceQuota" {
            // Whether a caller looks for a region whose quotas are high.
            let title =
                |who: &str, count| format!("{who} read service quotas in {count} regions within ten minutes");
            let why =
                "Before machines are started on a stolen key, somebody looks where most of them may run.";
            return search(record, cx, Severity::Low, title, why);
        }
        let (Some(service), Some(quota)) = (record.param(&["serviceCode"]), record.param(&["quotaCode"]))
        else {
            return Ok(());
        };
        let named = record.response_text(&["requestedQuota", "quotaName"]);
        let wanted = number_at(record.request(), &["desiredValue"]).map(|value| value.to_string());
        let money = matches!(service, "ec2" | "bedrock" | "sagemaker" | "ses" | "fargate");
        let to = wanted.as_ref().map_or_else(String::new, |wanted| format!(" to {wanted}"));
        let what = named
            .map_or_else(|| format!("quota {quota} of {service}"), |name| format!("\"{name}\" of {service}"));
        let place = region_option(record);
        let seen = cx
            .failing(
                record.arn("servicequotas", &format!("{service}/{quota}")),
                format!("{} asked AWS to raise {what}{to} in {}", caller_name(record), place.1),
            )
            .severity(if money { Severity::Medium } else { Severity::Low })
            .because("A quota bounds what stolen credentials can cost.")
            .detail("Quota", quota)
            .step(
                "What was asked for, and was it granted?",
                "service-quotas list-requested-service-quota-change-history",
                &[place, ("--service-code", service)],
            )
            .step(
                "Which case is it? (needs a support plan)",
                "support describe-cases",
                &[("--region", "us-east-1")],
            );
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn ask(request: Value) -> String {
        call("servicequotas", "RequestServiceQuotaIncrease", json!({"requestParameters": request}))
    }

    #[test]
    fn fires() {
        let seen = ask(json!({"serviceCode": "ec2", "quotaCode": "L-417A185B", "desiredValue": 192.0}));
        let seen = fires_at(&Quota, Severity::Medium, &seen);
        assert_eq!(seen.title, "alice asked AWS to raise quota L-417A185B of ec2 to 192 in us-east-1");
        let named = json!({"requestParameters": {"serviceCode": "vpc", "quotaCode": "L-F678F1CE", "desiredValue": "10"},
            "responseElements": {"requestedQuota": {"quotaName": "VPCs per Region"}}});
        let named =
            fires_at(&Quota, Severity::Low, &call("servicequotas", "RequestServiceQuotaIncrease", named));
        assert!(named.title.contains("\"VPCs per Region\" of vpc to 10"), "{}", named.title);
    }

    #[test]
    fn a_search_through_the_regions() {
        let alice = "arn:aws:iam::111122223333:user/alice";
        let read =
            json!({"readOnly": true, "requestParameters": {"serviceCode": "ec2", "quotaCode": "L-417A185B"}});
        let read = call("servicequotas", "GetServiceQuota", read);
        let window = |count| [among(&Quota, alice, "us-east-1", TEN_MINUTES, count)];
        let seen = fired_with(&Quota, &read, &window(5));
        assert_eq!((seen.severity, seen.subject.resource.as_str()), (Severity::Low, alice));
        assert!(observe_with(&Quota, &read, &window(4)).is_empty());
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Quota,
            &[
                ask(json!(null)),
                ask(json!({"serviceCode": ["ec2"], "quotaCode": "L-1"})),
                call(
                    "servicequotas",
                    "RequestServiceQuotaIncrease",
                    json!({"errorCode": "AccessDenied",
                    "requestParameters": {"serviceCode": "ec2", "quotaCode": "L-1"}}),
                ),
                call("servicequotas", "GetServiceQuota", json!({"readOnly": true})),
            ],
        );
    }
}
