use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A policy that forbids was taken away. In IAM: a policy with a word for a guard rail in its name (deny, boundary,
    /// guard, SCP, restrict) was detached or deleted; the rule goes by the name, because a deleted policy can no longer
    /// be read. In Organizations: a policy other than AWS's own FullAWSAccess was detached from an account, a unit or
    /// the root of the organization, was rewritten or deleted, or control policies were switched off altogether. Or an
    /// account was moved to another unit, where other policies hold: low out of the root, where new accounts begin. In
    /// Control Tower: a control or a baseline was switched off, or the landing zone is taken apart. In
    /// AWS Sign-In: a statement of the policy that says from where people may sign in was deleted, or the policy was
    /// switched off. GuardDuty's policies and names with "unrestricted" are left out, and so are the quarantine
    /// policies that AWS attaches to leaked keys, which have a rule of their own. Detaching and deleting do not say of
    /// which kind an organization policy is: tag and backup policies are reported too.
    /// ## Why it matters
    /// A deny beats every grant. Without it, permissions that were there all along begin to work, and no call that
    /// grants anything is ever logged. An organization policy is often the only thing that keeps administrators of a
    /// member account from switching off its logs.
    /// ## What to do
    /// Ask the caller. If it was not meant, attach the policy again, then look at what the holder, or the accounts
    /// under the target, have done since.
    /// ## False positives
    /// Names can mislead: a policy with a guarding name may grant, and a real guard rail may be called anything. Hence
    /// MEDIUM in IAM. Replacing a policy under a new name, and tearing down a stack, look the same. A rewritten policy
    /// may as well forbid more than before. A statement on sign-ins that is replaced by a better one looks the same as
    /// one that is taken away.
    GuardrailRemoved {
        id: "admin-guardrail-removed",
        title: "A policy that forbids was taken away",
        severity: Medium,
        confidence: Low,
        catalogue: ["ADM-19", "ORG-02"],
        references: [cis("3.0", &["4.15"]), cis("5.0", &["4.15"]), attack(&["T1562"])],
        on: [
            On::Call("iam.amazonaws.com", &[
                "DeletePolicy", "DetachUserPolicy", "DetachGroupPolicy", "DetachRolePolicy",
                "DeleteUserPolicy", "DeleteGroupPolicy", "DeleteRolePolicy",
            ]),
            On::Call("organizations.amazonaws.com", &[
                "DetachPolicy", "UpdatePolicy", "DeletePolicy", "DisablePolicyType", "MoveAccount",
            ]),
            On::Call("controltower.amazonaws.com", &[
                "DisableControl", "EnableControl", "DisableBaseline", "DeleteLandingZone",
            ]),
            On::Call("signin.amazonaws.com", &[
                "DeleteResourcePermissionStatement", "DeleteConsoleAuthorizationConfiguration",
                "PutConsoleAuthorizationConfiguration",
            ]),
        ],
    }
}

impl Rule for GuardrailRemoved {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let seen = match record.event_source.or_empty() {
            "organizations.amazonaws.com" => from_organization(record, cx),
            "signin.amazonaws.com" => Some(from_sign_in(record, cx)),
            "controltower.amazonaws.com" => from_control_tower(record, cx),
            _ => from_iam(record, cx),
        };
        if let Some(seen) = seen {
            cx.report(stop_caller(seen, record));
        }
        Ok(())
    }
}

/// Controls of Control Tower, each of which keeps the accounts of a unit from something or watches for it.
fn from_control_tower(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let who = caller_name(record);
    let (resource, title) = match record.event_name.or_empty() {
        "DeleteLandingZone" => {
            let zone = record.param(&["landingZoneIdentifier"])?;
            (zone, format!("{who} is taking the landing zone of Control Tower apart"))
        }
        "DisableBaseline" => {
            let baseline = record.param(&["enabledBaselineIdentifier"])?;
            (baseline, format!("{who} switched off a baseline of Control Tower"))
        }
        event => {
            let (control, target) =
                (record.param(&["controlIdentifier"])?, record.param(&["targetIdentifier"])?);
            let name = last_part(control);
            if event == "EnableControl" {
                let title = format!("{who} switched on control {name} of Control Tower");
                return Some(cx.passing(target, title).global().aspect(control));
            }
            let title =
                format!("{who} switched off control {name} of Control Tower for {}", last_part(target));
            return Some(
                cx.failing(target, title)
                    .global()
                    .aspect(control)
                    .because("What the control kept from happening, or watched for, is as the accounts like from now on.")
                    .step(
                        "Switch it on again",
                        "controltower enable-control",
                        &[region_option(record), ("--control-identifier", control), ("--target-identifier", target)],
                    ),
            );
        }
    };
    let seen = cx.failing(resource, title).global();
    Some(seen.because("The controls that it set on the accounts go with it.").step(
        "What is left?",
        "controltower list-enabled-controls",
        &[region_option(record)],
    ))
}

/// The account's policy on who may sign in from where (AWS Sign-In user guide, "Controlling console access").
fn from_sign_in(record: &Record<'_>, cx: &Cx<'_>) -> Observation {
    let (who, policy) = (caller_name(record), "console sign-in policy");
    match (record.event_name.or_empty(), record.param(&["statementId"])) {
        ("PutConsoleAuthorizationConfiguration", _) => {
            cx.passing(policy, format!("{who} had the console sign-in policy evaluated"))
        }
        ("DeleteResourcePermissionStatement", statement) => {
            let seen =
                cx.failing(policy, format!("{who} took a statement out of the console sign-in policy"));
            seen.aspect(statement.unwrap_or("a statement"))
        }
        _ => cx.failing(policy, format!("{who} switched the console sign-in policy off")),
    }
    .global()
    .because("What it kept from signing in, from whatever network, may sign in now.")
    .step("What is left of it?", "signin get-resource-policy", &[("--region", "us-east-1")])
}

fn from_iam(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let managed = record.param(&["policyArn"]);
    let name = managed.and_then(|arn| arn.rsplit('/').next()).or_else(|| record.param(&["policyName"]))?;
    // Identity Center detaches and attaches when it provisions a permission set again.
    if !speaks_of_a_guard_rail(name) || by_identity_center(record) {
        return None;
    }
    let why = "The name says that this policy forbids or caps something. What it capped is allowed now, if anything \
               grants it.";
    let who = caller_name(record);
    // A managed policy can be deleted only once nobody holds it; everything else is about a holder.
    let (Some((kind, holder)), true) =
        (power::grantee(record), record.event_name.or_empty() != "DeletePolicy")
    else {
        let arn = managed?;
        let title = format!("{who} deleted policy {name}, by its name a guard rail");
        let logs = "AttributeKey=EventName,AttributeValue=DetachRolePolicy";
        let ask = "From whom was it detached before?";
        return Some(cx.failing(arn, title).because(why).look_back(ask, region(record), logs));
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

/// Words that guard rails are called by.
const SIGNS: [&str; 13] = [
    "deny",
    "denies",
    "boundary",
    "boundaries",
    "guard",
    "guardrail",
    "guardrails",
    "restrict",
    "restricts",
    "restricted",
    "restriction",
    "restrictions",
    "scp",
];

/// Whether a policy of this name is likely to forbid. Deliberately narrow: a false alarm here costs trust in the rest.
fn speaks_of_a_guard_rail(name: &str) -> bool {
    let words = words(name);
    let sign = |(i, word): (usize, &String)| {
        // GuardDuty is a service.
        SIGNS.contains(&word.as_str())
            && words.get(i + 1).is_none_or(|next| word != "guard" || next != "duty")
    };
    words.iter().enumerate().any(sign)
}

/// The words of a name, in lower case: `AWSDenyAll_v2` is `aws`, `deny`, `all` and `v`.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (i, c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let ends_capitals = || chars.get(i + 1).is_some_and(|next| next.is_lowercase());
        let starts = c.is_uppercase() && before.is_some_and(|b| b.is_lowercase() || ends_capitals());
        if starts || !c.is_alphabetic() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphabetic(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

fn from_organization(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    const CONTROL: [&str; 2] = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"];
    let (who, event) = (caller_name(record), record.event_name.or_empty());
    let high = |seen: Observation| seen.global().severity(Severity::High);
    if event == "DisablePolicyType" {
        let kind = record.param(&["policyType"]).filter(|kind| CONTROL.contains(kind))?;
        let root = record.param(&["rootId"]).unwrap_or("r-UNKNOWN");
        let title = format!("{who} switched off every {kind} of the organization ({root})");
        return Some(
            high(cx.failing(root, title))
                .aspect(kind)
                .because("All policies of this type are detached at once; switching the type on again attaches none.")
                .step(
                    "Switch it on again, then attach the policies again",
                    "organizations enable-policy-type",
                    &[("--root-id", root), ("--policy-type", kind)],
                ),
        );
    }
    if event == "MoveAccount" {
        return moved(record, cx);
    }
    let policy = record.param(&["policyId"])?;
    // These two allow everything; taking them away narrows.
    if ["p-FullAWSAccess", "p-RCPFullAWSAccess"].contains(&policy) {
        return None;
    }
    let describe = [("--policy-id", policy)];
    if event != "DetachPolicy" {
        let kind = record.response_text(&["policy", "policySummary", "type"]);
        let did = match event {
            "DeletePolicy" => "deleted",
            // A new name or description changes nothing.
            _ if record.param(&["content"]).is_none()
                || kind.is_some_and(|kind| !CONTROL.contains(&kind)) =>
            {
                return None;
            }
            _ => "rewrote",
        };
        let seen = high(cx.failing(policy, format!("{who} {did} organization policy {policy}"))).because(
            "What the policy forbade before, it may no longer forbid, for everybody, root included.",
        );
        let seen = match event {
            "DeletePolicy" => seen,
            _ => seen.step("What does it forbid now?", "organizations describe-policy", &describe),
        };
        return Some(seen.look_back(
            "What did it forbid before? The call that wrote it",
            region(record),
            &lookup("ResourceName", policy),
        ));
    }
    let target = record.param(&["targetId"]).unwrap_or("a target that is not named");
    let what = match target {
        root if root.starts_with("r-") => format!("the whole organization ({root})"),
        unit if unit.starts_with("ou-") => format!("organizational unit {unit}"),
        account => format!("account {account}"),
    };
    Some(
        high(cx.failing(policy, format!("{who} detached organization policy {policy} from {what}")))
            .aspect(target)
            .because("What the policy forbade, it no longer forbids there, for everybody, root included.")
            .step("What does it forbid?", "organizations describe-policy", &describe)
            .step("Attach it again", "organizations attach-policy", &[describe[0], ("--target-id", target)]),
    )
}

/// An account that was moved is bound by the policies of its new place, and no longer by those of the old.
fn moved(record: &Record<'_>, cx: &Cx<'_>) -> Option<Observation> {
    let account = record.param(&["accountId"])?;
    let from = record.param(&["sourceParentId"]).unwrap_or("a place that is not named");
    let to = record.param(&["destinationParentId"]).unwrap_or("a place that is not named");
    let place = |id: &str| if id.starts_with("r-") { format!("the root ({id})") } else { id.to_owned() };
    // Accounts begin in the root, where the fewest policies hold.
    let severity = if from.starts_with("r-") { Severity::Low } else { Severity::Medium };
    let title =
        format!("{} moved account {account} from {} to {}", caller_name(record), place(from), place(to));
    let seen = cx
        .failing(account, title)
        .global()
        .severity(severity)
        .aspect("place in the organization")
        .because("What the policies of the old place forbade is allowed, unless those of the new one forbid it too.")
        .step(
            "Which policies hold in the new place? (and SERVICE_CONTROL_POLICY of each place above it)",
            "organizations list-policies-for-target --filter SERVICE_CONTROL_POLICY",
            &[("--target-id", to)],
        )
        .step("Move it back", "organizations move-account", &[
            ("--account-id", account),
            ("--source-parent-id", to),
            ("--destination-parent-id", from),
        ]);
    Some(cx.tempered(seen))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

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
    fn fires_when_an_organization_policy_is_rewritten_or_switched_off() {
        let organizations =
            |event: &str, request| call("organizations", event, json!({"requestParameters": request}));
        let update = organizations("UpdatePolicy", json!({"policyId": "p-0abc1234", "content": "{}"}));
        let delete = organizations("DeletePolicy", json!({"policyId": "p-0abc1234"}));
        let off = json!({"rootId": "r-a1b2", "policyType": "SERVICE_CONTROL_POLICY"});
        for event in [update, delete, organizations("DisablePolicyType", off)] {
            let seen = fires_at(&GuardrailRemoved, Severity::High, &event);
            assert_eq!(seen.subject.region, "global");
            assert!(!seen.reason.is_empty() && !seen.steps.is_empty());
        }
        let tags = json!({
            "requestParameters": {"policyId": "p-0abc1234", "content": "{}"},
            "responseElements": {"policy": {"policySummary": {"type": "TAG_POLICY"}}},
        });
        quiet(
            &GuardrailRemoved,
            &[
                call("organizations", "UpdatePolicy", tags),
                organizations("UpdatePolicy", json!({"policyId": "p-0abc1234", "description": "x"})),
                organizations("DisablePolicyType", json!({"rootId": "r-a1b2", "policyType": "TAG_POLICY"})),
                organizations("DisablePolicyType", json!(null)),
            ],
        );
    }

    #[test]
    fn names_are_read_by_whole_words() {
        for name in [
            "DenyAll",
            "AWSDenyAll",
            "SCPDeny",
            "region-SCP",
            "dev_boundary",
            "GuardRail",
            "team.restrict.v2",
        ] {
            assert!(speaks_of_a_guard_rail(name), "{name}");
        }
        for name in [
            "guardian-app",
            "NaSCPipeline",
            "AmazonGuardDutyFullAccess_v2",
            "UnrestrictedAccess",
            "denyse",
            "",
        ] {
            assert!(!speaks_of_a_guard_rail(name), "{name}");
        }
    }

    #[test]
    fn an_account_that_is_moved_leaves_its_policies_behind() {
        let moved = |from: &str, to: &str| {
            let request =
                json!({"accountId": "444455556666", "sourceParentId": from, "destinationParentId": to});
            call("organizations", "MoveAccount", json!({"requestParameters": request}))
        };
        let seen = fires_at(&GuardrailRemoved, Severity::Medium, &moved("ou-ab12-prod", "r-ab12"));
        assert_eq!(seen.title, "alice moved account 444455556666 from ou-ab12-prod to the root (r-ab12)");
        fires_at(&GuardrailRemoved, Severity::Medium, &moved("ou-ab12-prod", "ou-ab12-sandbox"));
        // As every new account is.
        fires_at(&GuardrailRemoved, Severity::Low, &moved("r-ab12", "ou-ab12-prod"));
        quiet(&GuardrailRemoved, &[call("organizations", "MoveAccount", json!({"requestParameters": null}))]);
    }

    #[test]
    fn the_policy_on_sign_ins_forbids_too() {
        let sign_in = |name: &str, request| call("signin", name, json!({"requestParameters": request}));
        let statement = sign_in("DeleteResourcePermissionStatement", json!({"statementId": "office"}));
        let seen = fires_at(&GuardrailRemoved, Severity::Medium, &statement);
        assert_eq!(seen.title, "alice took a statement out of the console sign-in policy");
        let off = sign_in("DeleteConsoleAuthorizationConfiguration", json!(null));
        let off = fires_at(&GuardrailRemoved, Severity::Medium, &off);
        let on = observe(&GuardrailRemoved, &sign_in("PutConsoleAuthorizationConfiguration", json!(null)));
        assert_eq!((on[0].verdict, on[0].finding_id()), (Verdict::Passing, off.finding_id()));
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

    #[test]
    fn controls_of_control_tower_are_guard_rails() {
        let control = |name: &str| {
            let (control, unit) = (
                "arn:aws:controltower:us-east-1::control/AWS-GR_ROOT",
                "arn:aws:organizations::111122223333:ou/o-1/ou-1",
            );
            asked("controltower", name, json!({"controlIdentifier": control, "targetIdentifier": unit}))
        };
        let title = "alice switched off control AWS-GR_ROOT of Control Tower for ou-1";
        opens_and_closes(
            &GuardrailRemoved,
            Severity::Medium,
            (&control("DisableControl"), title),
            &control("EnableControl"),
        );
        for (name, key) in
            [("DeleteLandingZone", "landingZoneIdentifier"), ("DisableBaseline", "enabledBaselineIdentifier")]
        {
            let arn = "arn:aws:controltower:us-east-1:111122223333:x/1";
            fires_at(&GuardrailRemoved, Severity::Medium, &asked("controltower", name, json!({key: arn})));
            quiet(&GuardrailRemoved, &[asked("controltower", name, json!(null))]);
        }
    }
}
