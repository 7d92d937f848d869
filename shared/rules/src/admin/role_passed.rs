use keepwatch_policy::Level;
use serde_json::Value;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// An EC2 instance was given a role that is administrator or can become one: it was started with such an instance
    /// profile, its profile was set or exchanged, a launch template or configuration names such a profile, or such a role
    /// was put into a profile. What the role holds is read from the account. Taking the role or the profile away settles
    /// the finding, and so does terminating the instance.
    /// ## Why it matters
    /// Everybody who can run a command on the instance, or make a server on it fetch an address of their choice, gets
    /// the role's credentials from the metadata service. Passing an existing administrator role to one's own instance
    /// is an escalation that changes no policy at all.
    /// ## What to do
    /// Ask the caller what the instance needs the role for. If nobody knows: take the profile off the instance, revoke
    /// the role's sessions, and see who can log in to the instance.
    /// ## False positives
    /// Build servers and bastions that were made administrators on purpose; they are better off with less. Ordinary
    /// roles are not reported; a role that cannot be read is kept on record as LOW and mailed to nobody, because
    /// instance profiles are daily work. What Auto Scaling and other services start is not looked at: the launch template
    /// was.
    RolePassed {
        id: "admin-role-passed-to-instance",
        title: "An EC2 instance got a role with administrative power",
        severity: High,
        confidence: High,
        catalogue: ["ADM-17"],
        references: [cis("3.0", &["1.18"]), cis("5.0", &["1.17"]), attack(&["T1548"])],
        on: [
            On::Call("iam.amazonaws.com", &["AddRoleToInstanceProfile", "RemoveRoleFromInstanceProfile"]),
            On::Call("ec2.amazonaws.com", &[
                "AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation", "DisassociateIamInstanceProfile",
                "RunInstances", "TerminateInstances", "CreateLaunchTemplate", "CreateLaunchTemplateVersion",
                "DeleteLaunchTemplate",
            ]),
            On::Call("autoscaling.amazonaws.com", &["CreateLaunchConfiguration", "DeleteLaunchConfiguration"]),
            On::Call("elasticmapreduce.amazonaws.com", &["RunJobFlow"]),
        ],
    }
}

impl Rule for RolePassed {
    fn record(&self, record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (who, gone) = (caller_name(record), power::takes_away(record));
        if record.event_source.or_empty() == "iam.amazonaws.com" {
            let (Some(profile), Some(role)) =
                (record.param(&["instanceProfileName"]), record.param(&["roleName"]))
            else {
                return Ok(());
            };
            let resource = record.iam_arn("instance-profile", profile);
            if gone {
                cx.report(
                    cx.passing(
                        &resource,
                        format!("{who} took role {role} out of instance profile {profile}"),
                    ),
                );
                return Ok(());
            }
            let power = power::of_principal(cx, PrincipalKind::Role, role, None)?;
            let holder = format!("Every EC2 instance with profile {profile}");
            let how = format!("{who} put role {role} into the profile");
            let remove = "iam remove-role-from-instance-profile";
            let options = [("--instance-profile-name", profile), ("--role-name", role)];
            report(
                record,
                cx,
                &power,
                &GrantReport { most: Severity::High, ..GrantReport::now(&resource, &holder, &how) },
                remove,
                &options,
            );
            return Ok(());
        }
        match record.event_name.or_empty() {
            "RunInstances" => return started(record, cx),
            "TerminateInstances" => {
                // Auto Scaling ends as many as it starts.
                if !cx.by_service() {
                    for instance in items_at(record.request(), &["instancesSet"]) {
                        let Some(id) = text_at(instance, &["instanceId"]) else { continue };
                        let arn = record.arn("ec2", &format!("instance/{id}"));
                        cx.report(cx.passing(arn, format!("{who} terminated EC2 instance {id}")));
                    }
                }
                return Ok(());
            }
            event if event.contains("Launch") || event == "RunJobFlow" => return template(record, cx),
            _ => {}
        }
        // EC2 wraps some requests in an element of the request's name; the association's instance may stand only in
        // the response.
        let text =
            |key| [record.request(), record.response()].into_iter().find_map(|at| find(at, key)?.as_str());
        let instance = text("instanceId").or_else(|| text("associationId")).unwrap_or("not named");
        let place = (record.partition(), record.aws_region.or_empty(), record.account());
        let resource = format!("arn:{}:ec2:{}:{}:instance/{instance}", place.0, place.1, place.2);
        if gone {
            cx.report(
                cx.passing(&resource, format!("{who} took the instance profile off EC2 instance {instance}")),
            );
            return Ok(());
        }
        let wanted = find(record.request(), "iamInstanceProfile");
        let arn = wanted.and_then(|profile| find(profile, "arn")).and_then(Value::as_str);
        let named = wanted.and_then(|profile| find(profile, "name")).and_then(Value::as_str);
        let Some(profile) = named.or_else(|| arn?.rsplit('/').next()).filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        let (roles, power) = of_profile(cx, profile)?;
        let holder = format!("EC2 instance {instance}");
        let how = format!("{who} gave it {roles} by instance profile {profile}");
        let association = text("associationId").unwrap_or("ASSOCIATION_ID");
        let grant_report = GrantReport { most: Severity::High, ..GrantReport::now(&resource, &holder, &how) };
        let options = [("--region", place.1), ("--association-id", association)];
        report(record, cx, &power, &grant_report, "ec2 disassociate-iam-instance-profile", &options);
        Ok(())
    }
}

/// The instance profile that a call names, in any of its forms: a name, an ARN, or an object with either.
fn profile_in(value: &Value) -> Option<&str> {
    let named = ["iamInstanceProfile", "jobFlowRole"].iter().find_map(|key| find(value, key))?;
    let object = || ["arn", "name"].iter().find_map(|key| text_at(named, &[key]));
    Some(last_part(named.as_str().or_else(object)?)).filter(|name| !name.is_empty())
}

/// Instances that were started with a profile.
fn started(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    // Auto Scaling, Spot and fleets start them, in whosever name; a stack's instances are its maker's.
    let by = record.user_identity.invoked_by.get();
    let scaling = by.is_some_and(|by| by != "cloudformation.amazonaws.com");
    if scaling || cx.by_service() {
        return Ok(());
    }
    let made = items_at(record.response(), &["instancesSet"]);
    let profile = profile_in(record.request()).or_else(|| made.iter().find_map(|one| profile_in(one)));
    let Some(profile) = profile else { return Ok(()) };
    let ids: Vec<&str> = made.iter().filter_map(|one| text_at(one, &["instanceId"])).collect();
    let (resource, holder) = match ids[..] {
        [one] => (record.arn("ec2", &format!("instance/{one}")), format!("EC2 instance {one}")),
        _ => (
            record.iam_arn("instance-profile", profile),
            format!("Every EC2 instance with profile {profile}"),
        ),
    };
    let (roles, power) = of_profile(cx, profile)?;
    let how = format!(
        "{} started {} with {roles} by instance profile {profile}",
        caller_name(record),
        match ids.len() {
            0 | 1 => "it".to_owned(),
            count => format!("{count} of them"),
        }
    );
    let grant_report = GrantReport { most: Severity::High, ..GrantReport::now(&resource, &holder, &how) };
    let instances =
        [region_option(record), ("--instance-ids", ids.first().copied().unwrap_or("INSTANCE_ID"))];
    report(record, cx, &power, &grant_report, "ec2 terminate-instances", &instances);
    Ok(())
}

/// A launch template or configuration, or a cluster, that gives its instances a profile.
fn template(record: &Record<'_>, cx: &mut Cx<'_>) -> Outcome {
    let (who, event) = (caller_name(record), record.event_name.or_empty());
    let named = |keys: &[&str]| {
        let at = [record.response(), record.request()];
        keys.iter().find_map(|key| at.iter().find_map(|value| find(value, key)?.as_str()))
    };
    let (name, arn, kind) = match event {
        "RunJobFlow" => {
            let Some(name) = named(&["jobFlowId", "name"]) else { return Ok(()) };
            (name, record.arn("elasticmapreduce", &format!("cluster/{name}")), "EMR cluster")
        }
        _ if event.ends_with("LaunchConfiguration") => {
            let Some(name) = named(&["launchConfigurationName"]) else { return Ok(()) };
            (name, record.arn("autoscaling", &format!("launchConfiguration/{name}")), "launch configuration")
        }
        _ => {
            let Some(name) = named(&["launchTemplateId", "launchTemplateName"]) else { return Ok(()) };
            (name, record.arn("ec2", &format!("launch-template/{name}")), "launch template")
        }
    };
    if event.starts_with("Delete") {
        cx.report(cx.passing(&arn, format!("{who} deleted {kind} {name}")));
        return Ok(());
    }
    let Some(profile) = profile_in(record.request()) else { return Ok(()) };
    let (roles, power) = of_profile(cx, profile)?;
    if matches!(power, Power::Unknown(_)) && cx.automation().is_some_and(|by| by != Automation::Agent) {
        return Ok(());
    }
    let holder = format!("Every EC2 instance of {kind} {name}");
    let how = format!("{who} gave it {roles} by instance profile {profile}");
    let grant_report = GrantReport { most: Severity::High, ..GrantReport::now(&arn, &holder, &how) };
    let options = [("--instance-profile-name", profile)];
    report(record, cx, &power, &grant_report, "iam get-instance-profile", &options);
    Ok(())
}

fn report(
    record: &Record<'_>,
    cx: &mut Cx<'_>,
    power: &Power,
    grant_report: &GrantReport<'_>,
    remove: &str,
    options: &[(&str, &str)],
) {
    let known = matches!(power, Power::Known(_));
    if known && power.level() < Level::PrivilegeEscalation {
        return;
    }
    let Some(mut seen) = power::observation(cx, power, grant_report) else { return };
    if !known {
        seen = seen.severity(Severity::Low);
    }
    let purpose = match remove {
        "iam get-instance-profile" => "Which roles are in the profile?",
        "ec2 terminate-instances" => "If nobody knows the instance, end it",
        _ => "Remove the role",
    };
    cx.report(stop_caller(seen.step(purpose, remove, options), record));
}

/// The roles of an instance profile, as a sentence names them, and what they hold.
fn of_profile(cx: &Cx<'_>, profile: &str) -> Result<(String, Power), Interrupt> {
    let why = match cx.facts.instance_profile(profile)? {
        Fact::Known(roles) if roles.is_empty() => {
            "the instance profile held no role when Keepwatch looked".to_owned()
        }
        Fact::Known(roles) => {
            let powers = roles.iter().map(|role| power::of_principal(cx, PrincipalKind::Role, role, None));
            let powers: Vec<Power> = powers.collect::<Result<_, _>>()?;
            let worst = powers.into_iter().reduce(Power::or_worse);
            let worst =
                worst.unwrap_or_else(|| Power::Unknown("the instance profile holds no role".to_owned()));
            return Ok((format!("role {}", roles.join(" and role ")), worst));
        }
        Fact::Missing => "the instance profile was gone when Keepwatch looked".to_owned(),
        Fact::Unavailable(why) => format!("the instance profile could not be read ({why})"),
    };
    Ok(("a role".to_owned(), Power::Unknown(why)))
}

/// The value of this member, on the first level that has it, however deep; its name in any case.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    let here = object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    here.or_else(|| object.values().find_map(|inner| find(inner, key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::*;
    use keepwatch_core::state::{Answer, Holdings, Query, Value as Answered};

    const ADMIN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

    fn add() -> String {
        let parameters = json!({"instanceProfileName": "web", "roleName": "ops"});
        call("iam", "AddRoleToInstanceProfile", json!({"requestParameters": parameters}))
    }

    fn associate() -> String {
        call(
            "ec2",
            "AssociateIamInstanceProfile",
            json!({"awsRegion": "eu-west-1", "requestParameters": {
                "AssociateIamInstanceProfileRequest": {"IamInstanceProfile": {"Name": "web"}, "InstanceId": "i-0abc"},
            }}),
        )
    }

    fn replace() -> String {
        call(
            "ec2",
            "ReplaceIamInstanceProfileAssociation",
            json!({
                "requestParameters": {"ReplaceIamInstanceProfileAssociationRequest": {
                    "AssociationId": "iip-assoc-0",
                    "IamInstanceProfile": {"Arn": "arn:aws:iam::111122223333:instance-profile/team/web"},
                }},
                "responseElements": {"ReplaceIamInstanceProfileAssociationResponse": {"iamInstanceProfileAssociation": {
                    "associationId": "iip-assoc-0", "instanceId": "i-0abc", "state": "associating",
                }}},
            }),
        )
    }

    fn account(policy: &str) -> [(Query, Answer); 2] {
        let holdings = Holdings { managed: vec![policy.to_owned()], ..Holdings::default() };
        [
            (
                Query::InstanceProfile { name: "web".to_owned() },
                Fact::Known(Answered::Names(vec!["ops".to_owned()])),
            ),
            (
                Query::Principal { kind: PrincipalKind::Role, name: "ops".to_owned() },
                Fact::Known(Answered::Holdings(holdings)),
            ),
        ]
    }

    #[test]
    fn fires() {
        for event in [add(), associate(), replace()] {
            let seen = fired_with(&RolePassed, &event, &account(ADMIN));
            assert_eq!((seen.severity, seen.verdict), (Severity::High, Verdict::Failing));
            let unread = fires_at(&RolePassed, Severity::Low, &event);
            assert_eq!(unread.verdict, Verdict::Unknown);
        }
        let seen = fired_with(&RolePassed, &associate(), &account(ADMIN));
        assert_eq!(seen.subject.resource, "arn:aws:ec2:eu-west-1:111122223333:instance/i-0abc");
        assert_eq!(
            seen.title,
            "EC2 instance i-0abc is now a full administrator: alice gave it role ops by instance profile web"
        );
        assert!(fired_with(&RolePassed, &replace(), &account(ADMIN)).title.contains("i-0abc"));
        let flat = call(
            "ec2",
            "AssociateIamInstanceProfile",
            json!({"requestParameters": {
                "instanceId": "i-0abc", "iamInstanceProfile": {"name": "web"},
            }}),
        );
        assert_eq!(fired_with(&RolePassed, &flat, &account(ADMIN)).severity, Severity::High);
    }

    #[test]
    fn taking_it_away_settles_it() {
        let request = json!({"instanceProfileName": "web", "roleName": "ops"});
        let remove = call("iam", "RemoveRoleFromInstanceProfile", json!({"requestParameters": request}));
        let off = call(
            "ec2",
            "DisassociateIamInstanceProfile",
            json!({
                "awsRegion": "eu-west-1",
                "requestParameters": {"DisassociateIamInstanceProfileRequest": {"AssociationId": "iip-assoc-0"}},
                "responseElements": {"DisassociateIamInstanceProfileResponse": {"iamInstanceProfileAssociation": {
                    "associationId": "iip-assoc-0", "instanceId": "i-0abc", "state": "disassociating",
                }}},
            }),
        );
        for (undo, made) in [(remove, add()), (off, associate())] {
            let gone = observe(&RolePassed, &undo);
            assert_eq!((gone.len(), gone[0].verdict), (1, Verdict::Passing));
            assert_eq!(gone[0].finding_id(), fired_with(&RolePassed, &made, &account(ADMIN)).finding_id());
        }
    }

    fn run(profile: Value, instances: &[&str]) -> String {
        let set: Vec<Value> = instances.iter().map(|id| json!({"instanceId": id})).collect();
        let request = json!({"instanceType": "t3.micro", "iamInstanceProfile": profile});
        let event =
            json!({"requestParameters": request, "responseElements": {"instancesSet": {"items": set}}});
        call("ec2", "RunInstances", event)
    }

    #[test]
    fn a_profile_at_the_launch_is_one_as_well() {
        for profile in [
            json!("web"),
            json!({"name": "web"}),
            json!({"arn": "arn:aws:iam::111122223333:instance-profile/team/web"}),
        ] {
            let event = run(profile, &["i-0abc"]);
            let seen = fired_with(&RolePassed, &event, &account(ADMIN));
            assert_eq!(seen.severity, Severity::High);
            let title = "EC2 instance i-0abc is now a full administrator: alice started it with role ops by instance profile web";
            assert_eq!(seen.title, title);
            assert_eq!(seen.subject.resource, "arn:aws:ec2:us-east-1:111122223333:instance/i-0abc");
            fires_at(&RolePassed, Severity::Low, &event);
            let ended = json!({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-0abc"}]}}});
            let ended = observe(&RolePassed, &call("ec2", "TerminateInstances", ended));
            assert_eq!((ended.len(), ended[0].verdict), (1, Verdict::Passing));
            assert_eq!(ended[0].finding_id(), seen.finding_id());
        }
        let many = fired_with(&RolePassed, &run(json!("web"), &["i-1", "i-2"]), &account(ADMIN));
        assert_eq!(many.subject.resource, "arn:aws:iam::111122223333:instance-profile/web");
        let reader = account("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore");
        assert!(observe_with(&RolePassed, &run(json!("web"), &["i-1"]), &reader).is_empty());
        quiet(&RolePassed, &[run(json!(null), &["i-1"]), run(json!(7), &["i-1"]), run(json!({}), &["i-1"])]);
        let scaling = run(json!("web"), &["i-1"])
            .replace("\"userIdentity\":{", "\"userIdentity\":{\"invokedBy\":\"autoscaling.amazonaws.com\",");
        assert!(observe_with(&RolePassed, &scaling, &account(ADMIN)).is_empty());
    }

    #[test]
    fn what_starts_instances_later_is_looked_at() {
        let data = json!({"IamInstanceProfile": {"Name": "web"}, "UserData": "<sensitiveDataRemoved>"});
        let request = json!({"CreateLaunchTemplateVersionRequest": {"LaunchTemplateId": "lt-1", "LaunchTemplateData": data}});
        let version = call("ec2", "CreateLaunchTemplateVersion", json!({"requestParameters": request}));
        let seen = fired_with(&RolePassed, &version, &account(ADMIN));
        assert!(
            seen.title.starts_with("Every EC2 instance of launch template lt-1 is now"),
            "{}",
            seen.title
        );
        fires_at(&RolePassed, Severity::Low, &version);
        let gone =
            json!({"requestParameters": {"DeleteLaunchTemplateRequest": {"LaunchTemplateId": "lt-1"}}});
        let gone = observe(&RolePassed, &call("ec2", "DeleteLaunchTemplate", gone));
        assert_eq!((gone[0].verdict, gone[0].finding_id()), (Verdict::Passing, seen.finding_id()));
        let configuration = json!({"launchConfigurationName": "c", "iamInstanceProfile": "web"});
        let cluster = json!({"name": "etl", "jobFlowRole": "web", "serviceRole": "EMR_DefaultRole"});
        for (source, name, request) in [
            ("autoscaling", "CreateLaunchConfiguration", configuration),
            ("elasticmapreduce", "RunJobFlow", cluster),
        ] {
            let event = call(source, name, json!({"requestParameters": request}));
            assert_eq!(fired_with(&RolePassed, &event, &account(ADMIN)).severity, Severity::High);
            let stack = event.replace(
                "\"userIdentity\":{",
                "\"userIdentity\":{\"invokedBy\":\"cloudformation.amazonaws.com\",",
            );
            assert!(observe(&RolePassed, &stack).is_empty());
        }
    }

    #[test]
    fn stays_quiet() {
        for event in [add(), associate(), replace()] {
            let ordinary = account("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore");
            let observations = observe_with(&RolePassed, &event, &ordinary);
            assert!(observations.is_empty(), "{observations:?}");
        }
        quiet(
            &RolePassed,
            &[
                call(
                    "iam",
                    "AddRoleToInstanceProfile",
                    json!({"errorCode": "AccessDenied", "requestParameters": null}),
                ),
                call(
                    "iam",
                    "AddRoleToInstanceProfile",
                    json!({"requestParameters": {"roleName": ["ops"], "instanceProfileName": 7}}),
                ),
                call("ec2", "AssociateIamInstanceProfile", json!({"requestParameters": null})),
                call(
                    "ec2",
                    "AssociateIamInstanceProfile",
                    json!({"requestParameters": {"iamInstanceProfile": {"name": ""}}}),
                ),
                call("ec2", "ReplaceIamInstanceProfileAssociation", json!({"requestParameters": "odd"})),
                call(
                    "ec2",
                    "ReplaceIamInstanceProfileAssociation",
                    json!({
                        "errorCode": "Client.InvalidParameterValue",
                        "requestParameters": {"ReplaceIamInstanceProfileAssociationRequest": {"IamInstanceProfile": {"Name": "web"}}},
                    }),
                ),
            ],
        );
    }
}
