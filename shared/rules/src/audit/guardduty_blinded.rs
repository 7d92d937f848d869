use keepwatch_core::observation::Verdict;
use serde_json::Value;

use super::common::members;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// GuardDuty goes on, but was told to look away: a filter that archives findings, a list of trusted
    /// addresses or another file for one, a protection plan or data source switched off, also for members of
    /// the organization, a threat list
    /// deactivated, the export of findings or a bucket's malware protection deleted, or new accounts of the organization
    /// left without GuardDuty. Where a filter matches something else from now on and
    /// the event does not say whether it archives, that is told.
    /// ## Why it matters
    /// An intruder who adds the own address to a trusted list, or archives every new finding, is not noticed,
    /// and GuardDuty still looks enabled.
    /// ## What to do
    /// Read the filter's criteria or the list. Delete what nobody can explain, and look at archived findings
    /// since then.
    /// ## False positives
    /// Filters for known scanners and trusted office addresses are a normal part of tuning. An export of
    /// findings that moves to another bucket is deleted and created.
    GuardDutyBlinded {
        id: "audit-guardduty-blinded",
        title: "GuardDuty was told to look away",
        severity: Medium,
        confidence: Medium,
        catalogue: ["DET-02"],
        references: [security_hub(&["GuardDuty.1"]), attack(&["T1562.001"])],
        on: [On::Call("guardduty.amazonaws.com", &[
            "CreateFilter", "UpdateFilter", "DeleteFilter", "CreateIPSet", "UpdateIPSet", "DeleteIPSet",
            "CreateTrustedEntitySet", "UpdateTrustedEntitySet", "DeleteTrustedEntitySet",
                "UpdateThreatIntelSet",
            "DeleteThreatIntelSet", "UpdateThreatEntitySet", "DeleteThreatEntitySet",
            "DeletePublishingDestination", "UpdateDetector", "UpdateMemberDetectors",
            "DeleteMalwareProtectionPlan", "UpdateOrganizationConfiguration",
        ])],
    }
}

impl Rule for GuardDutyBlinded {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let seen = match record.event_name.or_empty() {
            "UpdateDetector" | "UpdateMemberDetectors" => features(record, cx),
            "DeleteMalwareProtectionPlan" => scans_no_more(record, cx).into_iter().collect(),
            "UpdateOrganizationConfiguration" => new_accounts(record, cx).into_iter().collect(),
            _ => one(record, cx).into_iter().collect(),
        };
        for seen in seen {
            let bad = seen.verdict != Verdict::Passing;
            let seen = if bad { tempered_to(cx, Severity::Low, seen) } else { seen };
            cx.report(if bad { stop_caller(seen, record) } else { seen });
        }
        Ok(())
    }
}

/// A bucket whose new objects are no longer looked through.
fn scans_no_more(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let plan = text_at(record.request(), &["malwareProtectionPlanId"])?;
    let seen = cx.failing(
        record.arn("guardduty", &format!("malware-protection-plan/{plan}")),
        format!("{} deleted GuardDuty's malware protection plan {plan}", caller_name(record)),
    );
    Some(seen.because("What is uploaded to the plan's bucket is no longer looked through for malware.").step(
        "Which plans are left?",
        "guardduty list-malware-protection-plans",
        &[region_option(record)],
    ))
}

/// Whether accounts that join the organization get GuardDuty by themselves.
fn new_accounts(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let (who, request) = (caller_name(record), record.request());
    let detector = text_at(request, &["detectorId"])?;
    let on = match text_at(request, &["autoEnableOrganizationMembers"]) {
        Some(members) => members != "NONE",
        None => flag_at(request, &["autoEnable"])?,
    };
    let arn = record.arn("guardduty", &format!("detector/{detector}"));
    Some(if on {
        cx.passing(arn, format!("{who} has accounts that join the organization get GuardDuty"))
            .aspect("new accounts")
    } else {
        cx.failing(arn, format!("{who} has accounts that join the organization get no GuardDuty"))
            .aspect("new accounts")
            .because("Nobody is told what is done in an account that joins from now on.")
            .step(
                "What is set?",
                "guardduty describe-organization-configuration",
                &[("--detector-id", detector), region_option(record)],
            )
    })
}

/// What was done to a filter, a list or an export.
fn one(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let (request, event) = (record.request(), record.event_name.or_empty());
    let detector = text_at(request, &["detectorId"])?;
    let (kind, name) = named(record)?;
    let arn = record.arn("guardduty", &format!("detector/{detector}/{kind}/{name}"));
    let active = flag_at(request, &["activate"]);
    let part = Part { record, cx, detector, kind, name, arn };
    match kind {
        "filter" if text_at(request, &["action"]) == Some("ARCHIVE") => Some(part.archives()),
        // What is left out stays as it was: the filter may well archive what it matches now.
        "filter" if event == "UpdateFilter" && text_at(request, &["action"]).is_none() => {
            part.matches_otherwise()
        }
        "filter" if event == "CreateFilter" => None,
        "ipset" | "trustedentityset" => match active {
            Some(true) => Some(part.trusts(true)),
            // The list stays as active as it was.
            None if event.starts_with("Update") && text_at(request, &["location"]).is_some() => {
                Some(part.trusts(false))
            }
            None if !event.starts_with("Delete") => None,
            _ => Some(part.ended()),
        },
        "threatintelset" | "threatentityset" if event.starts_with("Delete") || active == Some(false) => {
            Some(part.forgets_threats())
        }
        "threatintelset" | "threatentityset" if active.is_none() => None,
        "publishingDestination" => Some(part.exports_no_more()),
        // Deleted, deactivated, or a filter that archives nothing any more.
        _ => Some(part.ended()),
    }
}

/// A part of GuardDuty that a call is about.
struct Part<'r, 'c> {
    record: &'r Record<'r>,
    cx: &'r Cx<'c>,
    detector: &'r str,
    kind: &'static str,
    name: &'r str,
    arn: String,
}

impl Part<'_, '_> {
    fn bad(&self, severity: Severity, did: &str, because: &str) -> Observation {
        let title = format!("{} {did}", caller_name(self.record));
        self.cx.failing(&self.arn, title).severity(severity).because(because)
    }

    /// The options of a call on the detector.
    fn at(&self) -> [(&str, &str); 2] {
        [("--detector-id", self.detector), ("--region", region(self.record))]
    }

    /// The options of a call on the part itself.
    fn of<'s>(&'s self, option: &'s str) -> [(&'s str, &'s str); 3] {
        let [detector, region] = self.at();
        [detector, (option, self.name), region]
    }

    fn list_name(&self) -> &str {
        text_at(self.record.request(), &["name"]).unwrap_or(self.name)
    }

    fn criteria(&self) -> Option<String> {
        value_at(self.record.request(), &["findingCriteria"]).map(Value::to_string)
    }

    fn archives(&self) -> Observation {
        let filter = self.of("--filter-name");
        self.bad(
            Severity::Medium,
            &format!("has GuardDuty archive findings by filter {}", self.name),
            "Findings that the filter matches are archived as they come; nobody is told.",
        )
        .detail("Criteria", self.criteria().unwrap_or_default())
        .step("What does it match?", "guardduty get-filter", &filter)
        .step("Delete it", "guardduty delete-filter", &filter)
    }

    fn matches_otherwise(&self) -> Option<Observation> {
        let criteria = self.criteria()?;
        let title =
            format!("{} changed what GuardDuty filter {} matches", caller_name(self.record), self.name);
        let filter = self.of("--filter-name");
        Some(
            self.cx
                .unknown(&self.arn, title)
                .severity(Severity::Medium)
                .because("If the filter archives, nobody is told of the findings that it matches now.")
                .detail("Criteria", criteria)
                .step("Does it archive, and what does it match?", "guardduty get-filter", &filter),
        )
    }

    /// Of a list that is active from now on; or that was given another file, and is as active as it was.
    fn trusts(&self, active: bool) -> Observation {
        let list = self.list_name();
        let (severity, did) = if active {
            (Severity::High, format!("has GuardDuty trust every address of list {list}"))
        } else {
            (Severity::Medium, format!("gave GuardDuty's trusted list {list} another file"))
        };
        let (look, option) = match self.kind {
            "ipset" => ("guardduty get-ip-set", "--ip-set-id"),
            _ => ("guardduty get-trusted-entity-set", "--trusted-entity-set-id"),
        };
        let list = self.of(option);
        self.bad(
            severity,
            &did,
            "GuardDuty makes no findings for what comes from addresses of a trusted list.",
        )
        .detail_if("List", text_at(self.record.request(), &["location"]))
        .step("Is it active, and where is its file?", look, &list)
        .step(
            "Deactivate it",
            &look.replace("get", "update"),
            &[list[0], list[1], ("--no-activate", ""), list[2]],
        )
    }

    fn forgets_threats(&self) -> Observation {
        let look = match self.kind {
            "threatintelset" => "guardduty list-threat-intel-sets",
            _ => "guardduty list-threat-entity-sets",
        };
        self.bad(
            Severity::Low,
            &format!("has GuardDuty no longer use threat list {}", self.list_name()),
            "Addresses of this list give no findings any more.",
        )
        .step("Which lists are left?", look, &self.at())
    }

    fn exports_no_more(&self) -> Observation {
        self.bad(
            Severity::Medium,
            &format!("deleted GuardDuty's export of findings {}", self.name),
            "Findings are no longer copied; GuardDuty itself keeps them for 90 days.",
        )
        .step("Which exports are left?", "guardduty list-publishing-destinations", &self.at())
    }

    fn ended(&self) -> Observation {
        let title = format!("{} ended what {} {} did", caller_name(self.record), self.kind, self.name);
        self.cx.passing(&self.arn, title)
    }
}

/// The kind of resource as ARNs have it, and its id or name.
fn named<'r>(record: &'r Record<'_>) -> Option<(&'static str, &'r str)> {
    let event = record.event_name.or_empty();
    let id = |parameter: &str| {
        text_at(record.request(), &[parameter])
            .or_else(|| text_at(record.response(), &[parameter]))
            .or_else(|| text_at(record.request(), &["name"]))
    };
    Some(match event {
        _ if event.ends_with("Filter") => (
            "filter",
            text_at(record.request(), &["filterName"]).or_else(|| text_at(record.request(), &["name"]))?,
        ),
        _ if event.ends_with("IPSet") => ("ipset", id("ipSetId")?),
        _ if event.ends_with("TrustedEntitySet") => ("trustedentityset", id("trustedEntitySetId")?),
        _ if event.ends_with("ThreatEntitySet") => ("threatentityset", id("threatEntitySetId")?),
        _ if event.ends_with("ThreatIntelSet") => ("threatintelset", id("threatIntelSetId")?),
        _ => ("publishingDestination", id("destinationId")?),
    })
}

/// Protection plans, in both forms: `features`, and the older `dataSources`.
fn features(record: &Record<'_>, cx: &Cx<'_>) -> Vec<Observation> {
    let (who, request, region) = (caller_name(record), record.request(), region(record));
    let named = items_at(request, &["features"]).into_iter().filter_map(|feature| {
        Some((text_at(feature, &["name"])?, text_at(feature, &["status"])? == "ENABLED"))
    });
    let old: [(&str, &[&str]); 3] = [
        ("S3_DATA_EVENTS", &["dataSources", "s3Logs", "enable"]),
        ("EKS_AUDIT_LOGS", &["dataSources", "kubernetes", "auditLogs", "enable"]),
        (
            "EBS_MALWARE_PROTECTION",
            &["dataSources", "malwareProtection", "scanEc2InstanceWithFindings", "ebsVolumes"],
        ),
    ];
    let old = old.iter().filter_map(|(name, path)| Some((*name, flag_at(request, path)?)));
    // The administrator account sets it for its members, who cannot themselves.
    let mut accounts = members(record);
    accounts.sort_unstable();
    if accounts.is_empty() && record.event_name.or_empty() == "UpdateMemberDetectors" {
        return Vec::new();
    }
    let whose = match accounts.len() {
        0 => String::new(),
        1 => format!(" of account {}", accounts[0]),
        many => format!(" of {many} accounts"),
    };
    let reports = |(name, on): (&str, bool)| {
        let arn = record.arn("guardduty", "detector");
        let aspect = format!("{name} {}", accounts.join(" "));
        if on {
            return cx.passing(arn, format!("GuardDuty's {name}{whose} is on")).aspect(aspect.trim_end());
        }
        let title = format!("GuardDuty's {name}{whose} is off in {region}, after an update by {who}");
        let id = text_at(request, &["detectorId"]).unwrap_or("DETECTOR_ID");
        let of = Some(accounts.join(", ")).filter(|of| !of.is_empty());
        cx.failing(arn, title)
            .aspect(aspect.trim_end())
            .detail_if("Accounts", of.as_deref())
            .because("GuardDuty no longer looks at this source, if it did before.")
            .detail("Protection", name)
            .step("What is on?", "guardduty get-detector", &[("--detector-id", id), ("--region", region)])
    };
    named.chain(old).map(reports).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn guardduty(event: &str, mut request: Value) -> String {
        request["detectorId"] = json!("d1");
        call(
            "guardduty",
            event,
            json!({"requestParameters": request, "responseElements": {"ipSetId": "i1",
                "trustedEntitySetId": "t1"}}),
        )
    }

    fn undone(bad: &str, good: &str) {
        let (bad, good) = (fired(&GuardDutyBlinded, bad), observe(&GuardDutyBlinded, good));
        assert_eq!(good.len(), 1, "{good:?}");
        assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
    }

    #[test]
    fn fires() {
        let criteria = json!({"criterion": {"severity": {"gte": 1}}});
        let filter = json!({"name": "hush", "action": "ARCHIVE", "findingCriteria": criteria});
        let seen = fires_at(&GuardDutyBlinded, Severity::Medium, &guardduty("CreateFilter", filter));
        assert_eq!(seen.title, "alice has GuardDuty archive findings by filter hush");
        assert!(seen.details.iter().any(|(_, value)| value.contains("severity")));
        let trusted = json!({"name": "office", "activate": true, "location": "s3://bucket/list.txt"});
        fires_at(&GuardDutyBlinded, Severity::High, &guardduty("CreateIPSet", trusted.clone()));
        fires_at(&GuardDutyBlinded, Severity::High, &guardduty("CreateTrustedEntitySet", trusted));
        fires_at(
            &GuardDutyBlinded,
            Severity::Low,
            &guardduty("DeleteThreatIntelSet", json!({"threatIntelSetId": "x"})),
        );
        fires_at(
            &GuardDutyBlinded,
            Severity::Medium,
            &guardduty("DeletePublishingDestination", json!({"destinationId": "x"})),
        );
        let moved = json!({"ipSetId": "i1", "location": "s3://stranger/list.txt"});
        fires_at(&GuardDutyBlinded, Severity::Medium, &guardduty("UpdateIPSet", moved));
        let wider = json!({"filterName": "hush", "findingCriteria": {"criterion": {}}});
        let seen = fires_at(&GuardDutyBlinded, Severity::Medium, &guardduty("UpdateFilter", wider));
        assert_eq!(seen.verdict, Verdict::Unknown);
        for name in ["UpdateThreatEntitySet", "DeleteThreatEntitySet"] {
            let off = json!({"threatEntitySetId": "x", "activate": false});
            fires_at(&GuardDutyBlinded, Severity::Low, &guardduty(name, off));
        }
        let off = json!({"features": [{"name": "RUNTIME_MONITORING", "status": "DISABLED"}]});
        fires_at(&GuardDutyBlinded, Severity::Medium, &guardduty("UpdateDetector", off));
        let old = json!({"dataSources": {"s3Logs": {"enable": false}}});
        fires_at(&GuardDutyBlinded, Severity::Medium, &guardduty("UpdateDetector", old));
    }

    #[test]
    fn a_repair_resolves() {
        let archive = guardduty("UpdateFilter", json!({"filterName": "hush", "action": "ARCHIVE"}));
        undone(&archive, &guardduty("UpdateFilter", json!({"filterName": "hush", "action": "NOOP"})));
        undone(&archive, &guardduty("DeleteFilter", json!({"filterName": "hush"})));
        let trusted = guardduty("CreateIPSet", json!({"name": "office", "activate": "true"}));
        undone(&trusted, &guardduty("UpdateIPSet", json!({"ipSetId": "i1", "activate": false})));
        undone(&trusted, &guardduty("DeleteIPSet", json!({"ipSetId": "i1"})));
        let off = json!({"features": {"name": "S3_DATA_EVENTS", "status": "DISABLED"}});
        let on = json!({"dataSources": {"s3Logs": {"enable": true}}});
        undone(&guardduty("UpdateDetector", off), &guardduty("UpdateDetector", on));
        let of_members = |status: &str, accounts: [&str; 2]| {
            let features = json!([{"name": "S3_DATA_EVENTS", "status": status}]);
            guardduty("UpdateMemberDetectors", json!({"accountIds": accounts, "features": features}))
        };
        let (one, other) = ("444455556666", "777788889999");
        undone(&of_members("DISABLED", [one, other]), &of_members("ENABLED", [other, one]));
        let seen = fired(&GuardDutyBlinded, &of_members("DISABLED", [one, other]));
        assert!(seen.title.contains("S3_DATA_EVENTS of 2 accounts is off"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &GuardDutyBlinded,
            &[
                guardduty("CreateFilter", json!({"name": "mine", "action": "NOOP"})),
                guardduty("UpdateFilter", json!({"filterName": "mine", "description": "x"})),
                guardduty("CreateThreatIntelSet", json!({"activate": true})),
                guardduty("UpdateIPSet", json!({"ipSetId": "i1", "name": "x"})),
                guardduty("UpdateDetector", json!({"enable": false})),
                call(
                    "guardduty",
                    "UpdateMemberDetectors",
                    json!({"requestParameters": {"accountIds": ["444455556666"],
                        "features": [{"name": "S3_DATA_EVENTS", "status": "DISABLED"}]},
                        "responseElements": {"unprocessedAccounts": [{"accountId": "444455556666"}]}}),
                ),
                call("guardduty", "CreateIPSet", json!({"requestParameters": null})),
                call("guardduty", "DeletePublishingDestination", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }

    #[test]
    fn uploads_and_new_accounts_are_looked_at_no_more() {
        let plan =
            asked("guardduty", "DeleteMalwareProtectionPlan", json!({"malwareProtectionPlanId": "p1"}));
        let seen = fires_at(&GuardDutyBlinded, Severity::Medium, &plan);
        assert_eq!(seen.title, "alice deleted GuardDuty's malware protection plan p1");
        let join = |members: Value| asked("guardduty", "UpdateOrganizationConfiguration", members);
        let (none, all) = (
            join(json!({"detectorId": "d", "autoEnableOrganizationMembers": "NONE"})),
            join(json!({"detectorId": "d", "autoEnableOrganizationMembers": "ALL"})),
        );
        let title = "alice has accounts that join the organization get no GuardDuty";
        opens_and_closes(&GuardDutyBlinded, Severity::Medium, (&none, title), &all);
        fires_at(&GuardDutyBlinded, Severity::Medium, &join(json!({"detectorId": "d", "autoEnable": false})));
        quiet(&GuardDutyBlinded, &[join(json!({"detectorId": "d"})), join(json!(null))]);
    }
}
