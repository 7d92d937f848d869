use keepwatch_core::event::Insight;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// CloudTrail Insights sees unusually many calls of a kind, or unusually many that fail. The record of its end settles
    /// the finding. Insights has to be switched on in a trail.
    /// ## Why it matters
    /// A script in the wrong hands is fast: credentials are made, secrets read, machines started at a rate that the account
    /// has never seen.
    /// ## What to do
    /// See who made the calls, and whether somebody means it.
    /// ## False positives
    /// Deployments, migrations and retries that go wrong are most of it, hence low and not mailed: what the single calls
    /// do has rules of its own.
    UnusualRate {
        id: "cloudtrail-insight",
        title: "CloudTrail Insights sees an unusual rate of calls or errors",
        severity: Low,
        confidence: Medium,
        catalogue: ["ST-14"],
        references: [
            attack(&["T1078.004"]),
            doc(&["CloudTrail user guide: CloudTrail record contents for Insights events for trails"]),
        ],
        on: [On::Detector(Detector::Insights)],
    }
}

impl Rule for UnusualRate {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::Insight(insight) = body else { return Ok(()) };
        let details = &insight.details;
        let Some(call) = details.name.get() else { return Ok(()) };
        let service = details.source.or_empty().trim_end_matches(".amazonaws.com");
        let account = insight.account_id.get().unwrap_or(cx.event.account()).to_owned();
        let errors = details.kind.or_empty() == "ApiErrorRateInsight";
        let what = match (errors, details.error_code.get()) {
            (true, Some(code)) => format!("calls of {call} of {service} that end in {code}"),
            (true, None) => format!("failing calls of {call} of {service}"),
            (false, _) => format!("calls of {call} of {service}"),
        };
        if details.state.or_empty() == "End" {
            let mut over = cx.passing(&account, format!("The rate of {what} is usual again")).aspect(&what);
            over.resolution = Resolution::Fixed;
            cx.report(over);
            return Ok(());
        }
        let statistics = &details.context.statistics;
        let rate = |average: &str| average.parse::<f64>().ok().map(|rate| format!("{rate} calls a minute"));
        let region = insight.region.get().unwrap_or(cx.event.region()).to_owned();
        let seen = cx
            .failing(&account, format!("Unusually many {what} in {region}"))
            .aspect(&what)
            .because("CloudTrail Insights compares the rate with that of the last week.")
            .detail_if("By", attributed(insight, "userIdentityArn"))
            .detail_if("With", attributed(insight, "userAgent"))
            .detail_if("Seen", rate(statistics.insight.average.or_empty()).as_deref())
            .detail_if("Usual", rate(statistics.baseline.average.or_empty()).as_deref())
            .step(
                "Who makes the calls?",
                "cloudtrail lookup-events",
                &[("--region", &region), ("--lookup-attributes", &lookup("EventName", call))],
            );
        cx.report(seen);
        Ok(())
    }
}

/// Whom or what most of the unusual calls are attributed to.
fn attributed<'i>(insight: &'i Insight<'_>, attribute: &str) -> Option<&'i str> {
    let attributions = &insight.details.context.attributions.0;
    let found = attributions.iter().find(|one| one.attribute.or_empty() == attribute)?;
    found.insight.0.first()?.value.get()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn record(details: Value) -> Value {
        json!({"eventVersion": "1.09", "eventTime": "2026-03-01T12:00:00Z", "awsRegion": "eu-west-1",
            "eventID": "i-1", "eventType": "AwsCloudTrailInsight", "recipientAccountId": ACCOUNT,
            "sharedEventID": "s-1", "eventCategory": "Insight", "insightDetails": details})
    }

    fn details(state: &str, kind: &str) -> Value {
        json!({"state": state, "eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey", "insightType": kind,
        "insightContext": {
            "statistics": {"baseline": {"average": 0.0001}, "insight": {"average": 12.5}},
            "attributions": [
                {"attribute": "userAgent", "insight": [{"value": "aws-cli", "average": 12.5}]},
                {"attribute": "userIdentityArn", "insight": [
                    {"value": "arn:aws:iam::111122223333:user/dana", "average": 12.5}], "baseline": []},
            ]}})
    }

    fn wrapped(details: Value) -> String {
        envelope("aws.cloudtrail", "AWS Insight via CloudTrail", record(details))
    }

    #[test]
    fn fires() {
        let seen = fires_at(&UnusualRate, Severity::Low, &wrapped(details("Start", "ApiCallRateInsight")));
        assert_eq!(seen.title, "Unusually many calls of CreateAccessKey of iam in eu-west-1");
        let by = ("By".to_owned(), "arn:aws:iam::111122223333:user/dana".to_owned());
        assert!(seen.details.contains(&by), "{:?}", seen.details);
        // A trail's own file holds the bare record.
        let bare = record(details("Start", "ApiCallRateInsight")).to_string();
        assert_eq!(fired(&UnusualRate, &bare).finding_id(), seen.finding_id());
        let mut errors = details("Start", "ApiErrorRateInsight");
        errors["errorCode"] = json!("AccessDenied");
        let errors = fires_at(&UnusualRate, Severity::Low, &wrapped(errors));
        assert!(errors.title.contains("that end in AccessDenied"), "{}", errors.title);
        assert_ne!(errors.finding_id(), seen.finding_id());
        // One about data events, without a word on who did it.
        let odd = json!({"state": "Start", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
            "insightType": "ApiCallRateInsight", "insightContext": {"attributions": [{"insight": null}]}});
        fires_at(&UnusualRate, Severity::Low, &wrapped(odd));
    }

    #[test]
    fn its_end_settles_it() {
        let open = fired(&UnusualRate, &wrapped(details("Start", "ApiCallRateInsight")));
        let over = observe(&UnusualRate, &wrapped(details("End", "ApiCallRateInsight")));
        assert_eq!((over.len(), over[0].verdict), (1, Verdict::Passing));
        assert_eq!(over[0].finding_id(), open.finding_id());
    }

    #[test]
    fn stays_quiet() {
        // What tells of many calls is no call, whatever it says.
        let mut call_like = record(details("End", "ApiCallRateInsight"));
        call_like["eventSource"] = json!("iam.amazonaws.com");
        call_like["eventName"] = json!("CreateAccessKey");
        assert!(evaluate_all(&call_like.to_string()).iter().all(|seen| seen.verdict == Verdict::Passing));
        quiet(&UnusualRate, &[wrapped(json!(null)), wrapped(json!({"eventName": ["x"]}))]);
    }
}
