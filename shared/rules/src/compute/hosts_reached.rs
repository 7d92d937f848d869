use serde_json::Value;

use super::common::at_the_first_time;
use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One caller reached ten or more different instances within ten minutes: with scripts through Systems Manager Run
    /// Command or State Manager, with sessions, with keys pushed by EC2 Instance Connect, or by reading their Windows passwords; commands in
    /// ECS tasks count as well. Or it
    /// ran a script on all instances, or on all with a certain tag. `threshold` changes the number. A single script, session,
    /// key or password is low, one finding for each caller, and medium where nobody has seen the caller make this call
    /// before. Passwords count even where they were refused. Who has made such calls before is read from CloudTrail's event
    /// history at first start, two weeks back.
    /// ## Why it matters
    /// A script through Systems Manager runs as the machine's administrator, needs no open port and no password, and
    /// leaves no sign-in. It is the shortest way from one stolen key to every machine.
    /// ## What to do
    /// Read the command in the history of Systems Manager, and ask the caller. Stop the caller's credentials if nobody
    /// knows it.
    /// ## False positives
    /// Deployments and maintenance by script: name their roles as `automation`. AWS's own documents for patching and
    /// inventory are not counted. Somebody who works on a machine is what the low findings mostly are; they are not mailed. A new
    /// colleague's first session is one mail.
    HostsReached {
        id: "compute-many-hosts-reached",
        title: "One caller ran commands on many instances",
        severity: Medium,
        confidence: Medium,
        catalogue: ["EXEC-05", "EXEC-06", "EXEC-12"],
        references: [
            attack(&["T1651"]),
            attack(&["T1021.004"]),
            attack(&["T1552"]),
            doc(&["AWS Systems Manager API Reference: SendCommand"]),
        ],
        on: [
            On::Call("ssm.amazonaws.com", &["SendCommand", "StartSession", "CreateAssociation"]),
            On::Call("ec2-instance-connect.amazonaws.com", &["SendSSHPublicKey"]),
            On::Call("ecs.amazonaws.com", &["ExecuteCommand"]),
            On::Read("ec2.amazonaws.com", &["GetPasswordData"]),
        ],
        failed_calls: true,
    }
}

/// How many hosts are too many.
const MANY: usize = 10;

/// AWS's documents that run or install what the caller brings. A document of the account's own may do the same.
const SCRIPTS: [&str; 13] = [
    "AWS-RunShellScript",
    "AWS-RunPowerShellScript",
    "AWS-RunRemoteScript",
    "AWS-RunDocument",
    "AWS-RunSaltState",
    "AWS-RunAnsiblePlaybook",
    "AWS-ApplyAnsiblePlaybooks",
    "AWS-ApplyChefRecipes",
    "AWS-ApplyDSCMofs",
    "AWS-RunDockerAction",
    "AWS-InstallApplication",
    "AWS-InstallPowerShellModule",
    "AWS-ConfigureAWSPackage",
];

impl Rule for HostsReached {
    /// A refused command reached nobody. A series of refused passwords is somebody who tries one machine after another.
    fn prefilter(&self, header: &RecordHeader<'_>) -> bool {
        !header.failed() || header.name == "GetPasswordData"
    }

    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let name = record.event_name.or_empty();
        // What is to run again and again names its document otherwise.
        let document = record.param(&[if name == "CreateAssociation" { "name" } else { "documentName" }]);
        let short = document.map(|document| document.rsplit("document/").next().unwrap_or(document));
        let routine = matches!(name, "SendCommand" | "CreateAssociation")
            && short.is_some_and(|document| document.starts_with("AWS") && !SCRIPTS.contains(&document));
        if routine || cx.by_service() {
            return Ok(());
        }
        let by = acting_principal(record);
        let hosts = hosts(record);
        let threshold = cx.threshold(MANY);
        let mut count = hosts.len();
        for host in hosts.iter().filter(|_| hosts.len() < threshold) {
            count = count.max(cx.count_distinct(by, host, TEN_MINUTES)?.count);
        }
        let targets = targets(record);
        if count < threshold && targets.is_none() {
            if let Some(host) = hosts.first().filter(|_| by_a_person(record, cx)) {
                let seen = at_the_first_time(one(record, cx, by, host), cx.first_time_of_caller()?);
                cx.report(stop_caller(seen, record));
            }
            return Ok(());
        }
        let who = caller_name(record);
        let title = match &targets {
            Some(targets) if count < threshold => {
                format!("{who} ran a script on all instances with {targets}")
            }
            _ => format!("{who} reached {count} instances within ten minutes, now by {name}"),
        };
        let seen = cx
            .failing(by, title)
            .because("Commands like these run as administrator. On so many machines it is a deployment, or a take-over.")
            .detail_if("Document", document)
            .detail_if("The latest instance", hosts.last().copied())
            .step("Which commands were sent, and what do they say?", "ssm list-commands", &[region_option(record)]);
        let seen = what_else(seen, record);
        let command = text_at(record.response(), &["command", "commandId"]);
        let seen = match command {
            Some(id) => seen.step(
                "Stop it where it has not run yet",
                "ssm cancel-command",
                &[region_option(record), ("--command-id", id)],
            ),
            None => seen,
        };
        cx.report(cx.tempered(stop_caller(seen, record)));
        Ok(())
    }
}

/// Whether nothing but a person is likely to act so. Whatever names itself a tool may be one.
fn by_a_person(record: &Record<'_>, cx: &Cx<'_>) -> bool {
    !record.failed()
        && record.user_identity.invoked_by.get().is_none()
        && matches!(cx.automation(), None | Some(Automation::Agent))
}

/// One instance that somebody reached.
fn one(record: &Record<'_>, cx: &Cx<'_>, by: &str, host: &str) -> Observation {
    let did = match record.event_name.or_empty() {
        "SendCommand" => "ran a script on instance",
        "CreateAssociation" => "has a script run again and again on instance",
        "StartSession" => "opened a session on instance",
        "SendSSHPublicKey" => "pushed a key to instance",
        "ExecuteCommand" => "ran a command in ECS task",
        _ => "read the Windows password of instance",
    };
    let seen = cx
        .failing(by, format!("{} {did} {host}", caller_name(record)))
        .aspect("one by one")
        .severity(Severity::Low)
        .because("Kept for whoever asks later who was on which machine.")
        .detail("Instance", host)
        .detail_if("Document", record.param(&["documentName"]));
    what_else(seen, record)
}

/// The instances that the call names.
fn hosts<'r>(record: &'r Record<'_>) -> Vec<&'r str> {
    let keys = ["instanceId", "target", "task"];
    let one = keys.iter().find_map(|key| record.param(&[key])).map(last_part);
    let many = items_at(record.request(), &["instanceIds"]).into_iter().filter_map(Value::as_str);
    let named =
        targeted(record).into_iter().filter(|(key, _)| *key == "InstanceIds").flat_map(|(_, values)| values);
    let all = one.into_iter().chain(many).chain(named).filter(|host| *host != "*");
    let mut all: Vec<&str> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Targets that are no list of instances: a tag, or every instance. How many those are, the event does not tell.
fn targets(record: &Record<'_>) -> Option<String> {
    targeted(record)
        .into_iter()
        .find(|(key, values)| *key != "InstanceIds" || values.contains(&"*"))
        .map(|(key, values)| format!("{key} {}", values.join(", ")))
}

fn targeted<'r>(record: &'r Record<'_>) -> Vec<(&'r str, Vec<&'r str>)> {
    items_at(record.request(), &["targets"])
        .into_iter()
        .filter_map(|target| {
            let values = items_at(target, &["values"]).into_iter().filter_map(Value::as_str).collect();
            Some((text_at(target, &["key"])?, values))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn send(changes: Value) -> String {
        let mut request =
            json!({"documentName": "AWS-RunShellScript", "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"});
        for (key, value) in changes.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        let response = json!({"command": {"commandId": "a1b2c3d4-e5f6-7890-1234-567890abcdef"}});
        call("ssm", "SendCommand", json!({"requestParameters": request, "responseElements": response}))
    }

    fn ids(count: usize) -> Value {
        (0..count).map(|i| json!(format!("i-{i}"))).collect()
    }

    #[test]
    fn fires() {
        let many = fires_at(&HostsReached, Severity::Medium, &send(json!({"instanceIds": ids(10)})));
        assert_eq!(many.title, "alice reached 10 instances within ten minutes, now by SendCommand");
        assert!(many.steps[2].command.contains("cancel-command"), "{:?}", many.steps);
        let all = send(json!({"targets": [{"key": "InstanceIds", "values": ["*"]}]}));
        assert_eq!(
            fired(&HostsReached, &all).title,
            "alice ran a script on all instances with InstanceIds *"
        );
        let tag = send(json!({"targets": {"key": "tag:env", "values": ["prod"]}}));
        assert_eq!(fired(&HostsReached, &tag).title, "alice ran a script on all instances with tag:env prod");
        for document in
            ["own-document", "AWS-RunDocument", "AWS-InstallApplication", "AWS-ConfigureAWSPackage"]
        {
            fired(&HostsReached, &send(json!({"documentName": document, "instanceIds": ids(10)})));
        }
    }

    #[test]
    fn one_after_the_other() {
        for (source, name, request) in [
            ("ssm", "SendCommand", json!({"documentName": "AWS-RunShellScript", "instanceIds": ["i-1"]})),
            ("ssm", "StartSession", json!({"target": "i-1"})),
            ("ec2-instance-connect", "SendSSHPublicKey", json!({"instanceId": "i-1", "osUser": "ec2-user"})),
            ("ec2", "GetPasswordData", json!({"instanceId": "i-1"})),
            (
                "ecs",
                "ExecuteCommand",
                json!({"task": "arn:aws:ecs:us-east-1:111122223333:task/c/i-1", "command": "sh"}),
            ),
        ] {
            let event = call(source, name, json!({"requestParameters": request}));
            let window = |count| [among(&HostsReached, ALICE, "i-1", TEN_MINUTES, count)];
            let seen = fired_with(&HostsReached, &event, &window(10));
            assert_eq!(seen.title, format!("alice reached 10 instances within ten minutes, now by {name}"));
            let few = fired_with(&HostsReached, &event, &window(9));
            assert_eq!((few.severity, few.subject.aspect.as_deref()), (Severity::Low, Some("one by one")));
            for (before, severity) in [(true, Severity::Low), (false, Severity::Medium)] {
                let facts = [&window(9)[..], &[known_caller(&event, before)]].concat();
                let seen = observe_with(&HostsReached, &event, &facts);
                assert_eq!((seen.len(), seen[0].severity), (1, severity), "{event}");
                assert_eq!(seen[0].subject, few.subject);
            }
            let listed =
                event.replace("\"userIdentity\":{", "\"userIdentity\":{\"invokedBy\":\"ssm.amazonaws.com\",");
            assert!(observe_with(&HostsReached, &listed, &window(9)).is_empty());
            let refused = event.replace(
                "\"requestParameters\"",
                "\"errorCode\":\"Client.UnauthorizedOperation\",\"requestParameters\"",
            );
            let told = observe_with(&HostsReached, &refused, &window(10)).len();
            assert_eq!(told, usize::from(name == "GetPasswordData"), "{refused}");
            assert!(observe_with(&HostsReached, &refused, &window(9)).is_empty());
        }
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &HostsReached,
            &[
                send(json!({"documentName": "AWS-RunPatchBaseline", "instanceIds": ids(50)})),
                send(json!({"documentName": "arn:aws:ssm:us-east-1::document/AWS-GatherSoftwareInventory",
                    "targets": [{"key": "InstanceIds", "values": ["*"]}]})),
                send(json!({"instanceIds": null, "targets": null})),
                call("ssm", "SendCommand", json!({"requestParameters": null})),
                call("ec2", "GetPasswordData", json!({"requestParameters": {"instanceId": ["i-1"]}})),
                call(
                    "ssm",
                    "SendCommand",
                    json!({"errorCode": "AccessDenied", "requestParameters":
                    {"documentName": "AWS-RunShellScript", "instanceIds": ids(50)}}),
                ),
                call(
                    "ssm",
                    "SendCommand",
                    json!({"userIdentity": {"type": "AWSService"}, "requestParameters":
                    {"documentName": "AWS-RunShellScript", "instanceIds": ids(50)}}),
                ),
            ],
        );
    }

    #[test]
    fn a_script_that_runs_again_and_again_counts() {
        let association = |document: &str, targets: serde_json::Value| {
            asked("ssm", "CreateAssociation", json!({"name": document, "targets": targets}))
        };
        let all = json!([{"key": "InstanceIds", "values": ["*"]}]);
        let seen = fires_at(&HostsReached, Severity::Medium, &association("AWS-RunShellScript", all.clone()));
        assert_eq!(seen.title, "alice ran a script on all instances with InstanceIds *");
        // What quick setup makes for every account.
        quiet(
            &HostsReached,
            &[
                association("AWS-GatherSoftwareInventory", all.clone()),
                association("AWS-UpdateSSMAgent", all),
            ],
        );
    }
}
