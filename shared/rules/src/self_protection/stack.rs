use serde_json::Value;

use super::common::{Deployer, FORWARDER, FORWARDER_ROLE, deployments_by, is_ours, name_of_stack};
use super::own_policy::home_of_forwarder;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Keepwatch's CloudFormation stack was deleted, deployed again or rolled back, a change set for it was made, its
    /// resources are to move to another stack, or its protection against deletion was taken away. The change set
    /// counts as a deployment: whoever executes it by its ARN alone leaves no stack's name in the event.
    /// The same of the forwarder in another region.
    /// ## Why it matters
    /// Whoever may deploy the stack decides what Keepwatch sees. Deleting it is the quickest way to be rid of
    /// it: this mail may be the last one. Without its forwarder nothing of a region is heard.
    /// ## What to do
    /// If nobody of you deployed, look at the stack's events and template, and deploy again from code that
    /// you trust.
    /// ## False positives
    /// Your own deployments: one mail each, which says that a deployment took place. After an installation, and
    /// after an update from a version that did not listen for deployments, one more: that CloudFormation changed
    /// Keepwatch's resources and no deployment had been heard. A service role that no call names is not known: name it by
    /// `--role-arn` with each deployment, or each change is told by itself. `make undeploy-regions`: one mail for each region,
    /// whose silence is not told again.
    Stack {
        id: "self-stack-changed",
        title: "Keepwatch's stack was deployed again or deleted",
        severity: Medium,
        confidence: High,
        catalogue: ["SELF-05"],
        references: [attack(&["T1562.001"])],
        on: [On::Call("cloudformation.amazonaws.com", &[
            "DeleteStack", "CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet", "CancelUpdateStack",
            "RollbackStack", "ContinueUpdateRollback", "CreateStackRefactor", "CreateStackSet", "ImportStacksToStackSet",
            "UpdateTerminationProtection", "SetStackPolicy",
        ])],
        repeat_hours: 1,
    }
}

impl Rule for Stack {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, request) = (caller_name(record), record.request());
        let own =
            |name: &&str| !cx.config.stack.is_empty() && (*name == cx.config.stack || is_ours(cx, name));
        let Some(name) = stacks(request).into_iter().find(own) else { return Ok(()) };
        if is_part(record, cx, name) {
            remember(record, cx)?;
        }
        let arn = record.arn("cloudformation", &format!("stack/{name}"));
        let elsewhere = is_forwarder(record, cx, name);
        let (aspect, severity, title) = match record.event_name.or_empty() {
            "DeleteStack" if elsewhere => (
                "stack",
                Severity::High,
                format!("{who} deletes Keepwatch's forwarder in {}: stack {name}", region(record)),
            ),
            "DeleteStack" => ("stack", Severity::Critical, format!("{who} deletes Keepwatch: stack {name}")),
            "UpdateTerminationProtection"
                if flag_at(request, &["enableTerminationProtection"]) == Some(true) =>
            {
                cx.report(cx.passing(arn, format!("{who} protected stack {name}")).aspect("protection"));
                return Ok(());
            }
            "UpdateTerminationProtection" => (
                "protection",
                Severity::High,
                format!("{who} took away the deletion protection of Keepwatch's stack {name}"),
            ),
            "SetStackPolicy" => {
                ("policy", Severity::Medium, format!("{who} changed the policy of Keepwatch's stack {name}"))
            }
            "ImportStacksToStackSet" | "CreateStackSet" => (
                "refactor",
                Severity::High,
                format!("{who} is putting Keepwatch's stack {name} into a stack set"),
            ),
            "CreateStackRefactor" => (
                "refactor",
                Severity::High,
                format!("{who} is moving resources between Keepwatch's stack {name} and another"),
            ),
            "CreateChangeSet" => (
                "deployment",
                Severity::Medium,
                format!("{who} prepared a deployment of Keepwatch: stack {name}"),
            ),
            "CancelUpdateStack" | "RollbackStack" | "ContinueUpdateRollback" => {
                ("deployment", Severity::Medium, format!("{who} rolled Keepwatch back: stack {name}"))
            }
            _ => ("deployment", Severity::Medium, format!("Keepwatch was redeployed by {who}: stack {name}")),
        };
        let at = [("--stack-name", name), ("--region", region(record))];
        if elsewhere && record.event_name.or_empty() == "CreateStack" {
            cx.report(
                cx.passing(&arn, format!("{who} deploys Keepwatch's forwarder again: stack {name}"))
                    .aspect("stack"),
            );
        }
        let mut seen = cx
            .failing(arn, title)
            .severity(severity)
            .aspect(aspect)
            .because(match aspect {
                "stack" if elsewhere => {
                    "Without it nothing of the region is heard. If this was you running make undeploy-regions, nothing is to do; \
                     that the region is silent is not told again."
                }
                _ => "The stack is Keepwatch: its rules, functions, tables and topics.",
            })
            .detail("Stack", name)
            .detail_if("Template", text_at(request, &["templateURL"]))
            .step("What was changed, and when?", "cloudformation describe-stack-events", &at);
        if aspect == "protection" {
            let fix = "cloudformation update-termination-protection --enable-termination-protection";
            seen = seen.step("Protect it again", fix, &at);
        }
        // A pipeline that the owner listed may deploy unheard; it may not delete. A user agent proves nothing here: the
        // AWS CLI itself speaks of CloudFormation in its own.
        let known = cx.automation() == Some(Automation::Listed);
        let seen = if aspect == "deployment" && known { cx.tempered(seen) } else { seen };
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

/// Whether the stack is Keepwatch's own: the home stack, the forwarder of another region, or the role of all forwarders.
fn is_part(record: &Record<'_>, cx: &Cx<'_>, name: &str) -> bool {
    match name.strip_prefix(cx.config.stack.as_str()) {
        Some("" | FORWARDER_ROLE) => true,
        _ => is_forwarder(record, cx, name),
    }
}

/// Whether the stack is the forwarder of another region. At home there is none: whoever makes one there may not explain changes
/// by it.
fn is_forwarder(record: &Record<'_>, cx: &Cx<'_>, name: &str) -> bool {
    name.strip_prefix(cx.config.stack.as_str()) == Some(FORWARDER) && home_of_forwarder(record, cx).is_some()
}

/// The calls that have CloudFormation change resources. A change set that is only made changes none.
const DEPLOYS: [&str; 6] = [
    "CreateStack",
    "UpdateStack",
    "ExecuteChangeSet",
    "CancelUpdateStack",
    "RollbackStack",
    "ContinueUpdateRollback",
];

/// Counts a deployment of Keepwatch's own stack, so that what CloudFormation then changes can be told from what it does for
/// another stack.
fn remember(record: &Record<'_>, cx: &Cx<'_>) -> Outcome {
    let mut deployers = Vec::new();
    if DEPLOYS.contains(&record.event_name.or_empty()) {
        deployers.extend([Deployer::Caller(acting_principal(record)), Deployer::Anybody]);
    }
    let role = text_at(record.request(), &["roleARN"]);
    if record.event_name.or_empty() == "DeleteStack" {
        // CloudFormation then acts as the caller, or as the role that the call names.
        deployers.extend([Some(acting_principal(record)), role].into_iter().flatten().map(Deployer::Remover));
    }
    deployers.extend(role.map(Deployer::Role));
    for deployer in deployers {
        cx.count(&deployments_by(record, cx, &deployer), TEN_MINUTES)?;
    }
    Ok(())
}

/// The names of the stacks that the call is about, from names or `arn:…:stack/NAME/ID`; none where only a change set is
/// named.
fn stacks(request: &Value) -> Vec<&str> {
    let mut given: Vec<&str> = text_at(request, &["stackName"]).into_iter().collect();
    given.extend(
        items_at(request, &["stackDefinitions"]).into_iter().filter_map(|one| text_at(one, &["stackName"])),
    );
    given.extend(texts_at(request, &["stackIds"]));
    given.extend(text_at(request, &["stackId"]));
    for moved in items_at(request, &["resourceMappings"]) {
        given.extend(["source", "destination"].iter().filter_map(|end| text_at(moved, &[end, "stackName"])));
    }
    given.into_iter().map(name_of_stack).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    fn cloudformation(event: &str, request: Value) -> String {
        call("cloudformation", event, json!({"requestParameters": request}))
    }

    fn protection(on: bool) -> String {
        cloudformation(
            "UpdateTerminationProtection",
            json!({"stackName": "keepwatch", "enableTerminationProtection": on}),
        )
    }

    #[test]
    fn fires() {
        let id = "arn:aws:cloudformation:us-east-1:111122223333:stack/keepwatch/a38e6a60-b397-11e3-b0fc-08002755629e";
        let deploy = json!({"stackName": "keepwatch", "changeSetName": "samcli-deploy1"});
        let seen = fires_at(&Stack, Severity::Medium, &cloudformation("ExecuteChangeSet", deploy));
        assert_eq!(seen.title, "Keepwatch was redeployed by alice: stack keepwatch");
        let again =
            fires_at(&Stack, Severity::Medium, &cloudformation("UpdateStack", json!({"stackName": id})));
        assert_eq!(again.finding_id(), seen.finding_id());
        let prepared = fires_at(
            &Stack,
            Severity::Medium,
            &cloudformation("CreateChangeSet", json!({"stackName": id, "changeSetName": "x"})),
        );
        assert_eq!(prepared.finding_id(), seen.finding_id());
        for agent in ["HashiCorp Terraform/1.9", "aws-cli/2.15.30 md/command#cloudformation.update-stack"] {
            let request = json!({"userAgent": agent, "requestParameters": {"stackName": "keepwatch"}});
            fires_at(&Stack, Severity::Medium, &call("cloudformation", "UpdateStack", request));
        }
        fires_at(&Stack, Severity::Critical, &cloudformation("DeleteStack", json!({"stackName": id})));
        fires_at(
            &Stack,
            Severity::Critical,
            &cloudformation("DeleteStack", json!({"stackName": "keepwatch-forward"})),
        );
        fires_at(
            &Stack,
            Severity::Medium,
            &cloudformation("SetStackPolicy", json!({"stackName": "keepwatch"})),
        );
        for event in ["CreateStack", "RollbackStack", "ContinueUpdateRollback", "CancelUpdateStack"] {
            let seen =
                fires_at(&Stack, Severity::Medium, &cloudformation(event, json!({"stackName": "keepwatch"})));
            assert_eq!(seen.finding_id(), again.finding_id(), "{event}");
        }
        let moved = json!({"resourceMappings": [{"source": {"stackName": id, "logicalResourceId": "IntakeQueue"},
            "destination": {"stackName": "shop", "logicalResourceId": "Queue"}}]});
        fires_at(&Stack, Severity::High, &cloudformation("CreateStackRefactor", moved));
        let defined = json!({"stackDefinitions": [{"stackName": "shop"}, {"stackName": "keepwatch"}]});
        fires_at(&Stack, Severity::High, &cloudformation("CreateStackRefactor", defined));
        let imported = json!({"stackSetName": "all", "stackIds": [id]});
        fires_at(&Stack, Severity::High, &cloudformation("ImportStacksToStackSet", imported));
        let made = json!({"stackSetName": "all", "stackId": id});
        fires_at(&Stack, Severity::High, &cloudformation("CreateStackSet", made));
        // A stack that deploys this one proves nothing about who wants it.
        let nested = json!({"requestParameters": {"stackName": "keepwatch"},
            "userIdentity": {"invokedBy": "cloudformation.amazonaws.com"}});
        fires_at(&Stack, Severity::Medium, &call("cloudformation", "UpdateStack", nested));
        let off = fires_at(&Stack, Severity::High, &protection(false));
        let on = observe(&Stack, &protection(true));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
    }

    #[test]
    fn the_forwarder_of_a_region_goes_with_one_mail_and_comes_back() {
        let there = |event: &str, region: &str| {
            let request = json!({"stackName": "keepwatch-forwarder"});
            call("cloudformation", event, json!({"requestParameters": request, "awsRegion": region}))
        };
        let gone = fires_at(&Stack, Severity::High, &there("DeleteStack", "eu-west-1"));
        assert_eq!(gone.title, "alice deletes Keepwatch's forwarder in eu-west-1: stack keepwatch-forwarder");
        assert!(gone.reason.contains("make undeploy-regions"), "{gone:?}");
        // What a sweep and a scan look for.
        let home = keepwatch_core::posture::forwarders::Home {
            partition: "aws",
            account: ACCOUNT,
            region: "us-east-1",
            stack: "keepwatch",
        };
        assert_eq!(gone.finding_id(), home.removal("eu-west-1"));
        let back = observe(&Stack, &there("CreateStack", "eu-west-1"));
        assert!(
            back.iter().any(|one| one.verdict == Verdict::Passing && one.finding_id() == gone.finding_id()),
            "{back:?}"
        );
        fires_at(&Stack, Severity::Medium, &there("UpdateStack", "eu-west-1"));
        // At home there is no forwarder: the name alone makes nothing less bad.
        fires_at(&Stack, Severity::Critical, &there("DeleteStack", "us-east-1"));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &Stack,
            &[
                cloudformation("DeleteStack", json!({"stackName": "shop"})),
                cloudformation("DeleteStack", json!({"stackName": "keepwatcher"})),
                cloudformation("CreateChangeSet", json!({"stackName": "shop"})),
                cloudformation("DeleteStack", json!(null)),
                call(
                    "cloudformation",
                    "DeleteStack",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"stackName": "keepwatch"}}),
                ),
            ],
        );
    }
}
