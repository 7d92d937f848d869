use keepwatch_policy::Level;
use serde_json::Value;

use super::common::at_the_first_time;
use super::function_layer::{deletes, function};
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Code that runs with a role was replaced: a function's code or layers, what a build does (in its project or for one
    /// build), what a task runs in place of its own command, a job's script or who may log in to write one, the definition of a state machine, the script that a notebook starts with, a launch template.
    /// Where the role is administrator or can become one it is medium, and so it is where nobody has seen the caller make
    /// this call before; else low. The event or the call's answer names
    /// the role, and what it holds is read from the account. Who has made such calls before is read from CloudTrail's event
    /// history at first start, two weeks back. Deleting the function settles its finding.
    /// ## Why it matters
    /// Whoever may write the code of a privileged function acts with its role, without passing a role and without
    /// changing a policy.
    /// ## What to do
    /// Compare the code with what your repository says, and ask the caller. If nobody knows it, put the old version back and
    /// look at what the role has done since.
    /// ## False positives
    /// Every deployment: the same caller on the same thing is one finding, mailed again only when somebody else does it.
    /// What services, stacks and listed automation deploy to things without such a role is not reported. A new colleague's
    /// first deployment is one mail. Whoever replaced code before Keepwatch was there counts as known, an intruder too; that
    /// excuses nothing where the role is powerful.
    CodeReplaced {
        id: "compute-code-replaced",
        title: "Code that runs with a role was replaced",
        severity: Low,
        confidence: Medium,
        catalogue: ["EXEC-03", "EXEC-15"],
        references: [
            attack(&["T1648"]),
            attack(&["T1525"]),
            doc(&["AWS Lambda API Reference: UpdateFunctionCode; AWS CodeBuild API Reference: StartBuild"]),
        ],
        on: [
            On::Call("lambda.amazonaws.com", &[
                "UpdateFunctionCode20150331v2", "UpdateFunctionCode20150331", "UpdateFunctionConfiguration20150331v2",
                "UpdateFunctionConfiguration20150331", "DeleteFunction20150331",
            ]),
            On::Call("codebuild.amazonaws.com", &["StartBuild", "StartBuildBatch", "UpdateProject"]),
            On::Call("ecs.amazonaws.com", &["RunTask", "StartTask"]),
            On::Call("glue.amazonaws.com", &["UpdateJob", "UpdateDevEndpoint"]),
            On::Call("states.amazonaws.com", &["UpdateStateMachine"]),
            On::Call("sagemaker.amazonaws.com", &[
                "UpdateNotebookInstanceLifecycleConfig", "UpdateNotebookInstance",
            ]),
            On::Call("ec2.amazonaws.com", &["CreateLaunchTemplateVersion", "ModifyLaunchTemplate"]),
        ],
        repeat_hours: 720,
    }
}

/// Something whose code was replaced.
struct Replaced {
    arn: String,
    /// As a sentence names it: `function billing`.
    thing: String,
    /// What was replaced: `the code of`.
    what: &'static str,
    /// The role that it runs with, where request or answer name it.
    role: Option<String>,
}

impl Rule for CodeReplaced {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let who = caller_name(record);
        if record.event_name.or_empty().starts_with("Delete") {
            if let Some((arn, name)) = function(record).filter(|_| deletes(record)) {
                cx.report(cx.passing(arn, format!("{who} deleted function {name}")));
            }
            return Ok(());
        }
        let Some(Replaced { arn, thing, what, role }) = replaced(record) else { return Ok(()) };
        let power = match role.as_deref() {
            Some(role) => power::of_principal(cx, PrincipalKind::Role, last_part(role), None)?,
            None => Power::Unknown("the event does not name the role that it runs with".to_owned()),
        };
        let strong = power.level() >= Level::PrivilegeEscalation;
        // Pipelines start builds with a source of their own, and stacks replace code all day.
        let machine = record.user_identity.invoked_by.get().is_some()
            || cx.automation().is_some_and(|by| by != Automation::Agent);
        if machine && !strong {
            return Ok(());
        }
        let first = cx.first_time_of_caller()?;
        let title = format!("{who} replaced {what} {thing}");
        let short = role.as_deref().map(last_part);
        let seen = match &power {
            Power::Known(grant) if strong => {
                let title = format!(
                    "{title}, which runs as role {} and {}",
                    short.unwrap_or_default(),
                    grant.ability()
                );
                cx.failing(&arn, title).severity(Severity::Medium).because(as_sentence(&grant.why()))
            }
            Power::Known(_) => {
                cx.failing(&arn, title).because("The role that it runs with is an ordinary one.")
            }
            Power::Unknown(why) => cx.unknown(&arn, title).because(as_sentence(why)),
        };
        let seen = at_the_first_time(seen, first).detail_if("Role", role.as_deref());
        let seen = match short {
            Some(role) => seen.step(
                "What does the role hold?",
                "iam list-attached-role-policies",
                &[("--role-name", role)],
            ),
            None => what_else(seen, record),
        };
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// The fields of a build by which its caller has another code run than the project's.
const OVERRIDES: [&str; 4] =
    ["buildspecOverride", "sourceLocationOverride", "imageOverride", "secondarySourcesOverride"];

fn replaced(record: &Record<'_>) -> Option<Replaced> {
    let (request, answer) = (record.request(), record.response());
    let has = |path: &[&str]| value_at(request, path).is_some_and(|value| !value.is_null());
    let some = |path: &[&str]| text_at(answer, path).or_else(|| text_at(request, path)).map(str::to_owned);
    let made = |arn, thing: String, what, role| Some(Replaced { arn, thing, what, role });
    match (record.event_source.or_empty(), record.event_name.or_empty()) {
        ("lambda.amazonaws.com", event) => {
            let code = event.starts_with("UpdateFunctionCode");
            if !code && items_at(request, &["layers"]).is_empty() {
                return None;
            }
            let (arn, name) = function(record)?;
            let what = if code { "the code of" } else { "the layers of" };
            made(arn, format!("function {name}"), what, some(&["role"]))
        }
        ("codebuild.amazonaws.com", "UpdateProject") => {
            if !has(&["source"]) && !has(&["environment", "image"]) {
                return None;
            }
            let name = text_at(request, &["name"])?;
            let role = text_at(answer, &["project", "serviceRole"]).map(str::to_owned);
            let arn = record.arn("codebuild", &format!("project/{name}"));
            made(
                arn,
                format!("build project {name}"),
                "what runs in",
                role.or_else(|| some(&["serviceRole"])),
            )
        }
        ("codebuild.amazonaws.com", _) => {
            if !OVERRIDES.iter().any(|field| has(&[field])) {
                return None;
            }
            let name = text_at(request, &["projectName"])?;
            let build = ["build", "buildBatch"].iter().find_map(|key| text_at(answer, &[key, "serviceRole"]));
            let role = text_at(request, &["serviceRoleOverride"]).or(build).map(str::to_owned);
            let arn = record.arn("codebuild", &format!("project/{name}"));
            made(arn, format!("build project {name}"), "for one build what runs in", role)
        }
        ("ecs.amazonaws.com", _) => {
            let containers = items_at(request, &["overrides", "containerOverrides"]);
            if !containers.iter().any(|one| !items_at(one, &["command"]).is_empty()) {
                return None;
            }
            let name =
                text_at(request, &["taskDefinition"]).map(|name| name.rsplit('/').next().unwrap_or(name))?;
            let family = name.split(':').next().unwrap_or(name);
            let role = text_at(request, &["overrides", "taskRoleArn"]).map(str::to_owned);
            let arn = record.arn("ecs", &format!("task-definition/{family}"));
            made(arn, format!("task definition {family}"), "for one run the command of", role)
        }
        // Whoever has a key of it runs code there.
        ("glue.amazonaws.com", "UpdateDevEndpoint") => {
            let keys = ["publicKey", "addPublicKeys"];
            let name = text_at(request, &["endpointName"]).filter(|_| keys.iter().any(|key| has(&[key])))?;
            let arn = record.arn("glue", &format!("devEndpoint/{name}"));
            made(arn, format!("development endpoint {name}"), "the keys of", None)
        }
        ("glue.amazonaws.com", _) => {
            let name = text_at(request, &["jobName"]).filter(|_| has(&["jobUpdate", "command"]))?;
            let role = text_at(request, &["jobUpdate", "role"]).map(str::to_owned);
            made(
                record.arn("glue", &format!("job/{name}")),
                format!("Glue job {name}"),
                "the script of",
                role,
            )
        }
        ("states.amazonaws.com", _) => {
            let arn = text_at(request, &["stateMachineArn"]).filter(|_| has(&["definition"]))?;
            made(
                arn.to_owned(),
                format!("state machine {}", last_part(arn)),
                "the definition of",
                some(&["roleArn"]),
            )
        }
        ("sagemaker.amazonaws.com", "UpdateNotebookInstance") => {
            let name =
                text_at(request, &["notebookInstanceName"]).filter(|_| has(&["lifecycleConfigName"]))?;
            let arn = record.arn("sagemaker", &format!("notebook-instance/{name}"));
            made(arn, format!("notebook {name}"), "what starts with", some(&["roleArn"]))
        }
        ("sagemaker.amazonaws.com", _) => {
            let name = text_at(request, &["notebookInstanceLifecycleConfigName"])?;
            let arn = record.arn("sagemaker", &format!("notebook-instance-lifecycle-config/{name}"));
            made(arn, format!("lifecycle configuration {name}"), "the scripts of", None)
        }
        _ => template(record),
    }
}

/// A launch template that starts other code: another image or user data, or another version by default. One that names an
/// instance profile is the business of the rule on those.
fn template(record: &Record<'_>) -> Option<Replaced> {
    let request = ec2_parameters(record);
    let id = ["launchTemplateId", "launchTemplateName"].iter().find_map(|key| text_at(request, &[key]))?;
    let data = value_at(request, &["launchTemplateData"]).unwrap_or(&Value::Null);
    let has = |key| value_at(data, &[key]).is_some_and(|value| !value.is_null());
    let code = has("userData") || has("imageId");
    let default =
        ["setDefaultVersion", "defaultVersion"].iter().any(|key| value_at(request, &[key]).is_some());
    if !default && (!code || has("iamInstanceProfile")) {
        return None;
    }
    let arn = record.arn("ec2", &format!("launch-template/{id}"));
    let what = if default {
        "the version that starts by default of"
    } else {
        "image or user data in a new version of"
    };
    Some(Replaced { arn, thing: format!("launch template {id}"), what, role: None })
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query, Value as Answered};

    const ROLE: &str = "arn:aws:iam::111122223333:role/ops";
    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    const ORDINARY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

    fn holds(policy: &str) -> [(Query, Answer); 1] {
        let query = Query::Principal { kind: PrincipalKind::Role, name: "ops".to_owned() };
        let holdings = Holdings { managed: vec![policy.to_owned()], ..Holdings::default() };
        [(query, Fact::Known(Answered::Holdings(holdings)))]
    }

    fn event(source: &str, name: &str, request: Value, answer: Value) -> String {
        call(source, name, json!({"requestParameters": request, "responseElements": answer}))
    }

    /// Where seeding knows somebody, what is low stays low, and nothing else becomes less.
    #[test]
    fn whoever_never_made_the_call_before_is_worth_a_look() {
        for event in with_role() {
            for (policy, before, severity) in [
                (ORDINARY, true, Severity::Low),
                (ORDINARY, false, Severity::Medium),
                (ADMIN, true, Severity::Medium),
                (ADMIN, false, Severity::Medium),
            ] {
                let facts = [&holds(policy)[..], &[known_caller(&event, before)]].concat();
                let seen = observe_with(&CodeReplaced, &event, &facts);
                assert_eq!(seen[0].severity, severity, "{policy} {before} {event}");
                let told = seen[0].reason.contains("Nobody by this name");
                assert_eq!(told, policy == ORDINARY && !before, "{}", seen[0].reason);
            }
        }
    }

    /// One of each kind whose role the event tells.
    fn with_role() -> Vec<String> {
        vec![
            event(
                "lambda",
                "UpdateFunctionCode20150331v2",
                json!({"functionName": "f"}),
                json!({"role": ROLE}),
            ),
            event(
                "lambda",
                "UpdateFunctionConfiguration20150331v2",
                json!({"functionName": "f", "layers": ["arn:aws:lambda:us-east-1:111122223333:layer:x:1"]}),
                json!({"role": ROLE}),
            ),
            event(
                "codebuild",
                "StartBuild",
                json!({"projectName": "deploy", "buildspecOverride": "version: 0.2"}),
                json!({"build": {"serviceRole": ROLE}}),
            ),
            event(
                "codebuild",
                "UpdateProject",
                json!({"name": "deploy", "source": {"buildspec": "x"}}),
                json!({"project": {"serviceRole": ROLE}}),
            ),
            event(
                "glue",
                "UpdateJob",
                json!({"jobName": "etl", "jobUpdate": {"role": "ops", "command": {"scriptLocation": "s3://b/x"}}}),
                json!(null),
            ),
            event(
                "states",
                "UpdateStateMachine",
                json!({"stateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:m",
                    "definition": "HIDDEN", "roleArn": ROLE}),
                json!(null),
            ),
        ]
    }

    /// One of each kind whose role it does not.
    fn without_role() -> Vec<String> {
        let version = json!({"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId": "lt-1",
            "LaunchTemplateData": {"UserData": "<sensitiveDataRemoved>"}}});
        let default =
            json!({"ModifyLaunchTemplateRequest": {"LaunchTemplateId": "lt-1", "SetDefaultVersion": "3"}});
        let lifecycle = json!({"notebookInstanceLifecycleConfigName": "c", "onStart": [{"content": "x"}]});
        vec![
            event("lambda", "UpdateFunctionCode20150331v2", json!({"functionName": "f"}), json!(null)),
            event("codebuild", "StartBuild", json!({"projectName": "p", "imageOverride": "x"}), json!(null)),
            event("sagemaker", "UpdateNotebookInstanceLifecycleConfig", lifecycle, json!(null)),
            event(
                "sagemaker",
                "UpdateNotebookInstance",
                json!({"notebookInstanceName": "n", "lifecycleConfigName": "c"}),
                json!(null),
            ),
            event(
                "ecs",
                "RunTask",
                json!({"taskDefinition": "etl:7", "overrides": {"containerOverrides": [
                    {"name": "c", "environment": []}, {"name": "d", "command": ["sh", "-c", "x"]}]}}),
                json!(null),
            ),
            event("ec2", "CreateLaunchTemplateVersion", version, json!(null)),
            event("ec2", "ModifyLaunchTemplate", default, json!(null)),
        ]
    }

    fn by_stack(event: &str) -> String {
        event.replace(
            "\"userIdentity\":{",
            "\"userIdentity\":{\"invokedBy\":\"cloudformation.amazonaws.com\",",
        )
    }

    #[test]
    fn the_role_decides() {
        for event in with_role() {
            let seen = fired_with(&CodeReplaced, &event, &holds(ADMIN));
            assert_eq!((seen.severity, seen.verdict), (Severity::Medium, Verdict::Failing), "{event}");
            assert!(seen.title.contains("role ops and is a full administrator"), "{}", seen.title);
            let ordinary = fired_with(&CodeReplaced, &event, &holds(ORDINARY));
            assert_eq!((ordinary.severity, ordinary.verdict), (Severity::Low, Verdict::Failing));
            let unread = fires_at(&CodeReplaced, Severity::Low, &event);
            assert_eq!(unread.verdict, Verdict::Unknown);
            // A stack's doing is told where there is power.
            let stack = by_stack(&event);
            assert_eq!(fired_with(&CodeReplaced, &stack, &holds(ADMIN)).severity, Severity::Medium);
            assert!(observe_with(&CodeReplaced, &stack, &holds(ORDINARY)).is_empty());
            assert!(observe(&CodeReplaced, &stack).is_empty());
        }
        let code = &with_role()[0];
        let title =
            "alice replaced the code of function f, which runs as role ops and is a full administrator";
        assert_eq!(fired_with(&CodeReplaced, code, &holds(ADMIN)).title, title);
    }

    #[test]
    fn a_role_that_nobody_names_is_unknown() {
        for event in without_role() {
            let seen = fires_at(&CodeReplaced, Severity::Low, &event);
            assert_eq!(seen.verdict, Verdict::Unknown);
            assert!(observe(&CodeReplaced, &by_stack(&event)).is_empty());
        }
    }

    #[test]
    fn deleting_the_function_settles_it() {
        let open = fired(&CodeReplaced, &with_role()[0]);
        let gone = event("lambda", "DeleteFunction20150331", json!({"functionName": "f"}), json!(null));
        let gone = observe(&CodeReplaced, &gone);
        assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
        assert_eq!(gone[0].finding_id(), open.finding_id());
    }

    #[test]
    fn stays_quiet() {
        let profile = json!({"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId": "lt-1", "LaunchTemplateData":
            {"UserData": "x", "IamInstanceProfile": {"Name": "web"}}}});
        let kind = json!({"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId": "lt-1",
            "LaunchTemplateData": {"InstanceType": "t3.micro"}}});
        let none = json!(null);
        quiet(
            &CodeReplaced,
            &[
                event("codebuild", "StartBuild", json!({"projectName": "deploy"}), none.clone()),
                event(
                    "codebuild",
                    "UpdateProject",
                    json!({"name": "deploy", "timeoutInMinutes": 5}),
                    none.clone(),
                ),
                event(
                    "lambda",
                    "UpdateFunctionConfiguration20150331v2",
                    json!({"functionName": "f", "timeout": 3}),
                    none.clone(),
                ),
                event("lambda", "UpdateFunctionCode20150331v2", none.clone(), none.clone()),
                event(
                    "states",
                    "UpdateStateMachine",
                    json!({"stateMachineArn": "arn:x:y", "roleArn": ROLE}),
                    none.clone(),
                ),
                event(
                    "glue",
                    "UpdateJob",
                    json!({"jobName": "etl", "jobUpdate": {"role": "ops"}}),
                    none.clone(),
                ),
                event(
                    "ecs",
                    "RunTask",
                    json!({"taskDefinition": "etl", "overrides": {"containerOverrides": []}}),
                    none.clone(),
                ),
                event("ec2", "CreateLaunchTemplateVersion", profile, none.clone()),
                event("ec2", "CreateLaunchTemplateVersion", kind, none.clone()),
                event("sagemaker", "UpdateNotebookInstance", json!({"notebookInstanceName": "n"}), none),
                failed_call(
                    "lambda",
                    "UpdateFunctionCode20150331v2",
                    "AccessDeniedException",
                    json!({"requestParameters": {"functionName": "f"}}),
                ),
            ],
        );
    }

    #[test]
    fn keys_of_a_development_endpoint_run_code() {
        let update = |request: serde_json::Value| asked("glue", "UpdateDevEndpoint", request);
        let seen =
            fired(&CodeReplaced, &update(json!({"endpointName": "dev", "addPublicKeys": ["ssh-rsa x"]})));
        assert_eq!(seen.title, "alice replaced the keys of development endpoint dev");
        quiet(&CodeReplaced, &[update(json!({"endpointName": "dev", "addArguments": {"a": "b"}}))]);
    }
}
