use keepwatch_core::posture::Missing;
use keepwatch_policy::managed;

use crate::kit::prelude::*;

declare_check! {
    /// ## What it checks
    /// Two traces of keys that left their place: AWS attaches a quarantine policy to a user whose key it found in public, and a
    /// Lambda function's environment may hold what looks like an access key id. Ids are shown masked; the values are never kept.
    /// Code and images are not looked into.
    /// ## Why it matters
    /// Who finds a key uses it within minutes, mostly to run machines at your cost. Whoever may read a function's configuration
    /// has the keys in its environment.
    /// ## What to do
    /// Deactivate the user's keys, look in CloudTrail at what they did, replace them, and only then detach the quarantine
    /// policy. For a function, give its role what the key allowed, and take the variable out.
    /// ## What it costs
    /// Nothing.
    /// ## What may break
    /// What signs with the key stops when it is deactivated. With an exposed key that is the smaller harm.
    Exposed {
        id: "key.exposed",
        title: "No access key is exposed",
        severity: Critical,
        practices: ["P22"],
        references: [
            trusted_advisor(&["12Fnkpl8Y5"]),
            doc(&["IAM user guide: Update access keys"]),
        ],
        asks: [Authorization, CredentialReport, Functions],
        finding: "exposed-access-key",
    }
}

impl Check for Exposed {
    fn judge(&self, cx: &mut Cx<'_>) -> Outcome {
        let root = cx.root_arn();
        cx.about(GLOBAL, &root, users);
        cx.each_region(functions);
        Ok(())
    }
}

fn users(cx: &mut Cx<'_>) -> Outcome {
    let authorization = cx.known(Authorization, GLOBAL)?;
    let report = cx.try_known(CredentialReport, GLOBAL);
    for user in &authorization.users {
        let Some(quarantine) = user.managed.iter().find(|arn| managed::is_quarantine(arn)) else { continue };
        cx.about(GLOBAL, &user.arn, |cx| {
            let name = [("--user-name", user.name.as_str())];
            let row =
                report.as_ref().ok().and_then(|report| report.users.iter().find(|row| row.arn == user.arn));
            let all_off = row.is_some_and(|row| row.keys.iter().all(|key| !key.active));
            let seen = if all_off {
                cx.informational(format!("AWS has quarantined user {}, and all its keys are off", user.name))
                    .step(
                        "Detach the policy once the keys are replaced",
                        "iam detach-user-policy",
                        &[name[0], ("--policy-arn", quarantine)],
                    )
            } else {
                cx.failing(format!("AWS has found a key of user {} in public", user.name))
                    .because("its quarantine policy is attached, and the user has an active key")
                    .detail("Policy", quarantine)
                    .step("Which keys?", "iam list-access-keys", &name)
            };
            cx.report(seen);
            Ok(())
        });
    }
    Ok(())
}

fn functions(cx: &mut Cx<'_>) -> Outcome {
    let region = cx.region();
    for function in cx.known(Functions, region.as_str())? {
        cx.about(&region, &function.arn, |cx| {
            let name = &function.name;
            if let Some(code) = &function.environment_error {
                let why = format!("Lambda could not decrypt the environment of {name}: {code}");
                return Err(Stop::Unknown(vec![Missing { action: Some("kms:Decrypt".to_owned()), why }]));
            }
            if function.keys_in_environment.is_empty() {
                cx.report(cx.passing(format!("The environment of {name} holds no access key id")));
                return Ok(());
            }
            let mut seen = cx
                .failing(format!("The environment of function {name} holds an access key id"))
                .severity(Severity::High)
                .because("whoever may read the function's configuration has the key")
                .step(
                    "Give the function's role what the key allowed",
                    "lambda get-function-configuration",
                    &[("--function-name", name), ("--region", &region), ("--query", "Role")],
                );
            for key in &function.keys_in_environment {
                seen = seen.detail(&key.variable, &key.masked);
            }
            cx.report(seen);
            Ok(())
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::fixtures::{admin, authorization_of, key, report_of, user};
    use crate::testing::*;
    use facts::compute::{Function, KeyInEnvironment};
    use facts::iam::{Credentials, User};
    use keepwatch_core::posture::State;

    fn function(name: &str) -> Function {
        Function {
            arn: format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}"),
            name: name.to_owned(),
            runtime: Some("python3.13".to_owned()),
            image: false,
            keys_in_environment: Vec::new(),
            environment_error: None,
            in_vpc: false,
        }
    }

    fn quarantined(active: bool) -> State {
        let row = Credentials { keys: vec![key(1, active, 500, Some(2))], ..user("leaked") };
        let leaked = User {
            managed: vec!["arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3".to_owned()],
            ..admin("leaked")
        };
        report_of(None, vec![row])
            .with(Authorization, global(), authorization_of(vec![leaked, admin("other")]))
            .with(Functions, region(), vec![])
    }

    #[test]
    fn a_quarantine_stays_open_while_a_key_is_active() {
        let one = judge_one(&Exposed, &quarantined(true));
        assert_eq!((one.verdict, one.severity), (Judged::Failing, Severity::Critical));
        assert_eq!(judge_one(&Exposed, &quarantined(false)).verdict, Judged::Informational);
        // Without the report nobody knows that the keys are off.
        let state = refused(quarantined(false), CredentialReport, global());
        assert_eq!(judge_one(&Exposed, &state).verdict, Judged::Failing);
    }

    #[test]
    fn functions_are_judged_one_by_one() {
        let leak = KeyInEnvironment { variable: "K".to_owned(), masked: "AKIA************MPLE".to_owned() };
        let functions = vec![
            function("plain"),
            Function { keys_in_environment: vec![leak], ..function("leaking") },
            Function { environment_error: Some("AccessDeniedException".to_owned()), ..function("sealed") },
        ];
        let state = account().with(Authorization, global(), authorization_of(vec![])).with(
            Functions,
            region(),
            functions,
        );
        assert_eq!(
            judged(&Exposed, &state),
            [
                ("plain".to_owned(), Judged::Passing),
                ("leaking".to_owned(), Judged::Failing),
                ("sealed".to_owned(), Judged::Unknown),
            ]
        );
        let sealed = judgements(&Exposed, &state).remove(2);
        assert_eq!(missing(&sealed), ["kms:Decrypt"]);
    }

    #[test]
    fn a_refusal_of_the_one_hides_nothing_of_the_other() {
        let verdicts = judged(&Exposed, &refused(quarantined(true), Functions, region()));
        assert_eq!(verdicts, [("leaked".to_owned(), Judged::Failing), ("root".to_owned(), Judged::Unknown)]);
    }
}
