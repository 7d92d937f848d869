use keepwatch_core::state::PolicyText;
use keepwatch_policy::Level;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// A customer managed policy was made, given a new version, or switched to another version, and it now gives
    /// administrative power. A version that is not the default yet is reported with less weight, as a finding of its
    /// own; a switch of the default carries no document, so the version is read from the account. A default version
    /// without administrative power settles the finding, and so does deleting the policy or the version.
    /// ## Why it matters
    /// Changing what a policy says changes everybody who holds it, without any call that names them.
    /// SetDefaultPolicyVersion is the quietest way: one call, no document, and an old generous version is back.
    /// ## What to do
    /// Ask the caller. If it was not meant, make the version that was the default before the default again, delete the
    /// new one, and see who holds the policy.
    /// ## False positives
    /// Infrastructure code that rolls out an administrator policy on purpose. A policy that nobody holds yet is HIGH at
    /// most.
    PolicyWritten {
        id: "admin-policy-written",
        title: "A customer managed policy gives administrative power",
        severity: Critical,
        confidence: High,
        catalogue: ["ADM-06", "ADM-07", "ADM-08", "ADM-14"],
        references: [
            cis("3.0", &["1.16", "4.4"]),
            cis("5.0", &["1.15", "4.4"]),
            security_hub(&["IAM.1", "IAM.21"]),
            attack(&["T1098.003"]),
        ],
        on: [On::Call("iam.amazonaws.com", &[
            "CreatePolicy", "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "DeletePolicyVersion",
        ])],
    }
}

impl Rule for PolicyWritten {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let event = record.event_name.or_empty();
        let made = record.response_text(&["policy", "arn"]).map(str::to_owned);
        let named = record.param(&["policyName"]).map(|name| record.iam_arn("policy", name));
        let Some(arn) = record.param(&["policyArn"]).map(str::to_owned).or(made).or(named) else {
            return Ok(());
        };
        if record.request_omitted() {
            return Ok(()); // Has a rule of its own.
        }
        let (who, short) = (caller_name(record), arn.rsplit('/').next().unwrap_or(&arn));
        let version =
            record.param(&["versionId"]).or_else(|| record.response_text(&["policyVersion", "versionId"]));
        if power::takes_away(record) {
            let seen = match version {
                Some(version) => {
                    cx.passing(&arn, format!("{who} deleted {version} of policy {short}")).aspect(version)
                }
                None => cx.passing(&arn, format!("{who} deleted policy {short}")),
            };
            cx.report(seen.confirm(Confirm::gone(&arn, version)));
            return Ok(());
        }
        let text = match record.request().get("policyDocument") {
            Some(Value::String(document)) => known(short, document.clone()),
            Some(document) if !document.is_null() => known(short, document.to_string()),
            _ => cx.facts.managed_policy(&arn, version)?,
        };
        // Somebody of the account, as the member of a group is: a managed policy is attached nowhere else.
        let somebody = record.iam_arn("group", "~");
        let own = power::of_fact(cx, Origin::Managed, short, text.clone(), Some(&somebody));
        let flag = record.request().get("setAsDefault");
        let is_default =
            event == "SetDefaultPolicyVersion" || flag.is_some_and(|flag| *flag == true || *flag == "true");
        let shown = version.unwrap_or("a new version");
        let gain = match text {
            Fact::Known(policy) if is_default => {
                let addition = Addition { own: own.clone(), new: Readable::managed(&policy) };
                addition.gain_of_holders(cx, &arn, |kind, name| record.iam_arn(kind.as_str(), name))?
            }
            _ => None,
        };
        let gain = gain.unwrap_or_else(|| Gain::of(own));
        // Full control of a service is told when somebody gets it.
        let little = matches!(&gain.power, Power::Known(grant) if grant.level < Level::PrivilegeEscalation);
        let told = match gain.unsure {
            Some(Unsure::TooMany(_)) => true,
            Some(Unsure::Unread(_)) => gain.power.level() == Level::Ordinary,
            None => false,
        };
        if little && !gain.escalates() && !told {
            if is_default {
                let says = "which gives no administrative power";
                let title = format!("{who} made {shown} the default of policy {short}, {says}");
                let seen = cx.passing(&arn, title);
                let written = record.param(&["policyDocument"]);
                cx.report(match written {
                    Some(written) => seen.confirm(Confirm::policy_says(&arn, written, power::same_document)),
                    None => seen, // read from the account a moment ago
                });
            }
            return Ok(());
        }
        let (holder, how, most) = match event {
            "CreatePolicy" => {
                ("Whoever gets the policy", format!("{who} made policy {short}"), Severity::High)
            }
            _ if is_default => (
                "Whoever holds the policy",
                format!("{who} made {shown} the default of policy {short}"),
                Severity::Critical,
            ),
            _ => (
                "Whoever holds the policy",
                format!("{who} wrote {shown} of policy {short}, not the default yet"),
                Severity::Medium,
            ),
        };
        let grant_report = GrantReport { most, now: is_default, ..GrantReport::now(&arn, holder, &how) };
        let Some(mut seen) = gain.observation(cx, &grant_report) else { return Ok(()) };
        if let (false, Some(version)) = (is_default, version) {
            seen = seen.aspect(version);
        }
        seen = steps(seen.detail_if("Version", version), event, is_default, &arn, version);
        cx.report(stop_caller(seen, record));
        Ok(())
    }
}

fn known(name: &str, text: String) -> Fact<PolicyText> {
    Fact::Known(PolicyText { name: name.to_owned(), text })
}

fn steps(seen: Observation, event: &str, is_default: bool, arn: &str, version: Option<&str>) -> Observation {
    let policy = ("--policy-arn", arn);
    let new = [policy, ("--version-id", version.unwrap_or("THE_NEW_VERSION"))];
    let (holders, delete) = ("iam list-entities-for-policy", "iam delete-policy-version");
    if event == "CreatePolicy" {
        return seen.step("Does anybody hold the policy yet?", holders, &[policy]).step(
            "Delete the policy, once nobody holds it",
            "iam delete-policy",
            &[policy],
        );
    }
    if !is_default {
        return seen.step("Delete the version before somebody makes it the default", delete, &new);
    }
    // Which version was the default before, no event says: it need not be the one with the next lower number.
    let seen = seen
        .step("Who holds the policy?", holders, &[policy])
        .step("Which versions are there?", "iam list-policy-versions", &[policy])
        .step(
            "Make the version that was the default before the default again",
            "iam set-default-policy-version",
            &[policy, ("--version-id", "THE_VERSION_BEFORE")],
        );
    match event {
        "CreatePolicyVersion" => seen.step("Then delete the new version", delete, &new),
        _ => seen,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::Query;

    const ARN: &str = "arn:aws:iam::111122223333:policy/deploy";
    const ADMIN: &str = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    const READ: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;

    fn event(name: &str, request: Value) -> String {
        call("iam", name, json!({"requestParameters": request}))
    }

    fn version(document: &str, default: Value) -> String {
        let request = json!({"policyArn": ARN, "policyDocument": document, "setAsDefault": default});
        let response = json!({"policyVersion": {"versionId": "v3"}});
        call(
            "iam",
            "CreatePolicyVersion",
            json!({"requestParameters": request, "responseElements": response}),
        )
    }

    #[test]
    fn fires() {
        let made = event("CreatePolicy", json!({"policyName": "deploy", "policyDocument": ADMIN}));
        assert_eq!(fires_at(&PolicyWritten, Severity::High, &made).subject.resource, ARN);
        fires_at(&PolicyWritten, Severity::Critical, &version(ADMIN, json!(true)));
        fires_at(&PolicyWritten, Severity::Critical, &version(ADMIN, json!("true")));
        fires_at(&PolicyWritten, Severity::Medium, &version(ADMIN, json!(false)));
        fires_at(&PolicyWritten, Severity::Medium, &version(ADMIN, json!(null)));
    }

    #[test]
    fn reads_the_version_that_became_the_default() {
        let switch = event("SetDefaultPolicyVersion", json!({"policyArn": ARN, "versionId": "v2"}));
        let version = |id: &str, text: &str| {
            let query = Query::ManagedPolicy { arn: ARN.to_owned(), version: Some(id.to_owned()) };
            let policy = PolicyText { name: "deploy".to_owned(), text: text.to_owned() };
            (query, Fact::Known(keepwatch_core::state::Value::Policy(policy)))
        };
        let seen = fired_with(&PolicyWritten, &switch, &[version("v2", ADMIN), version("v1", READ)]);
        assert_eq!(seen.severity, Severity::Critical);
        assert_eq!(
            seen.title,
            "Whoever holds the policy is now a full administrator: alice made v2 the default of policy deploy"
        );
        // No event says which version was the default before.
        let commands: Vec<_> = seen.steps.iter().map(|step| step.command.as_str()).collect();
        assert!(commands[1].starts_with("aws iam list-policy-versions"), "{commands:?}");
        assert!(commands[2].ends_with("--version-id THE_VERSION_BEFORE"), "{commands:?}");
        assert_eq!(fired(&PolicyWritten, &switch).verdict, Verdict::Unknown);
        let harmless = observe_with(&PolicyWritten, &switch, &[version("v2", READ)]);
        assert_eq!((harmless.len(), harmless[0].verdict), (1, Verdict::Passing));
        assert_eq!(harmless[0].finding_id(), seen.finding_id());
    }

    #[test]
    fn says_what_is_not_so_yet() {
        let made = event("CreatePolicy", json!({"policyName": "deploy", "policyDocument": ADMIN}));
        assert_eq!(
            fired(&PolicyWritten, &made).title,
            "Whoever gets the policy would be a full administrator: alice made policy deploy"
        );
        let escalation = r#"{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}"#;
        let seen = fired(&PolicyWritten, &version(escalation, json!(false)));
        assert_eq!(
            seen.title,
            "Whoever holds the policy could make itself administrator: \
             alice wrote v3 of policy deploy, not the default yet"
        );
        let commands: Vec<_> = seen.steps.iter().map(|step| step.command.as_str()).collect();
        assert_eq!(commands, [format!("aws iam delete-policy-version --policy-arn {ARN} --version-id v3")]);
    }

    #[test]
    fn going_back_settles_it() {
        let default = fired(&PolicyWritten, &version(ADMIN, json!(true))).finding_id();
        let waiting = fired(&PolicyWritten, &version(ADMIN, json!(false))).finding_id();
        assert_ne!(default, waiting);
        for (event, finding) in [
            (version(READ, json!(true)), default.as_str()),
            (event("DeletePolicy", json!({"policyArn": ARN})), default.as_str()),
            (event("DeletePolicyVersion", json!({"policyArn": ARN, "versionId": "v3"})), waiting.as_str()),
        ] {
            let gone = observe(&PolicyWritten, &event);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing), "{event}");
            assert_eq!(gone[0].finding_id(), finding, "{event}");
        }
    }

    #[test]
    fn a_managed_policy_is_attached_in_its_own_account_alone() {
        let policy = |statements: Value| {
            event(
                "CreatePolicy",
                json!({"policyName": "p",
                "policyDocument": json!({"Version": "2012-10-17", "Statement": statements}).to_string()}),
            )
        };
        let allow = |action: &str, on: &str| json!({"Effect": "Allow", "Action": action, "Resource": on});
        let deny = |action: &str, on: &str| json!({"Effect": "Deny", "Action": action, "Resource": on});
        let (own, other) = ("arn:aws:iam::111122223333:role/*", "arn:aws:iam::999988887777:role/*");
        for action in ["sts:AssumeRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"] {
            for on in [own, "*", "arn:aws:iam::*:role/*"] {
                fires_at(&PolicyWritten, Severity::High, &policy(json!([allow(action, on)])));
                quiet(&PolicyWritten, &[policy(json!([allow(action, on), deny(action, own)]))]);
                let elsewhere = policy(json!([allow(action, on), deny(action, other)]));
                fires_at(&PolicyWritten, Severity::High, &elsewhere);
            }
            quiet(&PolicyWritten, &[policy(json!([allow(action, other)]))]);
        }
        // Its holder may be a role as well as a user.
        let of = |arn: &str| {
            json!([{"Effect": "Allow", "Action": "iam:PutRolePolicy", "Resource": "*",
                "Condition": {"ArnLike": {"aws:PrincipalArn": arn}}}])
        };
        for arn in ["arn:aws:iam::111122223333:role/ci", "arn:aws:iam::*:user/bob"] {
            fires_at(&PolicyWritten, Severity::High, &policy(of(arn)));
        }
        quiet(&PolicyWritten, &[policy(of("arn:aws:iam::999988887777:role/ci"))]);
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &PolicyWritten,
            &[
                version(READ, json!(false)),
                event("CreatePolicy", json!({"policyName": "p", "policyDocument": READ})),
                event("CreatePolicy", json!({"omitted": true, "reason": "requestParameters too large"})),
                event("CreatePolicyVersion", json!(null)),
                call(
                    "iam",
                    "CreatePolicy",
                    json!({"errorCode": "AccessDenied", "requestParameters": {"policyName": "p", "policyDocument": ADMIN}}),
                ),
            ],
        );
    }
}
