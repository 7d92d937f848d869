use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A stack set was made, rolled out to other accounts, or given another template (medium). Rolled out to the own
    /// account alone, or by a service of AWS's such as Control Tower, it is low. Deleting the stack set settles the
    /// finding.
    /// ## Why it matters
    /// A stack set acts in every account that it is rolled out to, by a role that is administrator there unless somebody
    /// has limited it. One call makes users, roles and functions in all of them.
    /// ## What to do
    /// Read the template and the accounts. If nobody knows the stack set, stop its operations, and take its stacks out of
    /// the accounts again.
    /// ## False positives
    /// The team that runs the organization's baseline. The same caller on the same stack set is one finding, mailed again
    /// only when somebody else does it.
    StackSetRolledOut {
        id: "organization-stack-set",
        title: "A stack set acts in many accounts",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ORG-10"],
        references: [
            attack(&["T1648"]),
            attack(&["T1098"]),
            doc(&["AWS CloudFormation user guide: StackSets concepts, Prerequisites for using StackSets"]),
        ],
        on: [On::Call("cloudformation.amazonaws.com", &[
            "CreateStackSet", "UpdateStackSet", "CreateStackInstances", "DeleteStackSet",
        ])],
        repeat_hours: 720,
    }
}

impl Rule for StackSetRolledOut {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(given) = record.param(&["stackSetName"]) else { return Ok(()) };
        // Calls name a stack set by its name, its id (the name and a random part), or its ARN.
        let given = last_part_of_set(given);
        let name = given.split(':').next().unwrap_or(given);
        let (who, arn) = (caller_name(record), record.arn("cloudformation", &format!("stackset/{name}")));
        let request = record.request();
        let accounts =
            [texts_at(request, &["accounts"]), texts_at(request, &["deploymentTargets", "accounts"])]
                .concat();
        let units = texts_at(request, &["deploymentTargets", "organizationalUnitIds"]);
        let others = accounts.iter().filter(|account| **account != record.account()).count();
        let whither = match (units.len(), others) {
            (0, 0) if accounts.is_empty() => "accounts that the event does not name".to_owned(),
            (0, 0) => "its own account".to_owned(),
            (0, 1) => "another account".to_owned(),
            (0, others) => format!("{others} other accounts"),
            (_, _) => format!("organizational units {}", units.join(", ")),
        };
        let (severity, did) = match record.event_name.or_empty() {
            "DeleteStackSet" => {
                cx.report(cx.passing(arn, format!("{who} deleted stack set {name}")));
                return Ok(());
            }
            "CreateStackSet" => (Severity::Medium, format!("made stack set {name}")),
            "UpdateStackSet"
                if ["templateBody", "templateURL"].iter().all(|key| record.param(&[key]).is_none()) =>
            {
                return Ok(());
            }
            "UpdateStackSet" => (Severity::Medium, format!("gave stack set {name} another template")),
            _ => {
                let own = units.is_empty() && others == 0 && !accounts.is_empty();
                let severity = if own { Severity::Low } else { Severity::Medium };
                (severity, format!("rolled stack set {name} out to {whither}"))
            }
        };
        let service = record.user_identity.invoked_by.get();
        let severity = if service.is_some() { Severity::Low } else { severity };
        let set = [region_option(record), ("--stack-set-name", name)];
        let seen = cx
            .failing(arn, format!("{who} {did}"))
            .severity(severity)
            .because("What the template makes is made in each account by a role that may do anything there.")
            .detail_if("Accounts", Some(accounts.join(", ")).filter(|list| !list.is_empty()).as_deref())
            .detail_if("Administration role", record.param(&["administrationRoleARN"]))
            .detail_if("Execution role", record.param(&["executionRoleName"]))
            .detail_if("For", service)
            .step("What does the template make?", "cloudformation describe-stack-set", &set)
            .step("Where does it act?", "cloudformation list-stack-instances", &set);
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// What follows `stackset/` in an ARN.
fn last_part_of_set(given: &str) -> &str {
    given.rsplit_once("stackset/").map_or(given, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn event(name: &str, more: Value) -> String {
        let mut request = json!({"stackSetName": "base"});
        if let (Some(request), Value::Object(more)) = (request.as_object_mut(), more) {
            request.extend(more);
        }
        call("cloudformation", name, json!({"requestParameters": request}))
    }

    fn rolled_out(more: Value) -> String {
        event("CreateStackInstances", more)
    }

    #[test]
    fn fires() {
        let made = fires_at(&StackSetRolledOut, Severity::Medium, &event("CreateStackSet", json!({})));
        assert_eq!(made.title, "alice made stack set base");
        let other = rolled_out(json!({"accounts": ["444455556666"], "regions": ["us-east-1"]}));
        let other = fires_at(&StackSetRolledOut, Severity::Medium, &other);
        assert_eq!(other.title, "alice rolled stack set base out to another account");
        assert_eq!(other.finding_id(), made.finding_id());
        let units = json!({"deploymentTargets": {"organizationalUnitIds": ["ou-ab12-prod", "r-ab12"]}});
        let units = fires_at(&StackSetRolledOut, Severity::Medium, &rolled_out(units));
        assert!(units.title.ends_with("organizational units ou-ab12-prod, r-ab12"), "{}", units.title);
        fires_at(&StackSetRolledOut, Severity::Low, &rolled_out(json!({"accounts": [ACCOUNT]})));
        fires_at(&StackSetRolledOut, Severity::Medium, &rolled_out(json!({})));
        let template = json!({"templateURL": "https://s3.amazonaws.com/b/t.yaml"});
        fires_at(&StackSetRolledOut, Severity::Medium, &event("UpdateStackSet", template));
        let tower = event("CreateStackSet", json!({}))
            .replace("\"userIdentity\":{", "\"userIdentity\":{\"invokedBy\":\"controltower.amazonaws.com\",");
        fires_at(&StackSetRolledOut, Severity::Low, &tower);
    }

    #[test]
    fn deleting_it_settles_it() {
        let open = fired(&StackSetRolledOut, &event("CreateStackSet", json!({})));
        let id = "arn:aws:cloudformation:us-east-1:111122223333:stackset/base:0f0a";
        for name in ["base", "base:0f0a", id] {
            let gone = observe(&StackSetRolledOut, &event("DeleteStackSet", json!({"stackSetName": name})));
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &StackSetRolledOut,
            &[
                event("UpdateStackSet", json!({"usePreviousTemplate": true, "description": "x"})),
                call("cloudformation", "CreateStackSet", json!({"requestParameters": null})),
                failed_call(
                    "cloudformation",
                    "CreateStackSet",
                    "AccessDenied",
                    json!({"requestParameters": {"stackSetName": "base"}}),
                ),
            ],
        );
    }
}
