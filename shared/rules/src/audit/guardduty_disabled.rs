use keepwatch_core::observation::Verdict;

use super::common::members;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// GuardDuty was deleted or suspended in a region, the account left the administrator account that
    /// watches it, or accounts of the organization were taken out of GuardDuty.
    /// ## Why it matters
    /// GuardDuty is what notices stolen credentials, crypto miners and calls to known bad addresses. It is on
    /// the first page of every intruder's checklist. Deleting the detector also deletes its findings.
    /// ## What to do
    /// Switch it on again, then look at what the caller did in the hours before and after.
    /// ## False positives
    /// Leaving a region for good, closing an account, or moving to another administrator account.
    GuardDutyDisabled {
        id: "audit-guardduty-disabled",
        title: "GuardDuty was switched off",
        severity: High,
        confidence: High,
        catalogue: ["DET-01"],
        references: [security_hub(&["GuardDuty.1"]), attack(&["T1562.001"])],
        on: [On::Call("guardduty.amazonaws.com", &[
            "DeleteDetector", "UpdateDetector", "CreateDetector", "DisassociateFromMasterAccount",
            "DisassociateFromAdministratorAccount", "AcceptInvitation", "AcceptAdministratorInvitation",
            "StopMonitoringMembers", "DeleteMembers", "DisassociateMembers", "StartMonitoringMembers",
                "CreateMembers",
            "DisableOrganizationAdminAccount", "EnableOrganizationAdminAccount",
        ])],
    }
}

impl Rule for GuardDutyDisabled {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, region, request) = (caller_name(record), region(record), record.request());
        // A region has one detector; a new one has another id and must close the finding.
        let arn = record.arn("guardduty", "detector");
        let enable = flag_at(request, &["enable"]);
        let pass = |cx: &Cx<'_>, aspect: &str, title: String| cx.passing(&arn, title).aspect(aspect);
        let observation = match record.event_name.or_empty() {
            "StopMonitoringMembers" | "DeleteMembers" | "DisassociateMembers" => {
                // Each account is a finding of its own: they may come back one by one.
                for id in members(record) {
                    let title = format!("{who} stopped watching account {id} with GuardDuty in {region}");
                    let seen = cx.failing(&arn, title).aspect(id).detail("Account", id);
                    bad(record, cx, seen);
                }
                return Ok(());
            }
            "StartMonitoringMembers" | "CreateMembers" => {
                for id in members(record) {
                    cx.report(pass(cx, id, format!("{who} watches account {id} with GuardDuty")));
                }
                return Ok(());
            }
            "DeleteDetector" => {
                let title = format!("{who} deleted GuardDuty in {region}, findings included");
                cx.failing(&arn, title).aspect("enabled").step(
                    "Switch it on again",
                    "guardduty create-detector --enable",
                    &[("--region", region)],
                )
            }
            "UpdateDetector" if enable == Some(false) => {
                let id = text_at(request, &["detectorId"]).unwrap_or("DETECTOR_ID");
                let fix = [("--detector-id", id), ("--region", region)];
                cx.failing(&arn, format!("{who} suspended GuardDuty in {region}")).aspect("enabled").step(
                    "Switch it on again",
                    "guardduty update-detector --enable",
                    &fix,
                )
            }
            "UpdateDetector" | "CreateDetector" if enable == Some(true) => {
                pass(cx, "enabled", format!("{who} switched GuardDuty on in {region}"))
            }
            "DisassociateFromMasterAccount" | "DisassociateFromAdministratorAccount" => cx
                .failing(
                    &arn,
                    format!(
                        "{who} took this account's GuardDuty in {region} away from its administrator account"
                    ),
                )
                .aspect("administrator"),
            "AcceptInvitation" | "AcceptAdministratorInvitation" => {
                pass(cx, "administrator", format!("{who} put GuardDuty under an administrator account"))
            }
            "DisableOrganizationAdminAccount" => cx
                .failing(
                    &arn,
                    format!("{who} removed the organization's GuardDuty administrator in {region}"),
                )
                .aspect("delegated administrator"),
            "EnableOrganizationAdminAccount" => {
                pass(cx, "delegated administrator", format!("{who} named a GuardDuty administrator"))
            }
            _ => return Ok(()),
        };
        if observation.verdict == Verdict::Passing {
            cx.report(observation);
        } else {
            bad(record, cx, observation);
        }
        Ok(())
    }
}

fn bad(record: &Record<'_>, cx: &mut Cx<'_>, seen: Observation) {
    let seen = seen
        .because("What GuardDuty would have noticed from now on, nobody notices.")
        .detail_if("Detector", text_at(record.request(), &["detectorId"]))
        .step("Which detectors are there?", "guardduty list-detectors", &[("--region", region(record))]);
    cx.report(stop_caller(tempered_to(cx, Severity::Medium, seen), record));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn guardduty(event: &str, request: Value) -> String {
        call("guardduty", event, json!({"requestParameters": request}))
    }

    fn undone(bad: &str, good: &str) {
        let (bad, good) =
            (fires_at(&GuardDutyDisabled, Severity::High, bad), observe(&GuardDutyDisabled, good));
        assert_eq!(good.len(), 1);
        assert_eq!((good[0].verdict, good[0].finding_id()), (Verdict::Passing, bad.finding_id()));
    }

    #[test]
    fn fires_until_it_is_undone() {
        let id = "12abc34d567e8fa901bc2d34eexample";
        let delete = guardduty("DeleteDetector", json!({"detectorId": id}));
        let suspend = guardduty("UpdateDetector", json!({"detectorId": id, "enable": "false"}));
        undone(&delete, &guardduty("CreateDetector", json!({"enable": true})));
        undone(&suspend, &guardduty("UpdateDetector", json!({"detectorId": id, "enable": true})));
        let members =
            |event: &str| guardduty(event, json!({"detectorId": id, "accountIds": ["444455556666"]}));
        undone(&members("StopMonitoringMembers"), &members("StartMonitoringMembers"));
        let created = json!({"detectorId": id, "accountDetails": [{"accountId": "444455556666",
            "email": "a@example.com"}]});
        undone(&members("DeleteMembers"), &guardduty("CreateMembers", created));
        undone(
            &guardduty("DisassociateFromMasterAccount", json!({"detectorId": id})),
            &guardduty("AcceptAdministratorInvitation", json!({"detectorId": id})),
        );
        undone(
            &guardduty("DisableOrganizationAdminAccount", json!({"adminAccountId": "444455556666"})),
            &guardduty("EnableOrganizationAdminAccount", json!({"adminAccountId": "444455556666"})),
        );
    }

    #[test]
    fn titles_have_names() {
        let one = json!({"accountIds": ["444455556666"]});
        let seen = fires_at(&GuardDutyDisabled, Severity::High, &guardduty("DisassociateMembers", one));
        assert_eq!(seen.title, "alice stopped watching account 444455556666 with GuardDuty in us-east-1");
        let seen = fired(&GuardDutyDisabled, &guardduty("DeleteDetector", json!(null)));
        assert_eq!(seen.title, "alice deleted GuardDuty in us-east-1, findings included");
    }

    #[test]
    fn each_member_is_a_finding_unless_it_was_refused() {
        let many = json!({"accountIds": ["444455556666", "777788889999"]});
        let gone = observe(&GuardDutyDisabled, &guardduty("DeleteMembers", many.clone()));
        assert_eq!(gone.len(), 2);
        // They come back one by one.
        let back = json!({"accountDetails": [{"accountId": "777788889999", "email": "a@example.com"}]});
        let back = observe(&GuardDutyDisabled, &guardduty("CreateMembers", back));
        assert_eq!((back[0].verdict, back[0].finding_id()), (Verdict::Passing, gone[1].finding_id()));
        let refused = json!({"requestParameters": many, "responseElements": {"unprocessedAccounts": [
            {"accountId": "444455556666", "result": "The request was rejected."}]}});
        let seen = fired(&GuardDutyDisabled, &call("guardduty", "DisassociateMembers", refused));
        assert!(seen.title.contains("777788889999"), "{}", seen.title);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &GuardDutyDisabled,
            &[
                guardduty("UpdateDetector", json!({"findingPublishingFrequency": "ONE_HOUR"})),
                guardduty("CreateDetector", json!({"enable": false})),
                guardduty("DeleteMembers", json!({"accountIds": []})),
                guardduty("StartMonitoringMembers", json!(null)),
                call("guardduty", "DeleteDetector", json!({"errorCode": "AccessDenied"})),
            ],
        );
    }
}
