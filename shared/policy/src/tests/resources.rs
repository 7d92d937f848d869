//! Which resources actions work on: documents of AWS's guides and their siblings, and every request of a small universe.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::oracle::{config, like};
use crate::{Document, Grant, Held, Level, analyse, deciding_actions, resource_types};

const HOLDER: &str = "arn:aws:iam::111122223333:role/app";

fn grant(statements: &Value) -> Grant {
    let document = Document::from_value(&json!({"Version": "2012-10-17", "Statement": statements})).unwrap();
    analyse(&[Held::inline("p", &document)], Some(HOLDER))
}

fn allow(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn deny(actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": "Deny", "Action": actions, "Resource": resources})
}

/// Whether the path is open. Beside a list of other statements, any role may be passed.
fn opens(path: &str, mut statements: Vec<Value>) -> bool {
    statements.push(allow(&["iam:PassRole"], &["*"]));
    grant(&Value::from(statements)).paths.contains(&path)
}

#[test]
fn sessions_are_asked_of_instances_and_tasks() {
    let session =
        |resources: &[&str]| opens("ssm-start-session", vec![allow(&["ssm:StartSession"], resources)]);
    for all in [
        // Systems Manager guide, "Sample IAM policies for Session Manager", with all instances.
        &[
            "arn:aws:ec2:us-east-1:111122223333:instance/*",
            "arn:aws:ssm:us-east-1:111122223333:document/SSM-SessionManagerRunShell",
        ] as &[&str],
        &["arn:aws:ec2:*:*:instance/*"],
        &["arn:aws-cn:ec2:*:*:instance/*"],
        &["arn:*:ec2:*:*:instance/*"],
        &["arn:aws:ec2:*:*:instance/i-*"],
        &["arn:aws:ec2:*:*:inst*"],
        &["arn:aws:ec2:*:*:*"],
        &["arn:aws:ec2:*"],
        &["arn:aws:ec2:*:instance/*"],
        &["arn:aws:*:*:*:instance/*"],
        &["arn:*:*:*:*:*"],
        &["arn:aws:ssm:*:*:managed-instance/*"],
        &["arn:aws:ssm:*:*:managed-instance/mi-*"],
        &["arn:aws:ssm:*:*:*"],
        &["arn:aws:ecs:*:*:task/*"],
        &["*"],
    ] {
        assert!(session(all), "{all:?}");
    }
    for none in [
        &["arn:aws:ssm:*:*:document/*"] as &[&str],
        &["arn:aws:ssm:*:*:session/${aws:username}-*"],
        &["arn:aws:ssm:*:*:instance/*"],
        &["arn:aws:ec2:*:*:volume/*"],
        &["arn:aws:ec2:*:*:i"],
        &["arn:aws:ec2:*:444455556666:instance/*"],
        &["arn:aws:ec2:*::instance/*"],
        &["arn:aws:ec2::111122223333:instance/*"],
        &["arn:aws:ec2:*:*:instance/${aws:username}"],
        &["arn:aws:ecs:*:*:cluster/*"],
        // One of them is no right over most.
        &["arn:aws:ec2:*:*:instance/i-02573cafcfEXAMPLE"],
        &["arn:aws:ecs:*:*:task/prod/*"],
    ] {
        assert!(!session(none), "{none:?}");
    }
}

#[test]
fn commands_need_a_document_and_nodes() {
    let send = |statements: &[Value]| opens("ssm-send-command", statements.to_vec());
    let on = |resources: &[&str]| allow(&["ssm:SendCommand"], resources);
    let no = |resources: &[&str]| deny(&["ssm:SendCommand"], resources);
    // AWS's own documents are in no account.
    let (shell, own) = ("arn:aws:ssm:*::document/AWS-RunShellScript", "arn:aws:ssm:*:*:document/app");
    let (documents, instances) = ("arn:aws:ssm:*:*:document/*", "arn:aws:ec2:*:*:instance/*");
    let nodes = "arn:aws:ssm:*:*:managed-instance/*";
    for open in [
        vec![on(&[shell, instances])],
        vec![on(&[shell]), on(&[instances])],
        vec![on(&[instances]), on(&[own]), on(&["arn:aws:s3:::logs"])],
        vec![on(&[documents, nodes])],
        vec![on(&["arn:aws:ssm:*:*:*"])],
        vec![on(&["*"]), no(&[shell])],
        vec![on(&["*"]), no(&[instances])],
        // Those of AWS's are left.
        vec![on(&["*"]), no(&["arn:aws:ssm:*:111122223333:document/*"])],
        vec![on(&[instances, documents]), no(&["arn:aws:ec2:eu-west-1:*:instance/*"])],
    ] {
        assert!(send(&open), "{open:?}");
    }
    for shut in [
        vec![on(&[documents])],
        vec![on(&[instances, nodes])],
        vec![on(&[documents, "arn:aws:ec2:*:*:instance/i-1234567890abcdef0"])],
        vec![on(&["*"]), no(&[documents])],
        vec![on(&["*"]), no(&[instances, nodes])],
        vec![on(&[shell, instances]), no(&[shell])],
        vec![on(&[shell, instances]), no(&["arn:aws:ssm:*::document/AWS-*"])],
        vec![
            on(&[documents, "arn:aws:ec2:us-east-1:*:instance/*"]),
            no(&["arn:aws:ec2:us-east-1:*:instance/*"]),
        ],
        vec![on(&[documents, instances]), json!({"Effect": "Deny", "Action": "*", "NotResource": documents})],
    ] {
        assert!(!send(&shut), "{shut:?}");
    }
    // Systems Manager guide, "Restricting access to Run Command": only nodes with a tag.
    let tag = json!({"StringLike": {"ssm:resourceTag/Finance": ["WebServers"]}});
    let tagged =
        json!({"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": instances, "Condition": tag});
    assert!(!send(&[on(&[documents]), tagged]));
}

#[test]
fn other_rights_over_workloads() {
    let lambda = ["lambda:UpdateFunctionCode"];
    let user_data = ["ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"];
    let launch = ["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"];
    let (connect, exec) = (["ec2-instance-connect:SendSSHPublicKey"], ["ecs:ExecuteCommand"]);
    let (task, cluster) = ("arn:aws:ecs:*:*:task/*", "arn:aws:ecs:*:*:cluster/prod");
    for (path, actions, resources, open) in [
        ("ec2-instance-connect", &connect as &[&str], &["arn:aws:ec2:*:*:instance/*"] as &[&str], true),
        ("ec2-instance-connect", &connect, &["arn:aws:ec2-instance-connect:*:*:instance/*"], false),
        ("ecs-execute-command", &exec, &[task, cluster], true),
        ("ecs-execute-command", &exec, &["arn:aws:ecs:*:*:*"], true),
        ("ecs-execute-command", &exec, &[task], false),
        ("ecs-execute-command", &exec, &["arn:aws:ecs:*:*:cluster/*"], false),
        ("ecs-execute-command", &exec, &["arn:aws:ecs:*:*:task/prod/*", cluster], false),
        ("lambda-update-code", &lambda, &["arn:aws:lambda:*:*:function:*"], true),
        ("lambda-update-code", &lambda, &["arn:aws:lambda:*:*:function:*:*"], true),
        ("lambda-update-code", &lambda, &["arn:aws:lambda:*:*:layer:*"], false),
        ("ec2-modify-user-data", &user_data, &["arn:aws:ec2:*:*:instance/*"], true),
        ("ec2-modify-user-data", &user_data, &["arn:aws:ec2:*:*:volume/*"], false),
        ("ec2-launch-template", &launch, &["arn:aws:ec2:*:*:launch-template/lt-*"], true),
        ("ec2-launch-template", &launch, &["arn:aws:ec2:*:*:launch-template/lt-0abc"], false),
    ] {
        assert_eq!(opens(path, vec![allow(actions, resources)]), open, "{path} on {resources:?}");
    }
    // EC2 guide, "Grant IAM permissions for EC2 Instance Connect".
    let user = json!({"StringEquals": {"ec2:osuser": "ec2-user"}});
    let guide = json!({"Effect": "Allow", "Action": connect, "Resource": "arn:aws:ec2:us-east-1:111122223333:instance/*",
        "Condition": user});
    assert!(opens("ec2-instance-connect", vec![guide]));
}

#[test]
fn identity_center_has_one_instance() {
    let (instance, account) =
        ("arn:aws:sso:::instance/ssoins-7223aEXAMPLE", "arn:aws:sso:::account/444455556666");
    let (sets, one) = (
        "arn:aws:sso:::permissionSet/ssoins-7223aEXAMPLE/*",
        "arn:aws:sso:::permissionSet/ssoins-7223aEXAMPLE/ps-55aEXAMPLE",
    );
    let inline = |resources: &[&str]| {
        opens("sso-put-inline-policy", vec![allow(&["sso:PutInlinePolicyToPermissionSet"], resources)])
    };
    assert!(
        inline(&[instance, sets]) && inline(&["arn:aws:sso:::instance/*", "arn:aws:sso:::permissionSet/*/*"])
    );
    assert!(inline(&["arn:aws:sso:::*"]));
    assert!(!inline(&[sets]) && !inline(&[instance, one]) && !inline(&[instance, account]));
    let assign = |resources: &[&str]| {
        opens("sso-create-account-assignment", vec![allow(&["sso:CreateAccountAssignment"], resources)])
    };
    assert!(assign(&[instance, sets, account]));
    assert!(!assign(&[instance, sets]) && !assign(&[instance, one, "arn:aws:sso:::account/*"]));
}

#[test]
fn machines_need_all_that_they_are_made_of() {
    let run = |resources: &[&str]| allow(&["ec2:RunInstances"], resources);
    let no = |resources: &[&str]| deny(&["ec2:RunInstances"], resources);
    let opens = |statements: &[Value]| opens("passrole-ec2", statements.to_vec());
    // EC2 guide, "Example policies to control access to the Amazon EC2 API": images are in no account.
    let (image, instance) = ("arn:aws:ec2:*::image/ami-*", "arn:aws:ec2:*:111122223333:instance/*");
    let rest = [
        "arn:aws:ec2:*:111122223333:subnet/subnet-0abc",
        "arn:aws:ec2:*:111122223333:network-interface/*",
        "arn:aws:ec2:*:111122223333:security-group/sg-0abc",
    ];
    assert!(opens(&[run(&[image, instance]), run(&rest)]));
    assert!(
        opens(&[run(&["arn:aws:ec2:*:*:*"])]) && opens(&[run(&["*"]), no(&["arn:aws:ec2:*:*:key-pair/*"])])
    );
    assert!(opens(&[run(&["*"]), no(&["arn:aws:ec2:*:*:subnet/subnet-0abc"])]));
    assert!(!opens(&[run(&[instance]), run(&rest)]) && !opens(&[run(&[image, instance])]));
    assert!(!opens(&[run(&["arn:aws:ec2:*:111122223333:*"])]));
    assert!(!opens(&[run(&["*"]), no(&["arn:aws:ec2:*::image/*"])]));
    assert!(!opens(&[run(&[image, instance]), run(&rest), no(&["arn:aws:ec2:*:*:subnet/subnet-0abc"])]));
}

#[test]
fn passed_roles_are_used_on_resources_of_the_action() {
    let profile = ["iam:AddRoleToInstanceProfile"];
    let product = ["servicecatalog:ProvisionProduct", "servicecatalog:CreateConstraint"];
    let browser = [
        "bedrock-agentcore:CreateBrowser",
        "bedrock-agentcore:StartBrowserSession",
        "bedrock-agentcore:ConnectBrowserAutomationStream",
    ];
    let anchor = ["rolesanywhere:CreateTrustAnchor", "rolesanywhere:CreateProfile"];
    let automation = ["ssm:StartAutomationExecution"];
    for (path, actions, resources, open) in [
        (
            "passrole-instance-profile",
            &profile as &[&str],
            &["arn:aws:iam::*:instance-profile/app"] as &[&str],
            true,
        ),
        ("passrole-instance-profile", &profile, &["arn:aws:iam::*:role/*"], false),
        ("passrole-servicecatalog", &product, &["arn:aws:catalog:*:*:product/prod-1"], true),
        ("passrole-servicecatalog", &product, &["arn:aws:servicecatalog:*:*:product/prod-1"], false),
        // What an action makes: the reference names no type for these, and AWS's own policies do.
        (
            "passrole-glue-dev-endpoint",
            &["glue:CreateDevEndpoint"],
            &["arn:aws:glue:*:*:devEndpoint/app"],
            true,
        ),
        ("passrole-glue-dev-endpoint", &["glue:CreateDevEndpoint"], &["arn:aws:glue:*:*:job/*"], false),
        ("passrole-bedrock-browser", &browser, &["arn:aws:bedrock-agentcore:*:111122223333:browser/*"], true),
        ("passrole-bedrock-browser", &browser, &["arn:aws:bedrock-agentcore:*:*:*"], true),
        ("passrole-bedrock-browser", &browser, &["arn:aws:bedrock-agentcore:*:*:memory/*"], false),
        (
            "passrole-roles-anywhere",
            &anchor,
            &["arn:aws:rolesanywhere:*:*:trust-anchor/*", "arn:aws:rolesanywhere:*:*:profile/*"],
            true,
        ),
        ("passrole-roles-anywhere", &anchor, &["arn:aws:rolesanywhere:*:*:profile/*"], false),
        // What works on nothing asks for `*`.
        ("passrole-states", &["states:TestState"], &["*"], true),
        ("passrole-states", &["states:TestState"], &["arn:aws:states:*:*:stateMachine:*"], false),
        (
            "passrole-ssm-automation",
            &automation,
            &["arn:aws:ssm:*:*:document/d", "arn:aws:ssm:*:*:automation-execution/*"],
            true,
        ),
        ("passrole-ssm-automation", &automation, &["arn:aws:ssm:*:*:automation-definition/d:*"], true),
        (
            "passrole-ssm-automation",
            &automation,
            &["arn:aws:ssm:*:444455556666:automation-definition/d:*"],
            false,
        ),
        ("passrole-ssm-automation", &automation, &["arn:aws:ssm:*:*:document/d"], false),
        ("assume-root", &["sts:AssumeRoot"], &["arn:aws:iam::*:root"], true),
        ("assume-root", &["sts:AssumeRoot"], &["arn:aws:iam::*:role/*"], false),
    ] {
        assert_eq!(opens(path, vec![allow(actions, resources)]), open, "{actions:?} on {resources:?}");
    }
    let function = "arn:aws:lambda:*:*:function:app";
    let invoked =
        |more: Value| opens("passrole-lambda", vec![allow(&["lambda:CreateFunction"], &[function]), more]);
    assert!(invoked(allow(&["lambda:InvokeFunction"], &[function])));
    assert!(invoked(allow(&["lambda:CreateEventSourceMapping"], &["*"])));
    assert!(!invoked(allow(&["lambda:CreateEventSourceMapping"], &[function])));
    // To deny every ARN of a service leaves what works on none of them.
    let tested = |denied: &str| {
        opens("passrole-states", vec![allow(&["states:TestState"], &["*"]), deny(&["states:*"], &[denied])])
    };
    assert!(tested("arn:aws:states:*:*:*") && !tested("*"));
}

/// A tag confines nobody who makes the resource, tag and all, where a resource of one's own will do.
#[test]
fn tags_on_what_one_makes() {
    let any = |action: &str| allow(&[action], &["*"]);
    let tagged = |action: &str, resource: &str| {
        let tag = json!({"StringEquals": {"aws:ResourceTag/team": "blue"}});
        json!({"Effect": "Allow", "Action": action, "Resource": resource, "Condition": tag})
    };
    let experiment = [
        any("fis:CreateExperimentTemplate"),
        allow(&["fis:StartExperiment"], &["arn:aws:fis:*:*:experiment/*"]),
        tagged("fis:StartExperiment", "arn:aws:fis:*:*:experiment-template/*"),
    ];
    assert!(!opens("passrole-fis", experiment.to_vec()));
    assert!(opens("passrole-fis", [&experiment as &[Value], &[any("fis:TagResource")]].concat()));
    let function = [
        any("lambda:CreateFunction"),
        any("lambda:TagResource"),
        tagged("lambda:InvokeFunction", "*"),
        tagged("lambda:UpdateFunctionCode", "*"),
    ];
    assert!(opens("passrole-lambda", function.to_vec()));
    assert!(!opens("passrole-lambda", function[..1].iter().chain(&function[2..]).cloned().collect()));
    // The functions of others do not carry it.
    assert!(!opens("lambda-update-code", function.to_vec()));
}

#[test]
fn whole_services() {
    for (action, resources, held) in [
        ("ec2:*", &["arn:aws:ec2:*:*:*"] as &[&str], true),
        ("ec2:*", &["arn:aws:ec2:*:*:instance/*"], false),
        ("ssm:*", &["arn:aws:ssm:*:*:parameter/*"], false),
        ("lambda:*", &["arn:aws:lambda:*:*:function:*"], true),
        ("s3:*", &["arn:aws:s3:::*"], true),
        ("s3:*", &["arn:aws:s3:::*/*"], false),
        ("s3:*", &["arn:aws:s3:::reports", "arn:aws:s3:::reports/*"], false),
        ("logs:*", &["arn:aws:logs:*:*:*"], true),
        ("kms:*", &["arn:aws:kms:*:111122223333:key/*"], true),
        ("kms:*", &["arn:aws:kms:*:111122223333:alias/*"], false),
    ] {
        let services = grant(&json!([allow(&[action], resources)])).services;
        assert_eq!(!services.is_empty(), held, "{action} on {resources:?}: {services:?}");
    }
}

#[test]
fn the_reference_knows_every_action_that_decides() {
    for action in deciding_actions() {
        assert!(resource_types::knows(&action), "{action}: run make resource-types");
    }
}

/// As many patterns as a document has room for, each of which fits resources of every service at a glance.
#[test]
fn many_wild_patterns_are_read() {
    let noise: Vec<String> =
        (0..600).map(|i| format!("arn:aws:*:*:*:{}*{i}*x", ["", "s", "in"][i % 3])).collect();
    let statements = json!([{"Effect": "Allow", "Action": "*", "Resource": noise},
        {"Effect": "Deny", "Action": "*", "Resource": noise},
        allow(&["ssm:StartSession"], &["arn:aws:ec2:*:*:instance/*"])]);
    assert!(grant(&statements).paths.contains(&"ssm-start-session"));
}

/// Actions with their path, and what a request for each is about: of each list one, by service, account and name.
const ASKED: [(&str, &str, &[&[&str]]); 4] = [
    ("ssm:StartSession", "ssm-start-session", &[&[INSTANCE, NODE, "ecs:111122223333:task/"]]),
    (
        "ssm:SendCommand",
        "ssm-send-command",
        // AWS's own documents are in no account.
        &[&[INSTANCE, NODE], &["ssm:111122223333:document/", "ssm::document/"]],
    ),
    ("ec2-instance-connect:SendSSHPublicKey", "ec2-instance-connect", &[&[INSTANCE]]),
    (
        "ecs:ExecuteCommand",
        "ecs-execute-command",
        &[&["ecs:111122223333:task/"], &["ecs:111122223333:cluster/"]],
    ),
];
const INSTANCE: &str = "ec2:111122223333:instance/i-0";
const NODE: &str = "ssm:111122223333:managed-instance/mi-0";

fn asked() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["*", "ssm:*", "ecs:*", "s*", "ec2*:*"]).prop_map(str::to_owned),
        prop::sample::select(ASKED.map(|(action, ..)| action.to_owned()).to_vec()),
    ]
}

fn named_resource() -> impl Strategy<Value = String> {
    let service = prop::sample::select(vec!["ec2", "ssm", "ecs", "*"]);
    let account = prop::sample::select(vec!["*", "111122223333", "444455556666", "1111*"]);
    let resource = prop::sample::select(vec![
        "*",
        "instance/*",
        "instance/i-*",
        "instance/one",
        "*instance/*",
        "managed-instance/*",
        "document/*",
        "document/one",
        "document/o*",
        "task/*",
        "task/one",
        "cluster/*",
        "cluster/one",
        "t*",
        "?ask/*",
        "volume/*",
    ]);
    prop_oneof![
        8 => (service, account, resource).prop_map(|(s, a, r)| format!("arn:aws:{s}:*:{a}:{r}")),
        1 => Just("*".to_owned()),
    ]
}

fn policy() -> impl Strategy<Value = Vec<Value>> {
    let statement = (
        prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        prop::collection::vec(asked(), 1..3),
        prop::collection::vec(named_resource(), 1..4),
        prop::bool::weighted(0.1),
    );
    let statement = statement.prop_map(|(effect, actions, resources, not)| {
        json!({"Effect": effect, "Action": actions, (if not { "NotResource" } else { "Resource" }): resources})
    });
    prop::collection::vec(statement, 1..5)
}

/// Whether statements allow an action on an ARN, as the user guide says it.
fn allowed(statements: &[Value], action: &str, arn: &str) -> bool {
    let fits = |list: &Value, text: &str| {
        list.as_array().unwrap().iter().any(|p| like(p.as_str().unwrap().as_bytes(), text.as_bytes()))
    };
    let applies = |effect: &str| {
        statements.iter().filter(move |one| one["Effect"] == effect).any(|one| {
            let on =
                one.get("Resource").map_or_else(|| !fits(&one["NotResource"], arn), |list| fits(list, arn));
            fits(&one["Action"], action) && on
        })
    };
    applies("Allow") && !applies("Deny")
}

/// Whether some resource of one of these kinds is allowed, under a name that no policy has or under any.
fn some(statements: &[Value], action: &str, kinds: &[&str], names: &[&str]) -> bool {
    let mut arns = kinds.iter().flat_map(|kind| {
        let (service, rest) = kind.split_once(':').unwrap();
        names.iter().map(move |name| format!("arn:aws:{service}:us-east-1:{rest}{name}"))
    });
    arns.any(|arn| allowed(statements, action, &arn))
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn lateral_paths_are_what_trying_every_request_shows(statements in policy()) {
        let found = grant(&Value::from(statements.clone()));
        for (action, path, groups) in ASKED {
            let (target, beside) = groups.split_first().unwrap();
            let open = some(&statements, action, target, &["zzz"])
                && beside.iter().all(|kinds| some(&statements, action, kinds, &["zzz", "one", "other", "x-instance/x"]));
            let told = found.paths.contains(&path) || found.level == Level::FullAdmin;
            prop_assert!(told || !open, "{path} is open and not told: {statements:?}");
            // What a Deny leaves is read widely, so that nothing is missed.
            let exact = !statements.iter().any(|one| one["Effect"] == "Deny");
            prop_assert!(open || !exact || !found.paths.contains(&path), "{path} is shut and told: {statements:?}");
        }
    }
}
