use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A CloudTrail Lake event data store was deleted, or told to take in no more events; or its protection against
    /// deletion was switched off (medium).
    /// ## Why it matters
    /// The store is where past activity is searched after an incident. Without it, the questions that matter
    /// then have no answer.
    /// ## What to do
    /// Ask the caller. A deleted store can be restored for seven days; ingestion can be started again at any
    /// time, but what happened in between is missing.
    /// ## False positives
    /// Clean-up of stores that were made to try the service: their protection has to be switched off first.
    EventDataStore {
        id: "audit-event-data-store-stopped",
        title: "A CloudTrail Lake event data store was stopped or deleted",
        severity: High,
        confidence: High,
        catalogue: ["TRAIL-02"],
        references: [cis("3.0", &["4.5"]), cis("5.0", &["4.5"]), attack(&["T1562.008"])],
        on: [On::Call("cloudtrail.amazonaws.com", &[
            "DeleteEventDataStore", "StopEventDataStoreIngestion", "RestoreEventDataStore",
            "StartEventDataStoreIngestion", "UpdateEventDataStore",
        ])],
    }
}

/// CloudTrail's own history keeps events for as many days, without any store.
const SHORT: i64 = 90;

impl Rule for EventDataStore {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(store) = text_at(record.request(), &["eventDataStore"]) else { return Ok(()) };
        // An ARN or the UUID at its end.
        let arn = if store.starts_with("arn:") {
            store.to_owned()
        } else {
            record.arn("cloudtrail", &format!("eventdatastore/{store}"))
        };
        let (who, id) = (caller_name(record), last_part(&arn));
        if record.event_name.or_empty() == "UpdateEventDataStore" {
            if let Some(days) = number_at(record.request(), &["retentionPeriod"]).filter(|days| *days < SHORT)
            {
                let seen = cx
                    .failing(
                        &arn,
                        format!("{who} has event data store {id} keep events for {days} days only"),
                    )
                    .severity(Severity::Low)
                    .aspect("retention")
                    .because("What is older is deleted for good.")
                    .step(
                        "How long does it keep them?",
                        "cloudtrail get-event-data-store",
                        &[("--event-data-store", &arn), ("--region", region(record))],
                    );
                cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
            }
            let Some(protected) = record.param_flag(&["terminationProtectionEnabled"]) else { return Ok(()) };
            if protected {
                cx.report(
                    cx.passing(&arn, format!("{who} protected event data store {id}")).aspect("unprotected"),
                );
                return Ok(());
            }
            let seen = cx
                .failing(
                    &arn,
                    format!("{who} took the protection against deletion off event data store {id}"),
                )
                .severity(Severity::Medium)
                .aspect("unprotected")
                .because("The store can be deleted now, and what it holds with it.")
                .step(
                    "Protect it again",
                    "cloudtrail update-event-data-store --termination-protection-enabled",
                    &[("--event-data-store", &arn), ("--region", region(record))],
                );
            cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
            return Ok(());
        }
        let (did, verb) = match record.event_name.or_empty() {
            "DeleteEventDataStore" => ("deleted", "restore-event-data-store"),
            "StopEventDataStoreIngestion" => ("stopped", "start-event-data-store-ingestion"),
            "RestoreEventDataStore" => {
                cx.report(
                    cx.passing(&arn, format!("{who} restored event data store {id}")).aspect("deleted"),
                );
                return Ok(());
            }
            _ => {
                cx.report(cx.passing(&arn, format!("{who} started event data store {id}")).aspect("stopped"));
                return Ok(());
            }
        };
        let seen = cx
            .failing(&arn, format!("{who} {did} CloudTrail Lake event data store {id}"))
            .aspect(did)
            .because(
                "No new events can be searched for in this store; a deleted one is gone for \
                 good after seven days.",
            )
            .detail("Event data store", &arn)
            .step(
                "Undo it",
                &format!("cloudtrail {verb}"),
                &[("--event-data-store", &arn), ("--region", region(record))],
            );
        cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ID: &str = "EXAMPLE-f852-4e8f-8bd1-bcf6cEXAMPLE";

    fn store(event: &str) -> String {
        call("cloudtrail", event, json!({"requestParameters": {"eventDataStore": ID}}))
    }

    #[test]
    fn fires() {
        for (bad, good) in [
            ("DeleteEventDataStore", "RestoreEventDataStore"),
            ("StopEventDataStoreIngestion", "StartEventDataStoreIngestion"),
        ] {
            let seen = fires_at(&EventDataStore, Severity::High, &store(bad));
            assert!(seen.subject.resource.ends_with(&format!(":eventdatastore/{ID}")));
            let undone = observe(&EventDataStore, &store(good));
            assert_eq!((undone[0].verdict, undone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        }
    }

    #[test]
    fn without_its_protection_it_can_be_deleted() {
        let update = |on: bool| {
            let request = json!({"eventDataStore": "EXAMPLE-ee54-4813-92d5-999aeEXAMPLE", "terminationProtectionEnabled": on});
            call("cloudtrail", "UpdateEventDataStore", json!({"requestParameters": request}))
        };
        let off = fires_at(&EventDataStore, Severity::Medium, &update(false));
        let on = observe(&EventDataStore, &update(true));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &EventDataStore,
            &[
                call("cloudtrail", "DeleteEventDataStore", json!({"errorCode": "AccessDenied"})),
                call("cloudtrail", "DeleteEventDataStore", json!({"requestParameters": null})),
                store("CreateEventDataStore"),
            ],
        );
    }

    #[test]
    fn a_store_that_keeps_events_for_days_is_low() {
        let keep = |days: i64| {
            let store = "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/e1";
            asked(
                "cloudtrail",
                "UpdateEventDataStore",
                json!({"eventDataStore": store, "retentionPeriod": days}),
            )
        };
        let seen = fires_at(&EventDataStore, Severity::Low, &keep(7));
        assert_eq!(seen.title, "alice has event data store e1 keep events for 7 days only");
        quiet(&EventDataStore, &[keep(366)]);
    }
}
