use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Amazon Macie was disabled or paused, or one of its custom data identifiers deleted (low); Amazon
    /// Inspector was disabled, for all or for single kinds of resources; or a behaviour graph of Amazon
    /// Detective was deleted. Or Macie or Inspector hides findings by a filter, leaves a member account out, or no longer
    /// looks for sensitive data by itself (low).
    /// ## Why it matters
    /// These look for sensitive data in the open, for known vulnerabilities, and for what belongs to an
    /// incident. What they had gathered is deleted with them.
    /// ## What to do
    /// Ask the caller, and enable the service again.
    /// ## False positives
    /// A trial that ended. Inspector is also disabled for single accounts or kinds of resources; the mail
    /// lists them.
    ScannerDisabled {
        id: "audit-scanner-disabled",
        title: "Macie, Inspector or Detective was switched off",
        severity: Medium,
        confidence: High,
        catalogue: ["DET-05"],
        references: [
            security_hub(&["Macie.1", "Inspector.1", "Inspector.2", "Inspector.3", "Inspector.4"]),
            attack(&["T1562.001"]),
        ],
        on: [
            On::Call("macie2.amazonaws.com", &[
                "DisableMacie", "UpdateMacieSession", "EnableMacie", "DeleteCustomDataIdentifier",
                "CreateFindingsFilter", "UpdateFindingsFilter", "DeleteFindingsFilter",
                "UpdateAutomatedDiscoveryConfiguration", "DisassociateMember", "DeleteMember",
                "DisassociateFromAdministratorAccount", "DisassociateFromMasterAccount",
            ]),
            On::Call("inspector2.amazonaws.com", &[
                "Disable", "Enable", "CreateFilter", "UpdateFilter", "DeleteFilter", "DisassociateMember",
            ]),
            On::Call("detective.amazonaws.com", &["DeleteGraph", "CreateGraph"]),
        ],
    }
}

impl Rule for ScannerDisabled {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request, region) = (caller_name(record), record.request(), region(record));
        let (name, look) = match record.event_source.or_empty() {
            "macie2.amazonaws.com" => ("Amazon Macie", "macie2 get-macie-session"),
            "inspector2.amazonaws.com" => ("Amazon Inspector", "inspector2 batch-get-account-status"),
            _ => ("Amazon Detective", "detective list-graphs"),
        };
        if record.event_name.or_empty() == "DeleteCustomDataIdentifier" {
            let Some(id) = text_at(request, &["id"]) else { return Ok(()) };
            let arn = record.arn("macie2", &format!("custom-data-identifier/{id}"));
            let seen = cx
                .failing(
                    arn,
                    format!("{who} deleted custom data identifier {id} of Amazon Macie in {region}"),
                )
                .severity(Severity::Low)
                .because("Macie no longer looks for the kind of data that it described.")
                .step("Which are left?", "macie2 list-custom-data-identifiers", &[("--region", region)]);
            cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
            return Ok(());
        }
        if ![
            "DisableMacie",
            "UpdateMacieSession",
            "EnableMacie",
            "Disable",
            "Enable",
            "DeleteGraph",
            "CreateGraph",
        ]
        .contains(&record.event_name.or_empty())
        {
            if let Some(seen) = narrowed(record, cx, name) {
                cx.report(seen);
            }
            return Ok(());
        }
        let parts = parts(record);
        let did = match (record.event_name.or_empty(), text_at(request, &["status"])) {
            ("UpdateMacieSession", Some("PAUSED")) => "paused",
            ("UpdateMacieSession", Some("ENABLED")) | ("EnableMacie" | "Enable" | "CreateGraph", _) => {
                let title = format!("{who} enabled {name} in {region}");
                cx.report(cx.passing(name, &title));
                parts.iter().for_each(|part| cx.report(cx.passing(name, &title).aspect(part)));
                return Ok(());
            }
            ("UpdateMacieSession", _) => return Ok(()),
            _ => "switched off",
        };
        let part =
            |parameter: &str| Some(texts_at(request, &[parameter]).join(", ")).filter(|ids| !ids.is_empty());
        let disabled = |title: String| {
            cx.failing(name, title)
                .because("It finds nothing any more. Disabled for good, it also loses what it had found.")
                .detail_if("Accounts", part("accountIds").as_deref())
                .detail_if("Resource types", part("resourceTypes").as_deref())
                .step("What is its state?", look, &[("--region", region)])
        };
        let mut reports = Vec::new();
        for part in &parts {
            reports.push(disabled(format!("{who} {did} {name} for {part} in {region}")).aspect(part));
        }
        if parts.is_empty() {
            reports.push(disabled(format!("{who} {did} {name} in {region}")));
        }
        for seen in reports {
            cx.report(stop_caller(tempered_to(cx, Severity::Low, seen), record));
        }
        Ok(())
    }
}

/// The scanner goes on, but hides what a filter matches, or no longer looks at some of what it looked at.
fn narrowed(record: &Record<'_>, cx: &Cx<'_>, name: &str) -> Option<Observation> {
    let (who, request, event) = (caller_name(record), record.request(), record.event_name.or_empty());
    let text = |key: &str| text_at(request, &[key]);
    let region = region(record);
    let look = match (record.event_source.or_empty(), event.ends_with("Filter")) {
        ("macie2.amazonaws.com", true) => "macie2 list-findings-filters",
        ("macie2.amazonaws.com", false) => "macie2 get-macie-session",
        (_, true) => "inspector2 list-filters",
        _ => "inspector2 list-members",
    };
    let (aspect, did) = match event {
        _ if event.ends_with("Filter") => {
            let answered = ["arn", "id"].iter().find_map(|key| record.response_text(&[key]));
            let id = text("filterArn").or(text("id")).or(text("arn")).or(answered).or(text("name"))?;
            let aspect = format!("filter {}", clean(last_part(id), 100));
            let hides = matches!(text("action"), Some("ARCHIVE" | "SUPPRESS"));
            if event.starts_with("Delete") || text("action").is_some() && !hides {
                let title = format!("{who} has filter {} of {name} hide nothing any more", last_part(id));
                return (!event.starts_with("Create")).then(|| cx.passing(name, title).aspect(aspect));
            }
            // A filter that is changed otherwise is as it was.
            if !hides {
                return None;
            }
            let named = text("name").unwrap_or_else(|| last_part(id));
            (aspect, format!("has filter {named} hide findings of {name} in {region}"))
        }
        "UpdateAutomatedDiscoveryConfiguration" => {
            let aspect = "automated discovery".to_owned();
            if text("status")? != "DISABLED" {
                let title = format!("{who} has {name} look for sensitive data by itself in {region}");
                return Some(cx.passing(name, title).aspect(aspect));
            }
            (aspect, format!("has {name} no longer look for sensitive data by itself in {region}"))
        }
        "DisassociateMember" | "DeleteMember" => {
            let account = text("accountId").or(text("id"))?;
            (format!("member {account}"), format!("took account {account} out of {name} in {region}"))
        }
        _ => (
            "administrator".to_owned(),
            format!("took this account's {name} in {region} away from its administrator account"),
        ),
    };
    let seen = cx
        .failing(name, format!("{who} {did}"))
        .severity(Severity::Low)
        .aspect(aspect)
        .because("What is hidden or left out is no longer looked at.")
        .detail_if("Reason", text("reason").or(text("description")))
        .step("What is set?", look, &[("--region", region)]);
    Some(stop_caller(tempered_to(cx, Severity::Low, seen), record))
}

/// What a call on Inspector names: kinds of resources, which are switched on and off one by one, with the accounts where
/// these are others than the caller's. Empty where it means all of it.
fn parts(record: &Record<'_>) -> Vec<String> {
    let mut accounts = texts_at(record.request(), &["accountIds"]);
    accounts.retain(|id| *id != record.account());
    accounts.sort_unstable();
    let of = if accounts.is_empty() { String::new() } else { format!(" of {}", accounts.join(", ")) };
    texts_at(record.request(), &["resourceTypes"]).iter().map(|kind| format!("{kind}{of}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn scanner(service: &str, event: &str, request: Value) -> String {
        call(service, event, json!({"requestParameters": request}))
    }

    #[test]
    fn fires_until_it_is_undone() {
        for (service, bad, request, good) in [
            ("macie2", "DisableMacie", json!(null), "EnableMacie"),
            ("macie2", "UpdateMacieSession", json!({"status": "PAUSED"}), "EnableMacie"),
            ("inspector2", "Disable", json!({"accountIds": []}), "Enable"),
            (
                "detective",
                "DeleteGraph",
                json!({"GraphArn": "arn:aws:detective:us-east-1:111122223333:graph:1"}),
                "CreateGraph",
            ),
        ] {
            let seen = fires_at(&ScannerDisabled, Severity::Medium, &scanner(service, bad, request));
            let undone = observe(&ScannerDisabled, &scanner(service, good, json!({})));
            assert_eq!((undone[0].verdict, undone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        }
    }

    #[test]
    fn what_is_enabled_again_settles_itself_alone() {
        let inspector = |event: &str, accounts: Value, kinds: Value| {
            scanner("inspector2", event, json!({"accountIds": accounts, "resourceTypes": kinds}))
        };
        let off = inspector("Disable", json!([]), json!(["EC2", "ECR"]));
        let off = observe(&ScannerDisabled, &off);
        assert_eq!(off.len(), 2);
        assert_eq!(off[0].title, "alice switched off Amazon Inspector for EC2 in us-east-1");
        let settles = |event: String| {
            let on = observe(&ScannerDisabled, &event);
            assert!(on.iter().all(|o| o.verdict == Verdict::Passing));
            on.iter().any(|o| o.finding_id() == off[0].finding_id())
        };
        assert!(settles(inspector("Enable", json!(["111122223333"]), json!(["LAMBDA", "EC2"]))));
        assert!(!settles(inspector("Enable", json!([]), json!(["LAMBDA"]))));
        assert!(!settles(inspector("Enable", json!(["444455556666"]), json!(["EC2"]))));
    }

    #[test]
    fn macie_loses_what_it_looks_for() {
        let gone = scanner("macie2", "DeleteCustomDataIdentifier", json!({"id": "a1"}));
        fires_at(&ScannerDisabled, Severity::Low, &gone);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &ScannerDisabled,
            &[
                scanner("macie2", "UpdateMacieSession", json!({"findingPublishingFrequency": "ONE_HOUR"})),
                scanner("macie", "DisableMacie", json!(null)),
                call("inspector2", "Disable", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }

    #[test]
    fn what_is_hidden_or_left_out_is_low() {
        let filter = |event: &str, action: &str| {
            scanner("macie2", event, json!({"id": "f1", "name": "hush", "action": action}))
        };
        let title = "alice has filter hush hide findings of Amazon Macie in us-east-1";
        let (open, close) =
            (filter("UpdateFindingsFilter", "ARCHIVE"), filter("UpdateFindingsFilter", "NOOP"));
        opens_and_closes(&ScannerDisabled, Severity::Low, (&open, title), &close);
        let arn = "arn:aws:inspector2:us-east-1:111122223333:owner/111122223333/filter/f2";
        let made = json!({"requestParameters": {"name": "known", "action": "SUPPRESS"}, "responseElements": {"arn": arn}});
        let title = "alice has filter known hide findings of Amazon Inspector in us-east-1";
        let (open, close) = (
            call("inspector2", "CreateFilter", made),
            scanner("inspector2", "DeleteFilter", json!({"arn": arn})),
        );
        opens_and_closes(&ScannerDisabled, Severity::Low, (&open, title), &close);
        let discovery = |status: &str| {
            scanner("macie2", "UpdateAutomatedDiscoveryConfiguration", json!({"status": status}))
        };
        let title = "alice has Amazon Macie no longer look for sensitive data by itself in us-east-1";
        opens_and_closes(
            &ScannerDisabled,
            Severity::Low,
            (&discovery("DISABLED"), title),
            &discovery("ENABLED"),
        );
        for (service, event, request) in [
            ("macie2", "DisassociateMember", json!({"id": "444455556666"})),
            ("inspector2", "DisassociateMember", json!({"accountId": "444455556666"})),
            ("macie2", "DisassociateFromAdministratorAccount", json!(null)),
        ] {
            fires_at(&ScannerDisabled, Severity::Low, &scanner(service, event, request));
        }
        quiet(
            &ScannerDisabled,
            &[
                scanner("macie2", "CreateFindingsFilter", json!({"name": "look", "action": "NOOP"})),
                scanner("inspector2", "UpdateFilter", json!({"filterArn": arn, "description": "x"})),
                scanner("inspector2", "CreateFilter", json!({"name": "list", "action": "NONE"})),
            ],
        );
    }
}
