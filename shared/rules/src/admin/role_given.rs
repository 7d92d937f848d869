use keepwatch_policy::Level;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// Something that runs code was given a role that is administrator or can become one: a function, a state machine, a
    /// schedule, a task, a build project, a pod, a notebook, a job, a pipeline, an agent,
    /// a database, a node that Systems Manager manages (high). Or code was run once with such a role in
    /// place of its own: a task or a build with another role, an automation (high), a stack (medium, one finding for each
    /// role). What the role holds is read from the account. Another role, and the deletion of the thing, settle it.
    /// ## Why it matters
    /// Whoever may pass a role to a service acts as that role without ever assuming it. It is the most common way from
    /// few permissions to all, and changes no policy.
    /// ## What to do
    /// Ask the caller what needs so much power. If nobody knows: delete the thing or give it another role, and look at
    /// what the role has done since.
    /// ## False positives
    /// Deployment roles are administrators on purpose, and stacks run with them every day: the same role by the same caller
    /// is one finding, mailed again only when somebody else does it. Ordinary roles are not reported. A role that cannot be
    /// read is low where a person gave it, and nothing where CloudFormation, a service or automation that you have
    /// listed did.
    RoleGiven {
        id: "admin-role-passed-to-service",
        title: "Code runs with a role that has administrative power",
        severity: High,
        confidence: High,
        catalogue: ["ADM-26"],
        references: [cis("3.0", &["1.16"]), cis("5.0", &["1.15"]), attack(&["T1548"]), attack(&["T1648"])],
        on: on(),
        repeat_hours: 720,
    }
}

/// One way to have code run with a role.
struct Way {
    source: &'static str,
    calls: &'static [&'static str],
    /// Where the call names the role, by ARN or name.
    roles: &'static [&'static [&'static str]],
    /// Where request or answer name the thing.
    names: &'static [&'static [&'static str]],
    /// What it is, as a sentence names it.
    kind: &'static str,
    /// Service and type in the thing's ARN.
    arn: (&'static str, &'static str),
    /// Where it runs once, or again and again with one role for all: how bad that is. The finding is about the role then.
    runs: Option<Severity>,
}

/// The ways, from the services' API references. Instance profiles have a rule of their own.
const WAYS: [Way; 36] = [
    Way {
        source: "lambda.amazonaws.com",
        calls: &[
            "CreateFunction20150331",
            "UpdateFunctionConfiguration20150331v2",
            "UpdateFunctionConfiguration20150331",
            "DeleteFunction20150331",
        ],
        roles: &[&["role"]],
        names: &[&["functionName"]],
        kind: "Lambda function",
        arn: ("lambda", "function:"),
        runs: None,
    },
    Way {
        source: "cloudformation.amazonaws.com",
        calls: &["CreateStack", "UpdateStack", "CreateChangeSet"],
        roles: &[&["roleARN"]],
        names: &[&["stackName"]],
        kind: "CloudFormation stack",
        arn: ("cloudformation", "stack/"),
        runs: Some(Severity::Medium),
    },
    Way {
        source: "ecs.amazonaws.com",
        calls: &["RunTask", "StartTask"],
        roles: &[&["overrides", "taskRoleArn"]],
        names: &[&["taskDefinition"]],
        kind: "ECS task",
        arn: ("ecs", "task-definition/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "ecs.amazonaws.com",
        calls: &["RegisterTaskDefinition"],
        roles: &[&["taskRoleArn"]],
        names: &[&["family"]],
        kind: "ECS task definition",
        arn: ("ecs", "task-definition/"),
        runs: None,
    },
    Way {
        source: "scheduler.amazonaws.com",
        calls: &["CreateSchedule", "UpdateSchedule", "DeleteSchedule"],
        roles: &[&["target", "roleArn"]],
        names: &[&["name"]],
        kind: "schedule",
        arn: ("scheduler", "schedule/"),
        runs: None,
    },
    Way {
        source: "events.amazonaws.com",
        calls: &["PutTargets"],
        roles: &[&["targets", "roleArn"]],
        names: &[&["rule"]],
        kind: "target of event rule",
        arn: ("events", "rule/"),
        runs: None,
    },
    Way {
        source: "pipes.amazonaws.com",
        calls: &["CreatePipe", "UpdatePipe", "DeletePipe"],
        roles: &[&["roleArn"]],
        names: &[&["name"]],
        kind: "pipe",
        arn: ("pipes", "pipe/"),
        runs: None,
    },
    Way {
        source: "states.amazonaws.com",
        calls: &["CreateStateMachine", "UpdateStateMachine", "DeleteStateMachine"],
        roles: &[&["roleArn"]],
        names: &[&["name"], &["stateMachineArn"]],
        kind: "state machine",
        arn: ("states", "stateMachine:"),
        runs: None,
    },
    Way {
        source: "eks.amazonaws.com",
        calls: &[
            "CreatePodIdentityAssociation",
            "UpdatePodIdentityAssociation",
            "DeletePodIdentityAssociation",
        ],
        roles: &[&["roleArn"]],
        names: &[&["association", "associationId"], &["associationId"], &["serviceAccount"]],
        kind: "pod identity association",
        arn: ("eks", "podidentityassociation/"),
        runs: None,
    },
    Way {
        source: "ssm.amazonaws.com",
        calls: &["StartAutomationExecution", "StartChangeRequestExecution"],
        roles: &[&["parameters", "AutomationAssumeRole"]],
        names: &[&["documentName"]],
        kind: "automation",
        arn: ("ssm", "automation-definition/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "ssm.amazonaws.com",
        calls: &["CreateAssociation", "UpdateAssociation", "DeleteAssociation"],
        roles: &[&["parameters", "AutomationAssumeRole"]],
        names: &[&["associationDescription", "associationId"], &["associationId"], &["name"]],
        kind: "State Manager association",
        arn: ("ssm", "association/"),
        runs: None,
    },
    Way {
        source: "ssm.amazonaws.com",
        calls: &["CreateActivation"],
        roles: &[&["iamRole"]],
        names: &[&["defaultInstanceName"], &["description"]],
        kind: "hybrid activation",
        arn: ("ssm", "activation/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "ssm.amazonaws.com",
        calls: &["RegisterTaskWithMaintenanceWindow", "UpdateMaintenanceWindowTask"],
        roles: &[&["serviceRoleArn"]],
        names: &[&["windowId"]],
        kind: "maintenance window",
        arn: ("ssm", "maintenancewindow/"),
        runs: None,
    },
    Way {
        source: "codebuild.amazonaws.com",
        calls: &["CreateProject", "UpdateProject", "DeleteProject"],
        roles: &[&["serviceRole"]],
        names: &[&["name"]],
        kind: "build project",
        arn: ("codebuild", "project/"),
        runs: None,
    },
    Way {
        source: "codebuild.amazonaws.com",
        calls: &["StartBuild", "StartBuildBatch"],
        roles: &[&["serviceRoleOverride"]],
        names: &[&["projectName"]],
        kind: "build",
        arn: ("codebuild", "project/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "codepipeline.amazonaws.com",
        calls: &["CreatePipeline", "UpdatePipeline", "DeletePipeline"],
        roles: &[&["pipeline", "roleArn"]],
        names: &[&["pipeline", "name"], &["name"]],
        kind: "pipeline",
        arn: ("codepipeline", ""),
        runs: None,
    },
    Way {
        source: "glue.amazonaws.com",
        calls: &["CreateJob", "UpdateJob", "DeleteJob"],
        roles: &[&["role"], &["jobUpdate", "role"]],
        names: &[&["jobName"], &["name"]],
        kind: "Glue job",
        arn: ("glue", "job/"),
        runs: None,
    },
    Way {
        source: "glue.amazonaws.com",
        calls: &["CreateDevEndpoint", "DeleteDevEndpoint"],
        roles: &[&["roleArn"]],
        names: &[&["endpointName"]],
        kind: "Glue development endpoint",
        arn: ("glue", "devEndpoint/"),
        runs: None,
    },
    Way {
        source: "glue.amazonaws.com",
        calls: &["CreateSession"],
        roles: &[&["role"]],
        names: &[&["id"]],
        kind: "Glue session",
        arn: ("glue", "session/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "sagemaker.amazonaws.com",
        calls: &["CreateNotebookInstance", "UpdateNotebookInstance", "DeleteNotebookInstance"],
        roles: &[&["roleArn"]],
        names: &[&["notebookInstanceName"]],
        kind: "notebook",
        arn: ("sagemaker", "notebook-instance/"),
        runs: None,
    },
    Way {
        source: "sagemaker.amazonaws.com",
        calls: &["CreateProcessingJob", "CreateTrainingJob", "CreatePipeline", "CreateModel"],
        roles: &[&["roleArn"], &["executionRoleArn"]],
        names: &[&["processingJobName"], &["trainingJobName"], &["pipelineName"], &["modelName"]],
        kind: "SageMaker job or model",
        arn: ("sagemaker", "job/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "sagemaker.amazonaws.com",
        calls: &["CreateDomain", "UpdateDomain", "CreateUserProfile", "UpdateUserProfile"],
        roles: &[
            &["defaultUserSettings", "executionRole"],
            &["defaultUserSettingsForUpdate", "executionRole"],
            &["userSettings", "executionRole"],
        ],
        names: &[&["userProfileName"], &["domainId"], &["domainName"]],
        kind: "SageMaker domain or profile",
        arn: ("sagemaker", "domain/"),
        runs: None,
    },
    Way {
        source: "batch.amazonaws.com",
        calls: &["RegisterJobDefinition"],
        roles: &[&["containerProperties", "jobRoleArn"]],
        names: &[&["jobDefinitionName"]],
        kind: "Batch job definition",
        arn: ("batch", "job-definition/"),
        runs: None,
    },
    Way {
        source: "apprunner.amazonaws.com",
        calls: &["CreateService", "UpdateService"],
        roles: &[&["instanceConfiguration", "instanceRoleArn"]],
        names: &[&["serviceName"], &["serviceArn"]],
        kind: "App Runner service",
        arn: ("apprunner", "service/"),
        runs: None,
    },
    Way {
        source: "emr-serverless.amazonaws.com",
        calls: &["StartJobRun"],
        roles: &[&["executionRoleArn"]],
        names: &[&["name"], &["applicationId"]],
        kind: "EMR job",
        arn: ("emr-serverless", "/applications/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "emr-containers.amazonaws.com",
        calls: &["StartJobRun"],
        roles: &[&["executionRoleArn"]],
        names: &[&["name"], &["virtualClusterId"]],
        kind: "EMR job",
        arn: ("emr-containers", "/virtualclusters/"),
        runs: Some(Severity::High),
    },
    Way {
        source: "airflow.amazonaws.com",
        calls: &["CreateEnvironment", "UpdateEnvironment", "DeleteEnvironment"],
        roles: &[&["executionRoleArn"]],
        names: &[&["name"]],
        kind: "Airflow environment",
        arn: ("airflow", "environment/"),
        runs: None,
    },
    Way {
        source: "iot.amazonaws.com",
        calls: &["CreateRoleAlias", "UpdateRoleAlias", "DeleteRoleAlias"],
        roles: &[&["roleArn"]],
        names: &[&["roleAlias"]],
        kind: "IoT role alias",
        arn: ("iot", "rolealias/"),
        runs: None,
    },
    Way {
        source: "bedrock.amazonaws.com",
        calls: &["CreateAgent", "UpdateAgent", "DeleteAgent"],
        roles: &[&["agentResourceRoleArn"]],
        names: &[&["agent", "agentId"], &["agentId"], &["agentName"]],
        kind: "Bedrock agent",
        arn: ("bedrock", "agent/"),
        runs: None,
    },
    Way {
        source: "bedrock-agentcore.amazonaws.com",
        calls: &["CreateAgentRuntime", "UpdateAgentRuntime", "DeleteAgentRuntime"],
        roles: &[&["roleArn"]],
        names: &[&["agentRuntimeId"], &["agentRuntimeName"]],
        kind: "agent runtime",
        arn: ("bedrock-agentcore", "runtime/"),
        runs: None,
    },
    Way {
        source: "bedrock-agentcore.amazonaws.com",
        calls: &["CreateCodeInterpreter", "CreateBrowser", "DeleteCodeInterpreter", "DeleteBrowser"],
        roles: &[&["executionRoleArn"]],
        names: &[&["codeInterpreterId"], &["browserId"], &["name"]],
        kind: "code interpreter or browser",
        arn: ("bedrock-agentcore", "tool/"),
        runs: None,
    },
    Way {
        source: "ssm.amazonaws.com",
        calls: &["UpdateManagedInstanceRole"],
        roles: &[&["iamRole"]],
        names: &[&["instanceId"]],
        kind: "managed node",
        arn: ("ssm", "managed-instance/"),
        runs: None,
    },
    Way {
        source: "rds.amazonaws.com",
        calls: &["AddRoleToDBInstance"],
        roles: &[&["roleArn"]],
        names: &[&["dBInstanceIdentifier"]],
        kind: "database",
        arn: ("rds", "db:"),
        runs: None,
    },
    Way {
        source: "rds.amazonaws.com",
        calls: &["AddRoleToDBCluster"],
        roles: &[&["roleArn"]],
        names: &[&["dBClusterIdentifier"]],
        kind: "database cluster",
        arn: ("rds", "cluster:"),
        runs: None,
    },
    Way {
        source: "redshift.amazonaws.com",
        calls: &["ModifyClusterIamRoles"],
        roles: &[&["addIamRoles"]],
        names: &[&["clusterIdentifier"]],
        kind: "data warehouse",
        arn: ("redshift", "cluster:"),
        runs: None,
    },
    Way {
        source: "elasticbeanstalk.amazonaws.com",
        calls: &["AssociateEnvironmentOperationsRole"],
        roles: &[&["operationsRole"]],
        names: &[&["environmentName"]],
        kind: "Elastic Beanstalk environment",
        arn: ("elasticbeanstalk", "environment/"),
        runs: None,
    },
];

const fn on() -> [On; WAYS.len()] {
    let mut on = [On::Root; WAYS.len()];
    let mut i = 0;
    while i < WAYS.len() {
        on[i] = On::Call(WAYS[i].source, WAYS[i].calls);
        i += 1;
    }
    on
}

impl Rule for RoleGiven {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (source, call) = (record.event_source.or_empty(), record.event_name.or_empty());
        let Some(way) = WAYS.iter().find(|way| way.source == source && way.calls.contains(&call)) else {
            return Ok(());
        };
        let thing = way.thing(record);
        if call.starts_with("Delete") {
            if let Some((arn, name)) = thing.filter(|_| whole(record)) {
                cx.report(cx.passing(arn, format!("{} deleted {} {name}", caller_name(record), way.kind)));
            }
            return Ok(());
        }
        for role in way.roles(record) {
            // Only AWS makes these, and a service can do no more with one than it may anyway.
            if role.contains("/aws-service-role/") {
                continue;
            }
            let power = power_of(record, cx, role)?;
            match (&power, way.runs) {
                (Power::Unknown(_), _) if unattended(cx) => {}
                (_, Some(severity)) => ran(record, cx, way, (role, &power), severity),
                (_, None) => given(record, cx, way, (role, &power)),
            }
        }
        Ok(())
    }
}

impl Way {
    fn roles<'r>(&self, record: &'r Record<'_>) -> Vec<&'r str> {
        let mut found = Vec::new();
        for path in self.roles {
            // The targets of a rule are a list, each with a role.
            let (last, before) = (path[path.len() - 1], &path[..path.len() - 1]);
            let holders =
                if before.is_empty() { vec![record.request()] } else { items_at(record.request(), before) };
            let named = holders.into_iter().flat_map(|holder| texts_at(holder, &[last]));
            found.extend(named.filter(|role| directory::shown(role)));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// ARN and name of what the role was given to.
    fn thing(&self, record: &Record<'_>) -> Option<(String, String)> {
        let at = |value| self.names.iter().find_map(|path| text_at(value, path));
        let given = at(record.response()).or_else(|| at(record.request()))?;
        let name = match self.arn.1 {
            // Calls name a function by its name, its ARN, or either with a version.
            "function:" => {
                let name = given.rsplit_once("function:").map_or(given, |(_, name)| name);
                name.split(':').next().unwrap_or(name)
            }
            _ => last_part(given),
        };
        Some((record.arn(self.arn.0, &format!("{}{name}", self.arn.1)), name.to_owned()))
    }
}

/// Whether a deletion takes the thing as a whole and not one version of a function.
fn whole(record: &Record<'_>) -> bool {
    let name = record.param(&["functionName"]).unwrap_or_default();
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    record.param(&["qualifier"]).is_none() && !name.contains(':')
}

/// Whether it is the daily work of machines, of which nothing is said unless there is something to say.
fn unattended(cx: &Cx<'_>) -> bool {
    matches!(cx.automation(), Some(Automation::Service | Automation::Listed | Automation::Stack))
}

fn power_of(record: &Record<'_>, cx: &Cx<'_>, role: &str) -> Result<Power, Interrupt> {
    let foreign = Arn::parse(role).filter(|arn| arn.account != record.account());
    if let Some(arn) = foreign {
        return Ok(Power::Unknown(format!("the role is in account {}", arn.account)));
    }
    power::of_principal(cx, PrincipalKind::Role, last_part(role), None)
}

fn steps(seen: Observation, role: &str) -> Observation {
    let name = [("--role-name", last_part(role))];
    seen.step("What does the role hold?", "iam list-attached-role-policies", &name).step(
        "And besides?",
        "iam list-role-policies",
        &name,
    )
}

/// A thing that runs with the role from now on.
fn given(record: &Record<'_>, cx: &mut Cx<'_>, way: &Way, (role, power): (&str, &Power)) {
    let Some((arn, name)) = way.thing(record) else { return };
    let (who, short) = (caller_name(record), last_part(role));
    let known = matches!(power, Power::Known(_));
    if known && power.level() < Level::PrivilegeEscalation {
        // What is new has nothing to settle.
        if record.event_name.or_empty().starts_with("Update") {
            cx.report(cx.passing(arn, format!("{who} gave {} {name} role {short}", way.kind)));
        }
        return;
    }
    let holder = format!("{} {name}", capitalised(way.kind));
    let how = format!("{who} gave it role {short}");
    let report = GrantReport { most: Severity::High, ..GrantReport::now(&arn, &holder, &how) };
    let Some(seen) = power::observation(cx, power, &report) else { return };
    let seen = if known { seen } else { seen.severity(Severity::Low) };
    let seen = seen.detail("Role", role).detail_if("Target", record.param(&["target", "arn"]));
    cx.report(stop_caller(steps(seen, role), record));
}

/// Code that ran, or runs again and again, with the role.
fn ran(record: &Record<'_>, cx: &mut Cx<'_>, way: &Way, (role, power): (&str, &Power), severity: Severity) {
    let who = caller_name(record);
    let name = way.thing(record).map_or_else(String::new, |(_, name)| format!(" {name}"));
    let short = last_part(role);
    let arn = if role.starts_with("arn:") { role.to_owned() } else { record.iam_arn("role", role) };
    let did = format!("{who} had {} {}{name} run as role {short}", article(way.kind), way.kind);
    let seen = match power {
        Power::Known(grant) if grant.level >= Level::PrivilegeEscalation => cx
            .failing(arn, format!("{did}, which {}", grant.ability()))
            .severity(severity)
            .because(as_sentence(&grant.why())),
        Power::Known(_) => return,
        Power::Unknown(why) => cx
            .unknown(arn, format!("{did}, and what that role may do could not be read"))
            .severity(Severity::Low)
            .because(as_sentence(why)),
    };
    let seen = seen.aspect(way.kind).detail("Role", role);
    cx.report(stop_caller(steps(seen, role), record));
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Query, Value as Answered};

    const ROLE: &str = "arn:aws:iam::111122223333:role/team/ops";
    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    const ORDINARY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

    fn holds(policy: &str) -> [(Query, Answer); 1] {
        let query = Query::Principal { kind: PrincipalKind::Role, name: "ops".to_owned() };
        let holdings = Holdings { managed: vec![policy.to_owned()], ..Holdings::default() };
        [(query, Fact::Known(Answered::Holdings(holdings)))]
    }

    fn service(way: &Way) -> &'static str {
        way.source.trim_end_matches(".amazonaws.com")
    }

    /// The call with the role where the way says, and the thing called `x`.
    fn event(way: &Way, call_name: &str, role: &str) -> String {
        let mut request = json!({});
        let mut put = |path: &[&str], value: Value| {
            let mut at = &mut request;
            for key in path {
                at = &mut at[*key];
            }
            *at = value;
        };
        if let Some(path) = way.names.last() {
            put(path, json!("x"));
        }
        put(way.roles[0], json!(role));
        call(service(way), call_name, json!({"requestParameters": request}))
    }

    #[test]
    fn every_way_tells_what_the_role_is() {
        for way in &WAYS {
            for name in way.calls.iter().filter(|name| !name.starts_with("Delete")) {
                let event = event(way, name, ROLE);
                let seen = fired_with(&RoleGiven, &event, &holds(ADMIN));
                let expected = way.runs.unwrap_or(Severity::High);
                assert_eq!((seen.severity, seen.verdict), (expected, Verdict::Failing), "{event}");
                assert!(seen.title.contains("full administrator"), "{}", seen.title);
                let unread = fires_at(&RoleGiven, Severity::Low, &event);
                assert_eq!(unread.verdict, Verdict::Unknown);
                assert_eq!(unread.finding_id(), seen.finding_id());
                let ordinary = observe_with(&RoleGiven, &event, &holds(ORDINARY));
                assert!(ordinary.iter().all(|seen| seen.verdict == Verdict::Passing), "{ordinary:?}");
                assert_eq!(ordinary.len(), usize::from(name.starts_with("Update") && way.runs.is_none()));
            }
        }
    }

    fn function(name: &str, request: Value) -> String {
        call("lambda", name, json!({"requestParameters": request}))
    }

    #[test]
    fn titles_name_thing_and_role() {
        let made = function("CreateFunction20150331", json!({"functionName": "f", "role": ROLE}));
        let seen = fired_with(&RoleGiven, &made, &holds(ADMIN));
        assert_eq!(seen.title, "Lambda function f is now a full administrator: alice gave it role ops");
        assert_eq!(seen.subject.resource, "arn:aws:lambda:us-east-1:111122223333:function:f");
        let stack = json!({"requestParameters": {"stackName": "shop", "roleARN": ROLE}});
        let stack = fired_with(&RoleGiven, &call("cloudformation", "CreateChangeSet", stack), &holds(ADMIN));
        assert_eq!(
            stack.title,
            "alice had a CloudFormation stack shop run as role ops, which is a full administrator"
        );
        assert_eq!(stack.subject.resource, ROLE);
        // A name alone is a role of this account, and one of several targets may have it.
        let targets = json!({"requestParameters": {"rule": "nightly", "targets": [
            {"id": "1", "arn": "arn:aws:lambda:us-east-1:111122223333:function:f"}, {"id": "2", "roleArn": "ops"}]}});
        let targets = fired_with(&RoleGiven, &call("events", "PutTargets", targets), &holds(ADMIN));
        assert!(targets.title.starts_with("Target of event rule nightly is now"), "{}", targets.title);
        let automation = json!({"requestParameters": {"documentName": "AWS-RunPatch",
            "parameters": {"AutomationAssumeRole": [ROLE]}}});
        fired_with(&RoleGiven, &call("ssm", "StartAutomationExecution", automation), &holds(ADMIN));
    }

    #[test]
    fn another_role_or_the_deletion_settles_it() {
        let made = function("CreateFunction20150331", json!({"functionName": "f", "role": ROLE}));
        let open = fired_with(&RoleGiven, &made, &holds(ADMIN));
        let arn = "arn:aws:lambda:us-east-1:111122223333:function:f";
        let changed =
            function("UpdateFunctionConfiguration20150331v2", json!({"functionName": arn, "role": ROLE}));
        let deleted = function("DeleteFunction20150331", json!({"functionName": "f"}));
        for (event, account) in [(changed, holds(ORDINARY)), (deleted, holds(ADMIN))] {
            let gone = observe_with(&RoleGiven, &event, &account);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), open.finding_id());
        }
        let version = function("DeleteFunction20150331", json!({"functionName": "f", "qualifier": "3"}));
        quiet(&RoleGiven, &[version]);
    }

    #[test]
    fn machines_are_told_of_only_where_there_is_power() {
        let request = json!({"functionName": "f", "role": ROLE});
        let by = json!({"invokedBy": "cloudformation.amazonaws.com"});
        let event = call(
            "lambda",
            "CreateFunction20150331",
            json!({"requestParameters": request, "userIdentity": by}),
        );
        assert!(observe(&RoleGiven, &event).is_empty());
        assert_eq!(fired_with(&RoleGiven, &event, &holds(ADMIN)).severity, Severity::High);
    }

    #[test]
    fn stays_quiet() {
        let linked =
            "arn:aws:iam::111122223333:role/aws-service-role/pipes.amazonaws.com/AWSServiceRoleForPipes";
        quiet(
            &RoleGiven,
            &[
                function("UpdateFunctionConfiguration20150331v2", json!({"functionName": "f", "timeout": 3})),
                function("CreateFunction20150331", json!(null)),
                function("CreateFunction20150331", json!({"functionName": "f", "role": {"arn": ROLE}})),
                function("CreateFunction20150331", json!({"functionName": "f", "role": linked})),
                failed_call(
                    "lambda",
                    "CreateFunction20150331",
                    "AccessDeniedException",
                    json!({"requestParameters": {"functionName": "f", "role": ROLE}}),
                ),
                call(
                    "ecs",
                    "RunTask",
                    json!({"requestParameters": {"taskDefinition": "x", "overrides": {}}}),
                ),
                call("cloudformation", "CreateStack", json!({"requestParameters": {"stackName": "shop"}})),
                call(
                    "ssm",
                    "StartAutomationExecution",
                    json!({"requestParameters": {"documentName": "x",
                    "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"}}),
                ),
            ],
        );
        // A role of another account is not to be read here.
        let foreign = json!({"functionName": "f", "role": "arn:aws:iam::444455556666:role/ops"});
        let seen = fired_with(&RoleGiven, &function("CreateFunction20150331", foreign), &holds(ADMIN));
        assert_eq!((seen.severity, seen.verdict), (Severity::Low, Verdict::Unknown));
    }
}
