use serde_json::Value;

use super::common::trail_arn;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A trail's event selectors were written so that it no longer records every management event: none at
    /// all, only reads, only writes, or not those of some services or callers. Both the basic and the
    /// advanced form are read. Also that a trail's Insights, which tell of unusual activity, were switched
    /// off.
    /// ## Why it matters
    /// The trail goes on logging and looks healthy, while the calls that matter are left out. EventBridge,
    /// and with it Keepwatch, gets only what some trail records.
    /// ## What to do
    /// Ask the caller. Unless another trail records every management event, write the selectors again.
    /// ## False positives
    /// A second trail for data events alone, next to one that records everything. Leaving out KMS and the RDS
    /// Data API is what the console offers because of their volume: low.
    TrailSelectors {
        id: "audit-trail-selectors-cut",
        title: "A CloudTrail trail leaves out management events",
        severity: High,
        confidence: Medium,
        catalogue: ["TRAIL-04", "TRAIL-06"],
        references: [
            cis("3.0", &["3.1", "4.5"]),
            cis("5.0", &["3.1", "4.5"]),
            security_hub(&["CloudTrail.1"]),
            attack(&["T1562.008"]),
            doc(&["AWS CloudTrail user guide: logging management events"]),
        ],
        on: [On::Call("cloudtrail.amazonaws.com", &["PutEventSelectors", "PutInsightSelectors"])],
    }
}

impl Rule for TrailSelectors {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let insights = record.event_name.or_empty() == "PutInsightSelectors";
        let Some(arn) = trail_arn(record, "trailName") else { return Ok(()) };
        let seen = if insights { insight(record, cx, &arn) } else { events(record, cx, &arn) };
        cx.report(seen);
        Ok(())
    }
}

fn insight(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Observation {
    let (who, name) = (caller_name(record), last_part(arn));
    if !items_at(record.request(), &["insightSelectors"]).is_empty() {
        return cx.passing(arn, format!("{who} switched on Insights of trail {name}")).aspect("insights");
    }
    let seen = cx
        .failing(arn, format!("{who} switched off Insights of trail {name}"))
        .severity(Severity::Low)
        .aspect("insights")
        .because(
            "CloudTrail no longer tells of unusual call rates and error rates. The trail itself goes on.",
        )
        .step(
            "What is set now?",
            "cloudtrail get-insight-selectors",
            &[("--trail-name", arn), ("--region", region(record))],
        );
    tempered_to(cx, Severity::Low, seen)
}

fn events(record: &Record<'_>, cx: &Cx<'_>, arn: &str) -> Observation {
    let (who, name, request) = (caller_name(record), last_part(arn), record.request());
    let kept = Kept::of(request);
    let look = [("--trail-name", arn), ("--region", region(record))];
    let (severity, what) = match &kept {
        None => {
            let title = format!("{who} wrote event selectors of trail {name} that the event does not show");
            return cx
                .unknown(arn, title)
                .severity(Severity::Medium)
                .because("CloudTrail left the parameters out, so what the trail records now is not known.")
                .step("What does it record now?", "cloudtrail get-event-selectors", &look);
        }
        Some(kept) if !kept.writes && !kept.reads => {
            (Severity::High, "records no management events".to_owned())
        }
        Some(kept) if !kept.writes => (Severity::High, "records only reads, no changes".to_owned()),
        Some(kept) if kept.filtered => {
            (Severity::High, "leaves out management events by a filter".to_owned())
        }
        Some(kept) if !kept.left_out.is_empty() => {
            let usual = kept.left_out.iter().all(|source| VOLUMINOUS.contains(&source.as_str()));
            let severity = if usual && kept.reads { Severity::Low } else { Severity::Medium };
            (severity, format!("leaves out events of {}", kept.left_out.join(", ")))
        }
        Some(kept) if !kept.reads => (Severity::Medium, "records only changes, no reads".to_owned()),
        Some(_) => {
            return cx.passing(arn, format!("{who} had trail {name} record every management event"));
        }
    };
    let everything = r#"[{"ReadWriteType":"All","IncludeManagementEvents":true}]"#;
    let seen = cx
        .failing(arn, format!("Trail {name} {what}, after a change by {who}"))
        .severity(severity)
        .because("Unless another trail records them, these calls leave no trace and reach no monitor.")
        .detail("Selectors", selectors(request))
        .step("What does it record now?", "cloudtrail get-event-selectors", &look)
        .step(
            "Record every management event again (this drops data event selectors)",
            "cloudtrail put-event-selectors",
            &[look[0], ("--event-selectors", everything), look[1]],
        );
    stop_caller(tempered_to(cx, Severity::Medium, seen), record)
}

/// Sources that the console offers to leave out because of their volume.
const VOLUMINOUS: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];

/// Which management events the selectors keep, all selectors taken together.
#[derive(Default)]
struct Kept {
    reads: bool,
    writes: bool,
    /// Left out by every selector that keeps writes and has no other filter.
    left_out: Vec<String>,
    /// Whether every selector that keeps writes has a filter that leaves out more than sources.
    filtered: bool,
}

impl Kept {
    fn of(request: &Value) -> Option<Kept> {
        let basic = items_at(request, &["eventSelectors"]);
        let advanced = items_at(request, &["advancedEventSelectors"]);
        if basic.is_empty() && advanced.is_empty() {
            return None;
        }
        let all: Vec<Kept> = basic
            .into_iter()
            .filter_map(of_basic)
            .chain(advanced.into_iter().filter_map(of_advanced))
            .collect();
        let (reads, writes) = (all.iter().any(|kept| kept.reads), all.iter().any(|kept| kept.writes));
        // What a filter lets through is too little to make up for what another selector leaves out.
        let mut plain = all.into_iter().filter(|kept| kept.writes && !kept.filtered);
        let Some(mut whole) = plain.next() else {
            return Some(Kept { reads, writes, filtered: writes, ..Kept::default() });
        };
        for kept in plain {
            whole.left_out.retain(|source| kept.left_out.contains(source));
        }
        Some(Kept { reads, writes, ..whole })
    }
}

/// A basic selector. What it does not say is as AWS documents the default: management events, reads and
/// writes.
fn of_basic(selector: &Value) -> Option<Kept> {
    if flag_at(selector, &["includeManagementEvents"]) == Some(false) {
        return None;
    }
    let of = text_at(selector, &["readWriteType"]).unwrap_or("All");
    let left_out =
        texts_at(selector, &["excludeManagementEventSources"]).into_iter().map(str::to_owned).collect();
    Some(Kept { reads: of != "WriteOnly", writes: of != "ReadOnly", left_out, filtered: false })
}

/// An advanced selector: a list of fields, all of which must match.
fn of_advanced(selector: &Value) -> Option<Kept> {
    let fields = items_at(selector, &["fieldSelectors"]);
    let is_category = |field: &&&Value| text_at(field, &["field"]) == Some("eventCategory");
    let category = fields.iter().find(is_category)?;
    if !texts_at(category, &["equals"]).contains(&"Management") {
        return None;
    }
    let mut kept = Kept { reads: true, writes: true, ..Kept::default() };
    for field in fields {
        let equals = texts_at(field, &["equals"]);
        match text_at(field, &["field"]) {
            Some("eventCategory") => {}
            Some("readOnly") if !equals.is_empty() => {
                kept.reads = equals.contains(&"true");
                kept.writes = equals.contains(&"false");
            }
            Some("eventSource") if equals.is_empty() && value_at(field, &["notEquals"]).is_some() => {
                kept.left_out.extend(texts_at(field, &["notEquals"]).into_iter().map(str::to_owned));
            }
            _ => kept.filtered = true,
        }
    }
    Some(kept)
}

/// The selectors as they stand in the event.
fn selectors(request: &Value) -> String {
    ["advancedEventSelectors", "eventSelectors"]
        .iter()
        .filter_map(|name| value_at(request, &[name]))
        .find(|value| !value.is_null())
        .map(Value::to_string)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn put(key: &str, selectors: Value) -> String {
        call(
            "cloudtrail",
            "PutEventSelectors",
            json!({"requestParameters": {"trailName": "main", key: selectors}}),
        )
    }

    fn basic(selectors: Value) -> String {
        put("eventSelectors", selectors)
    }

    fn advanced(fields: Value) -> String {
        put("advancedEventSelectors", json!([{"name": "x", "fieldSelectors": fields}]))
    }

    fn passes(event: &str) {
        let seen = observe(&TrailSelectors, event);
        assert_eq!(seen.iter().map(|o| o.verdict).collect::<Vec<_>>(), [Verdict::Passing], "{event}");
    }

    #[test]
    fn fires() {
        let data = json!([{"includeManagementEvents": false, "readWriteType": "ReadOnly",
            "dataResources": [{"type": "AWS::S3::Object", "values": []}],
                "excludeManagementEventSources": []}]);
        let seen = fires_at(&TrailSelectors, Severity::High, &basic(data.clone()));
        assert_eq!(seen.title, "Trail main records no management events, after a change by alice");
        // A single object stands for a list of one, and a flag may be text.
        fires_at(&TrailSelectors, Severity::High, &basic(json!({"includeManagementEvents": "false"})));
        let reads = fires_at(&TrailSelectors, Severity::High, &basic(json!([{"readWriteType": "ReadOnly"}])));
        assert!(reads.title.contains("only reads"), "{}", reads.title);
        fires_at(&TrailSelectors, Severity::Medium, &basic(json!([{"readWriteType": "WriteOnly"}])));
        let without = |source: &str| basic(json!([{"excludeManagementEventSources": [source]}]));
        fires_at(&TrailSelectors, Severity::Low, &without("kms.amazonaws.com"));
        fires_at(&TrailSelectors, Severity::Medium, &without("iam.amazonaws.com"));
    }

    #[test]
    fn fires_on_the_advanced_form() {
        let field = |name: &str, value: &str| json!({"field": name, "equals": [value]});
        let management = field("eventCategory", "Management");
        fires_at(&TrailSelectors, Severity::High, &advanced(json!([field("eventCategory", "Data")])));
        fires_at(&TrailSelectors, Severity::High, &advanced(json!([management, field("readOnly", "true")])));
        fires_at(
            &TrailSelectors,
            Severity::Medium,
            &advanced(json!([management, field("readOnly", "false")])),
        );
        let kms = json!({"field": "eventSource", "notEquals": ["kms.amazonaws.com"]});
        fires_at(&TrailSelectors, Severity::Low, &advanced(json!([management, kms])));
        let caller =
            json!({"field": "userIdentity.arn", "notStartsWith": ["arn:aws:iam::111122223333:user/bob"]});
        fires_at(&TrailSelectors, Severity::High, &advanced(json!([management, caller])));
        passes(&advanced(json!([management])));
    }

    #[test]
    fn selectors_are_taken_together() {
        passes(&basic(json!([{"readWriteType": "ReadOnly"}, {"readWriteType": "WriteOnly"}])));
        passes(&basic(json!([{"includeManagementEvents": true, "readWriteType": "All"},
                {"includeManagementEvents": false}])));
        // A selector for a few events does not make up for what the other one leaves out.
        let management = json!({"field": "eventCategory", "equals": ["Management"]});
        let without = json!({"field": "eventSource", "notEquals": ["iam.amazonaws.com"]});
        let few = json!({"field": "userIdentity.arn", "equals": ["arn:aws:iam::111122223333:user/x"]});
        let both = json!([{"fieldSelectors": [management, without]}, {"fieldSelectors": [management, few]}]);
        let seen = fires_at(&TrailSelectors, Severity::Medium, &put("advancedEventSelectors", both));
        assert!(seen.title.contains("leaves out events of iam.amazonaws.com"), "{}", seen.title);
        let bad = fired(&TrailSelectors, &basic(json!([{"includeManagementEvents": false}])));
        let good = observe(&TrailSelectors, &basic(json!([{}])));
        assert_eq!(bad.finding_id(), good[0].finding_id());
    }

    #[test]
    fn fires_when_insights_are_switched_off() {
        let insights = |selectors: Value| {
            let request = json!({"trailName": "main", "insightSelectors": selectors});
            call("cloudtrail", "PutInsightSelectors", json!({"requestParameters": request}))
        };
        let off = fires_at(&TrailSelectors, Severity::Low, &insights(json!([])));
        let on = observe(&TrailSelectors, &insights(json!([{"insightType": "ApiCallRateInsight"}])));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn what_is_not_shown_is_unknown() {
        let seen = fired(
            &TrailSelectors,
            &call("cloudtrail", "PutEventSelectors", json!({"requestParameters": {"trailName": "main"}})),
        );
        assert_eq!((seen.verdict, seen.severity), (Verdict::Unknown, Severity::Medium));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TrailSelectors,
            &[
                call("cloudtrail", "PutEventSelectors", json!({"errorCode": "AccessDenied"})),
                call("cloudtrail", "PutEventSelectors", json!({"requestParameters": null})),
                call(
                    "cloudtrail",
                    "PutInsightSelectors",
                    json!({"requestParameters": {"eventDataStore": "x"}}),
                ),
            ],
        );
    }
}
