use super::power;
use crate::event::Record;
use crate::observation::{Observation, Severity};
use crate::rules::{Cx, On, Outcome, Rule, declare_rule};

declare_rule! {
    /// ## What it detects
    /// A policy that forbids was taken away. In IAM: a policy whose name speaks of a guard rail (deny, boundary, guard,
    /// SCP, restrict) was detached or deleted; the rule goes by the name, because a deleted policy can no longer be
    /// read. In Organizations: a policy other than AWS's own FullAWSAccess was detached from an account, a unit or
    /// the root of the organization.
    /// ## Why it matters
    /// A deny beats every grant. Without it, permissions that were there all along begin to work, and no call that
    /// grants anything is ever logged. An organization policy is often the only thing that keeps administrators of a
    /// member account from switching off its logs.
    /// ## What to do
    /// Ask the caller. If it was not meant, attach the policy again, then look at what the holder, or the accounts
    /// under the target, have done since.
    /// ## False positives
    /// Names can mislead: a policy with a guarding name may grant, and a real guard rail may be called anything. Hence
    /// MEDIUM in IAM. Replacing a policy under a new name, and tearing down a stack, look the same. GuardDuty's
    /// policies and names with "unrestricted" are left out, and so are the quarantine policies that AWS attaches to
    /// leaked keys, which have a rule of their own. The event does not say of which kind an organization policy is: tag
    /// and backup policies are reported too.
    GuardrailRemoved {
        id: "admin-guardrail-removed",
        title: "A policy that forbids was taken away",
        severity: Medium,
        confidence: Low,
        catalogue: ["ADM-19"],
        references: ["CIS AWS v3.0 4.15", "CIS AWS v5.0 4.15", "ATT&CK T1562"],
        on: [
            On::Call("iam.amazonaws.com", &[
                "DeletePolicy", "DetachUserPolicy", "DetachGroupPolicy", "DetachRolePolicy",
                "DeleteUserPolicy", "DeleteGroupPolicy", "DeleteRolePolicy",
            ]),
            On::Call("organizations.amazonaws.com", &["DetachPolicy"]),
        ],
    }
}

impl Rule for GuardrailRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let seen = match record.event_source.or_empty() {
            "organizations.amazonaws.com" => from_organization(record, cx),
            _ => from_iam(record, cx),
        };
        if let Some(seen) = seen {
            cx.report(power::stop_caller(seen, record));
        }
        Ok(())
    }
}

fn from_iam(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let managed = record.param(&["policyArn"]);
    let name = managed.and_then(|arn| arn.rsplit('/').next()).or_else(|| record.param(&["policyName"]))?;
    // Identity Center detaches and attaches when it provisions a permission set again.
    if !speaks_of_a_guard_rail(name) || power::by_identity_center(record) {
        return None;
    }
    let why = "The name says that this policy forbids or caps something. What it capped is allowed now, if anything \
               grants it.";
    let who = power::who(record);
    // A managed policy can be deleted only once nobody holds it; everything else is about a holder.
    let (Some((kind, holder)), true) =
        (power::grantee(record), record.event_name.or_empty() != "DeletePolicy")
    else {
        let arn = managed?;
        let title = format!("{who} deleted policy {name}, by its name a guard rail");
        let logs = "AttributeKey=EventName,AttributeValue=DetachRolePolicy";
        return Some(cx.failing(arn, title).because(why).step(
            "From whom was it detached before?",
            "cloudtrail lookup-events --region us-east-1",
            &[("--lookup-attributes", logs)],
        ));
    };
    let kind = kind.as_str();
    let arn = record.iam_arn(kind, holder);
    let title = format!("{who} took policy {name}, by its name a guard rail, away from {kind} {holder}");
    let seen = cx
        .failing(arn, title)
        .aspect(managed.unwrap_or(name))
        .because(why)
        .detail("Policy", managed.unwrap_or(name));
    let option = format!("--{kind}-name");
    Some(match managed {
        Some(policy) => seen.step(
            "Attach it again",
            &format!("iam attach-{kind}-policy"),
            &[(&option, holder), ("--policy-arn", policy)],
        ),
        None => seen.step(
            "What does the holder hold now?",
            &format!("iam list-{kind}-policies"),
            &[(&option, holder)],
        ),
    })
}

/// Whether a policy of this name is likely to forbid. Deliberately narrow: a false alarm here costs trust in the rest.
fn speaks_of_a_guard_rail(name: &str) -> bool {
    let lower = name.to_lowercase().replace("guardduty", "").replace("unrestrict", "");
    let word = |word: &str| lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    ["deny", "boundary", "guard", "restrict"].iter().any(|sign| lower.contains(sign))
        || word("scp")
        || name.contains("SCP")
}

fn from_organization(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let policy = record.param(&["policyId"])?;
    // These two allow everything; taking them away narrows.
    if ["p-FullAWSAccess", "p-RCPFullAWSAccess"].contains(&policy) {
        return None;
    }
    let target = record.param(&["targetId"]).unwrap_or("a target that is not named");
    let what = match target {
        root if root.starts_with("r-") => format!("the whole organization ({root})"),
        unit if unit.starts_with("ou-") => format!("organizational unit {unit}"),
        account => format!("account {account}"),
    };
    let options = [("--policy-id", policy), ("--target-id", target)];
    let seen = cx
        .failing(policy, format!("{} detached organization policy {policy} from {what}", power::who(record)))
        .aspect(target)
        .global()
        .severity(Severity::High)
        .because("What the policy forbade, it no longer forbids there, for everybody, root included.")
        .step("What does it forbid?", "organizations describe-policy", &options[..1])
        .step("Attach it again", "organizations attach-policy", &options);
    Some(seen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rules::testing::*;

    fn detach(of: &str, policy: &str) -> String {
        let parameter = format!("{}Name", of.to_lowercase());
        let parameters = json!({parameter: "deploy", "policyArn": policy});
        call("iam", &format!("Detach{of}Policy"), json!({"requestParameters": parameters}))
    }

    fn organization(policy: &str, target: &str) -> String {
        let parameters = json!({"policyId": policy, "targetId": target});
        call("organizations", "DetachPolicy", json!({"requestParameters": parameters}))
    }

    #[test]
    fn fires() {
        for of in ["User", "Group", "Role"] {
            fires_at(
                &GuardrailRemoved,
                Severity::Medium,
                &detach(of, "arn:aws:iam::111122223333:policy/team/DenyLeavingOrg"),
            );
        }
        fires_at(
            &GuardrailRemoved,
            Severity::Medium,
            &detach("User", "arn:aws-cn:iam::aws:policy/AWSDenyAll"),
        );
        let deleted =
            json!({"requestParameters": {"policyArn": "arn:aws:iam::111122223333:policy/dev-boundary"}});
        let seen = fires_at(&GuardrailRemoved, Severity::Medium, &call("iam", "DeletePolicy", deleted));
        assert_eq!(seen.title, "alice deleted policy dev-boundary, by its name a guard rail");
        let inline = json!({"requestParameters": {"userName": "bob", "policyName": "region-SCP"}});
        let seen = fires_at(&GuardrailRemoved, Severity::Medium, &call("iam", "DeleteUserPolicy", inline));
        assert_eq!(seen.title, "alice took policy region-SCP, by its name a guard rail, away from user bob");
    }

    #[test]
    fn fires_in_an_organization() {
        let seen = fires_at(&GuardrailRemoved, Severity::High, &organization("p-0abc1234", "r-a1b2"));
        assert!(seen.title.contains("the whole organization"), "{}", seen.title);
        fires_at(&GuardrailRemoved, Severity::High, &organization("p-0abc1234", "ou-a1b2-c3d4"));
        fires_at(&GuardrailRemoved, Severity::High, &organization("p-0abc1234", "444455556666"));
    }

    #[test]
    fn stays_quiet() {
        let guard = "arn:aws:iam::111122223333:policy/DenyLeavingOrg";
        let identity_center = json!({
            "requestParameters": {"roleName": "AWSReservedSSO_Admin_1", "policyArn": guard},
            "userIdentity": {"type": "AssumedRole", "sessionContext": {"sessionIssuer": {
                "arn": "arn:aws:iam::111122223333:role/aws-service-role/sso.amazonaws.com/AWSServiceRoleForSSO"}}},
        });
        quiet(
            &GuardrailRemoved,
            &[
                detach("Role", "arn:aws:iam::aws:policy/AmazonGuardDutyFullAccess_v2"),
                detach("Role", "arn:aws:iam::111122223333:policy/UnrestrictedAccess"),
                detach("User", "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"),
                detach("User", "arn:aws:iam::aws:policy/AdministratorAccess"),
                detach("Role", "arn:aws:iam::111122223333:policy/transcPipeline"),
                organization("p-FullAWSAccess", "r-a1b2"),
                organization("p-RCPFullAWSAccess", "r-a1b2"),
                call("iam", "DetachRolePolicy", identity_center),
                call(
                    "iam",
                    "DetachUserPolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
                call(
                    "iam",
                    "DeletePolicy",
                    json!({"errorCode": "DeleteConflict", "requestParameters": {"policyArn": guard}}),
                ),
                call("iam", "DeletePolicy", json!({"requestParameters": {"policyArn": [guard]}})),
                call("iam", "DeleteRolePolicy", json!({"requestParameters": null})),
                call("organizations", "DetachPolicy", json!({"requestParameters": null})),
            ],
        );
    }
}
