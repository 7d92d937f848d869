use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// AWS Cost Anomaly Detection sees spending that is unlike the last weeks. Less than ten dollars above what was
    /// expected is LOW and waits for the digest.
    /// ## Why it matters
    /// It is often the first sign of stolen credentials that nothing else has seen, and the first sign of an honest
    /// mistake that would cost all month.
    /// ## What to do
    /// Look which service, region and usage it is, and whether somebody means it. If not, look at who started it there.
    /// ## False positives
    /// A new project, a load test, the yearly bill of a subscription. Tell Cost Anomaly Detection that it was planned.
    CostAnomalyDetected {
        id: "cost-anomaly",
        title: "Unusual costs",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ST-11"],
        references: [
            attack(&["T1496"]),
            doc(&["AWS Cost Management user guide: EventBridge with Cost Anomaly Detection"]),
        ],
        on: [On::Detector(Detector::CostAnomaly)],
    }
}

/// Dollars above what was expected that are worth a mail.
const MAILED_FROM: f64 = 10.0;

impl Rule for CostAnomalyDetected {
    fn detector(&self, body: &Body<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Body::CostAnomaly(anomaly) = body else { return Ok(()) };
        let Some(id) = anomaly.id.get() else { return Ok(()) };
        let cause = anomaly.causes.0.first();
        let service =
            cause.and_then(|cause| cause.service.get()).or(anomaly.service.get()).unwrap_or("a service");
        let impact = &anomaly.impact;
        let total = impact.total.or_empty().parse::<f64>().ok().filter(|total| total.is_finite());
        let more = total.map_or_else(|| "more".to_owned(), |total| format!("{total:.2} USD more"));
        let small = total.is_some_and(|total| total < MAILED_FROM);
        let region = cause.and_then(|cause| cause.region.get());
        let in_region = region.map(|region| format!(" in {region}")).unwrap_or_default();
        // The day before as well: a monitor's days are UTC, and Cost Explorer wants a span.
        let start = anomaly.start.or_empty().get(..10).unwrap_or("THE_FIRST_DAY");
        let period = shorthand(&[("Start", start), ("End", "TODAY")]);
        let seen = cx
            .failing(id, format!("{service}{in_region} costs {more} than expected"))
            .global()
            .severity(if small { Severity::Low } else { Severity::Medium })
            .because("Cost Anomaly Detection finds this unlike the spending of the last weeks.")
            .detail("Service", service)
            .detail_if("Spent (USD)", impact.actual.get())
            .detail_if("Expected (USD)", impact.expected.get())
            .detail_if("Since", anomaly.start.get())
            .detail_if("Region", region)
            .detail_if("Usage", cause.and_then(|cause| cause.usage.get()))
            .detail_if("Account", cause.and_then(|cause| cause.account.get()))
            .detail_if("Monitor", anomaly.monitor.get())
            .step(
                "What costs so much? (replace TODAY by a date such as 2026-03-01)",
                "ce get-cost-and-usage",
                &[
                    ("--time-period", &period),
                    ("--granularity", "DAILY"),
                    ("--metrics", "UnblendedCost"),
                    ("--group-by", "Type=DIMENSION,Key=USAGE_TYPE"),
                ],
            );
        let seen = match region {
            Some(region) => seen.step(
                "What runs there?",
                "resourcegroupstaggingapi get-resources",
                &[("--region", region)],
            ),
            None => seen,
        };
        cx.report(seen);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn anomaly(impact: Value, causes: Value) -> String {
        envelope(
            "aws.ce",
            "Anomaly Detected",
            json!({
                "anomalyId": "12345678-abcd-ef12-3456-987654321a12", "accountId": ACCOUNT, "accountName": "prod",
                "anomalyStartDate": "2026-02-25T00:00:00Z", "dimensionValue": "Amazon EC2", "monitorName": "services",
                "impact": impact, "rootCauses": causes,
            }),
        )
    }

    #[test]
    fn fires() {
        let impact = json!({"totalImpact": 1001, "totalActualSpend": 1301, "totalExpectedSpend": 300});
        let cause = json!([{"service": "Amazon EC2", "region": "ap-south-1", "linkedAccount": "444455556666",
            "usageType": "APS3-BoxUsage:p5.48xlarge"}]);
        let seen = fires_at(&CostAnomalyDetected, Severity::Medium, &anomaly(impact.clone(), cause));
        assert_eq!(seen.title, "Amazon EC2 in ap-south-1 costs 1001.00 USD more than expected");
        assert!(seen.details.contains(&("Spent (USD)".to_owned(), "1301".to_owned())));
        let bare = fires_at(&CostAnomalyDetected, Severity::Medium, &anomaly(impact, json!(null)));
        assert_eq!(bare.title, "Amazon EC2 costs 1001.00 USD more than expected");
    }

    #[test]
    fn little_money_waits_and_unknown_money_does_not() {
        fires_at(&CostAnomalyDetected, Severity::Low, &anomaly(json!({"totalImpact": "9.99"}), json!([])));
        fires_at(&CostAnomalyDetected, Severity::Medium, &anomaly(json!({"totalImpact": 10}), json!([])));
        fires_at(&CostAnomalyDetected, Severity::Medium, &anomaly(json!(null), json!({"service": 7})));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &CostAnomalyDetected,
            &[
                envelope("aws.ce", "Anomaly Detected", json!({"impact": {"totalImpact": 1001}})),
                envelope("my.app", "Anomaly Detected", json!({"anomalyId": "1"})),
            ],
        );
    }
}
