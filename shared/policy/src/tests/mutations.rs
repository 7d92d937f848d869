//! Every path of the catalogue, written in the many ways in which a policy can say the same, and in those that come near it.
//!
//! A path must stay open however its actions are spelt, split and surrounded, and shut as soon as one of them is missing or
//! denied. What it comes to on one named resource hangs on whose resource it is.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::holder::{Place, kind};
use crate::path::{Path, Target};
use crate::resource_types::{self, Owner, ResourceType};
use crate::table::TABLE;
use crate::{Document, Grant, Held, Level, PATHS, analyse};

const ACCOUNT: &str = "111122223333";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";

/// Who can hold it.
const HOLDERS: [Option<&str>; 4] = [
    None,
    Some(BOB),
    Some("arn:aws:iam::111122223333:role/app"),
    Some("arn:aws:iam::111122223333:group/ops"),
];

/// Conditions that the holder meets whenever it likes.
fn met() -> Vec<Value> {
    vec![
        json!({"Bool": {"aws:SecureTransport": "true"}}),
        json!({"StringLike": {"aws:PrincipalArn": "*"}}),
        json!({"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, "444455556666"]}}),
        json!({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}),
        json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}),
        json!({"StringEqualsIfExists": {"aws:ResourceTag/nothing": "x"}}),
        json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["x"]}}),
        json!({"Null": {"aws:SourceArn": "true"}}),
        // Circumstances that are the holder's to bring about.
        json!({"Bool": {"AWS:MultiFactorAuthPresent": "true"}}),
        json!({"IpAddress": {"aws:sourceip": ["203.0.113.0/24", "2001:db8::/32"]}}),
        json!({"StringEquals": {"aws:RequestedRegion": ["eu-central-1", "us-east-1"]}}),
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}),
        json!({"StringNotLike": {"aws:UserAgent": "*curl*"}}),
        json!({"StringNotEquals": {"aws:PrincipalServiceName": "ec2.amazonaws.com"}, "Bool": {"aws:ViaAWSService": "false"}}),
    ]
}

/// Denials that leave the path open.
fn beside(actions: &[String]) -> Vec<Value> {
    vec![
        json!({"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}),
        json!({"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::audit/*"}),
        json!({"Effect": "Deny", "Action": actions, "Resource": ["arn:aws:iam::*:role/kept-x", "arn:aws:iam::*:user/kept-x"]}),
        json!({"Effect": "Deny", "Action": actions, "Resource": "*", "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}}),
        json!({"Effect": "Deny", "Action": actions, "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "444455556666"}}}),
        json!({"Effect": "Deny", "NotAction": actions, "Resource": "*"}),
        json!({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": ["eu-central-1"]}}}),
        json!({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}}),
        json!({"Effect": "Deny", "Action": actions, "NotResource": "*"}),
    ]
}

/// What a path needs, with one of the further actions.
fn needed(path: &Path, further: usize) -> Vec<String> {
    let mut actions: Vec<&str> = path.all.to_vec();
    actions.extend(path.any.get(further));
    actions.extend((!path.passes.is_empty()).then_some("iam:PassRole"));
    // To use the role that it passes takes an action of any of the other paths.
    actions.extend((path.target == Target::SamePassed).then_some("ec2:RunInstances"));
    actions.into_iter().map(str::to_owned).collect()
}

fn allow(actions: &[String], resource: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resource})
}

fn document(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn judge(documents: &[Value], holder: Option<&str>) -> Grant {
    let read: Vec<Document> = documents
        .iter()
        .map(|value| Document::from_value(value).unwrap_or_else(|e| panic!("{e}: {value}")))
        .collect();
    let held: Vec<Held<'_>> = read.iter().map(|document| Held::inline("p", document)).collect();
    analyse(&held, holder)
}

/// A full administrator needs no path.
fn is_open(path: &Path, grant: &Grant) -> bool {
    let least = if path.weak { Level::ServiceAdmin } else { Level::PrivilegeEscalation };
    grant.level == Level::FullAdmin || (grant.paths.contains(&path.id) && grant.level >= least)
}

/// What went wrong, one line a case.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn open(&mut self, path: &Path, what: &str, documents: &[Value], holder: Option<&str>) {
        let grant = judge(documents, holder);
        if !is_open(path, &grant) {
            let text = json!(documents);
            self.0.push(format!("{} is shut, {what}, {holder:?}: {:?} {text}", path.id, grant.level));
        }
    }

    fn shut(&mut self, path: &Path, what: &str, documents: &[Value]) {
        let grant = judge(documents, Some(BOB));
        if grant.level == Level::FullAdmin || grant.paths.contains(&path.id) {
            self.0.push(format!("{} is open, {what}: {}", path.id, json!(documents)));
        }
    }

    fn none(self) {
        let shown: Vec<&String> = self.0.iter().take(25).collect();
        assert!(self.0.is_empty(), "{} cases:\n{shown:#?}", self.0.len());
    }
}

/// The name of an action cut where its words end: `Create*`, `CreatePolicy*`.
fn cut(action: &str) -> Vec<String> {
    let (service, name) = action.split_once(':').unwrap();
    let ends = name.char_indices().skip(1).filter(|(_, c)| c.is_ascii_uppercase());
    ends.map(|(end, _)| format!("{service}:{}*", &name[..end])).collect()
}

/// Other spellings that fit the action, and more besides.
fn spellings(action: &str) -> Vec<String> {
    let (service, name) = action.split_once(':').unwrap();
    let third =
        |text: &str| text.char_indices().map(|(i, c)| if i % 3 == 1 { '?' } else { c }).collect::<String>();
    let alternating = |text: &str| {
        let both =
            |(i, c): (usize, char)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        text.char_indices().map(both).collect::<String>()
    };
    let mut all = vec![
        action.to_ascii_lowercase(),
        action.to_ascii_uppercase(),
        alternating(action),
        format!("{service}:{}", third(name)),
        format!("{}:{name}", third(service)),
        format!("{}*:{name}", &service[..1]),
        format!("*:{name}"),
        format!("**:{}**", &name[..name.len() - 1]),
        format!("?{}:*{}", &service[1..], &name[1..]),
        format!("{service}:{}*{}", &name[..1], &name[name.len() - 1..]),
        format!("{service}:*"),
        format!("*{}*", name.to_ascii_lowercase()),
    ];
    all.extend(cut(action));
    all
}

#[test]
fn spelling_makes_no_difference() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        for (i, action) in actions.iter().enumerate() {
            for spelling in spellings(action) {
                let mut spelt = actions.clone();
                spelt[i].clone_from(&spelling);
                wrong.open(path, &spelling, &[document(&[allow(&spelt, &json!("*"))])], None);
            }
        }
    }
    wrong.none();
}

#[test]
fn every_further_action_will_do() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        for further in 0..path.any.len() {
            wrong.open(
                path,
                path.any[further],
                &[document(&[allow(&needed(path, further), &json!("*"))])],
                None,
            );
        }
    }
    wrong.none();
}

#[test]
fn splitting_makes_no_difference() {
    let mut wrong = Wrong::default();
    let reads: Vec<String> = (0..120).map(|i| format!("service{i}:Describe*")).collect();
    for path in PATHS {
        let actions = needed(path, 0);
        let mut many: Vec<String> = reads.clone();
        many.splice(60..60, actions.clone());
        wrong.open(path, "among many", &[json!({"Statement": allow(&many, &json!("*"))})], Some(BOB));
        let parts: Vec<Value> = actions.iter().map(|one| allow(&[one.clone()], &json!("*"))).collect();
        let apart: Vec<Value> = parts.iter().map(|part| document(std::slice::from_ref(part))).collect();
        let old: Vec<Value> =
            parts.iter().map(|part| json!({"Version": "2008-10-17", "Statement": part})).collect();
        let bare: Vec<Value> = parts.iter().rev().map(|part| json!({"Statement": [part]})).collect();
        for holder in HOLDERS {
            wrong.open(path, "one document", &[document(&parts)], holder);
            wrong.open(path, "a document each", &apart, holder);
            wrong.open(path, "an old document each", &old, holder);
            wrong.open(path, "documents without a version, the other way round", &bare, holder);
        }
    }
    wrong.none();
}

/// How "every resource on which this action works" can be written.
fn everywhere(action: &str) -> Vec<Value> {
    let place = TABLE.index.get(action).map(|&i| TABLE.place(i));
    let mut all = vec![
        json!(["*"]),
        json!("arn:*"),
        json!("arn:aws:*"),
        json!("arn:*:*:*:*:*"),
        json!(["arn:aws:s3:::other", "*"]),
    ];
    if let Some(kind) = place.and_then(kind) {
        let letters = ('a'..='z').chain('A'..='Z').map(|c| format!("arn:aws:iam::*:{kind}/{c}*"));
        all.extend([
            json!("arn:aws:iam::*:*"),
            json!(format!("arn:aws:iam::*:{kind}/*")),
            json!(format!("arn:*:iam::{ACCOUNT}:{kind}/*")),
            json!(format!("arn:aws:iam::????????????:{kind}*")),
            json!(letters.collect::<Vec<_>>()),
            json!(format!("arn:aws:iam::*:{kind}/?*")),
            json!(format!("*:{kind}/*")),
            json!(format!("arn:aws:iam::*:{}*", &kind[..1])),
            json!("arn:aws:iam::*:*/*"),
            json!("arn:aws:iam*"),
            json!(format!("arn:aws:iam::${{aws:PrincipalAccount}}:{kind}/*")),
        ]);
    }
    all
}

#[test]
fn ways_to_write_everywhere_make_no_difference() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        let most = actions.iter().map(|action| everywhere(action).len()).max().unwrap_or_default();
        for form in 0..most {
            let statement = |action: &String| {
                let forms = everywhere(action);
                allow(std::slice::from_ref(action), &forms[form.min(forms.len() - 1)])
            };
            let statements: Vec<Value> = actions.iter().map(statement).collect();
            wrong.open(path, "resources", &[document(&statements)], Some(BOB));
        }
        let except = json!({"Effect": "Allow", "Action": actions, "NotResource": ["arn:aws:s3:::audit/*", "arn:aws:iam::*:role/kept-x"]});
        wrong.open(path, "NotResource", &[document(&[except])], Some(BOB));
    }
    wrong.none();
}

#[test]
fn everything_but_something_else_is_the_same() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        // All services but those that begin like the path's own.
        let kept: Vec<char> = actions.iter().filter_map(|action| action.chars().next()).collect();
        let others: Vec<String> =
            ('a'..='z').filter(|c| !kept.contains(c)).map(|c| format!("{c}*")).collect();
        let narrow = json!({"Effect": "Allow", "NotAction": others, "Resource": "*"});
        wrong.open(path, "NotAction of other services", &[document(&[narrow])], Some(BOB));
        let wide = json!({"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "*"});
        wrong.open(path, "NotAction of one action", &[document(&[wide])], Some(BOB));
    }
    wrong.none();
}

#[test]
fn what_is_always_met_keeps_nobody_out() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        for condition in met() {
            let mut statement = allow(&actions, &json!("*"));
            statement["Condition"] = condition;
            wrong.open(path, "a condition", &[document(&[statement])], Some(BOB));
        }
        if !path.passes.is_empty() {
            let (pass, rest): (Vec<String>, Vec<String>) =
                actions.iter().cloned().partition(|action| action == "iam:PassRole");
            for service in [json!("*"), json!("*.amazonaws.com"), json!(path.passes), json!(path.passes[0])] {
                let mut passing = allow(&pass, &json!("*"));
                passing["Condition"] = json!({"StringLike": {"iam:PassedToService": service}});
                wrong.open(path, "passed", &[document(&[allow(&rest, &json!("*")), passing])], Some(BOB));
            }
        }
    }
    wrong.none();
}

#[test]
fn denials_beside_it_change_nothing() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        for deny in beside(&actions) {
            wrong.open(path, "beside", &[document(&[deny, allow(&actions, &json!("*"))])], Some(BOB));
        }
    }
    wrong.none();
}

#[test]
fn without_one_of_its_actions_it_is_shut() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        for (i, missing) in actions.iter().enumerate() {
            let mut fewer = actions.clone();
            fewer.remove(i);
            // No statement has no action.
            fewer.push("s3:ListBucket".to_owned());
            wrong.shut(path, missing, &[document(&[allow(&fewer, &json!("*"))])]);
            // It begins or ends like the action, and is another.
            let (service, name) = missing.split_once(':').unwrap();
            for near in [
                format!("{service}:{name}s"),
                format!("{service}x:{name}"),
                format!("x{missing}"),
                format!("{service}:?{name}"),
            ] {
                fewer.pop();
                fewer.push(near);
                wrong.shut(path, missing, &[document(&[allow(&fewer, &json!("*"))])]);
            }
        }
    }
    wrong.none();
}

#[test]
fn a_denial_of_one_of_its_actions_shuts_it() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        let all = allow(&actions, &json!("*"));
        for denied in &actions {
            let service = denied.split(':').next().unwrap();
            for spelling in [
                denied.clone(),
                denied.to_ascii_uppercase(),
                format!("{service}:*"),
                format!("*:{}", &denied[service.len() + 1..]),
                "*".to_owned(),
            ] {
                let deny = json!({"Effect": "Deny", "Action": spelling, "Resource": "*"});
                wrong.shut(path, &spelling, &[document(&[all.clone(), deny.clone()])]);
                wrong.shut(path, &spelling, &[document(&[deny]), document(&[all.clone()])]);
            }
            if !matches!(path.target, Target::Same | Target::SamePassed) {
                let deny = json!({"Effect": "Deny", "Action": denied, "NotResource": "arn:aws:s3:::logs/*"});
                wrong.shut(path, "denied by NotResource", &[document(&[all.clone(), deny])]);
            }
            let others: Vec<&String> = actions.iter().filter(|action| *action != denied).collect();
            let rest = json!({"Effect": "Deny", "NotAction": others, "Resource": "*"});
            wrong.shut(path, "denied by NotAction", &[document(&[all.clone(), rest])]);
            for condition in [
                json!({"StringLike": {"aws:PrincipalArn": "*"}}),
                json!({"Bool": {"aws:SecureTransport": ["true", "false"]}}),
                json!({"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
            ] {
                let deny =
                    json!({"Effect": "Deny", "Action": denied, "Resource": "*", "Condition": condition});
                wrong.shut(path, "denied in any case", &[document(&[all.clone(), deny])]);
            }
        }
    }
    wrong.none();
}

/// Conditions that no request of bob's meets.
fn never_met() -> Vec<Value> {
    vec![
        json!({"StringEquals": {"aws:PrincipalAccount": "444455556666"}}),
        json!({"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:user/alice"}}),
        json!({"StringLike": {"aws:username": "alice*"}}),
        json!({"Bool": {"aws:PrincipalIsAWSService": "true"}}),
        json!({"Null": {"aws:MultiFactorAuthPresent": "true"}, "Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        json!({"StringEquals": {"aws:username": "BOB"}}),
    ]
}

#[test]
fn what_nobody_meets_lets_nobody_in() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        for condition in never_met() {
            let mut statement = allow(&needed(path, 0), &json!("*"));
            statement["Condition"] = condition;
            wrong.shut(path, "a condition that bob cannot meet", &[document(&[statement])]);
        }
    }
    wrong.none();
}

#[test]
fn a_role_for_another_service_or_of_one_name_opens_nothing() {
    let mut wrong = Wrong::default();
    for path in PATHS.iter().filter(|path| !path.passes.is_empty()) {
        let rest: Vec<String> =
            needed(path, 0).into_iter().filter(|action| action != "iam:PassRole").collect();
        let with = |resource: &str, condition: &Value| {
            let pass = json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": resource, "Condition": condition});
            [document(&[allow(&rest, &json!("*")), pass])]
        };
        for condition in [
            json!({"StringEquals": {"iam:PassedToService": "other.amazonaws.com"}}),
            json!({"StringLike": {"iam:PassedToService": "other.*"}}),
            json!({"StringNotEquals": {"iam:PassedToService": path.passes}}),
            json!({"StringEqualsIfExists": {"iam:PassedToService": ["other.amazonaws.com"]}}),
            json!({"Null": {"iam:PassedToService": "true"}}),
        ] {
            wrong.shut(path, "passed to another", &with("*", &condition));
        }
        for role in [
            "arn:aws:iam::111122223333:role/one",
            "arn:aws:iam::*:role/app-*",
            "arn:aws:iam::444455556666:role/*",
        ] {
            wrong.shut(path, "one role", &with(role, &json!({})));
        }
    }
    wrong.none();
}

/// What an action is not asked of gives nothing.
#[test]
fn resources_of_another_kind_open_nothing() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        for resource in [
            json!("arn:aws:s3:::*"),
            json!(["arn:aws:dynamodb:*:*:table/*", "arn:aws:sqs:*:*:*"]),
            json!("arn:aws:iam::*:instance-profile/*"),
        ] {
            wrong.shut(path, "resources of another kind", &[document(&[allow(&actions, &resource)])]);
        }
    }
    wrong.none();
}

/// What an action works on: a type of each kind that it needs.
fn places(action: &str) -> Vec<Place<'static>> {
    let needs = &TABLE.actions[TABLE.index[action]].1;
    needs
        .target
        .first()
        .into_iter()
        .chain(needs.beside.iter().filter_map(|group| group.first()))
        .copied()
        .collect()
}

fn resource_type(place: Place<'_>) -> Option<&'static ResourceType> {
    match place {
        Place::Type(number) | Place::Assumed(number) => resource_types::of(number),
        _ => None,
    }
}

/// Whether the action can be confined to one of several resources.
fn is_nameable(action: &str) -> bool {
    places(action).first().is_some_and(|&place| {
        kind(place).is_some()
            || resource_type(place).is_some_and(|one| one.resource.contains('*') && one.service != "*")
    })
}

/// One resource of each kind on which the action works, by name.
fn one(action: &str, name: &str) -> Vec<String> {
    let named = |place: Place<'static>| match (kind(place), resource_type(place)) {
        (Some(kind), _) => format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}"),
        (None, Some(one)) => {
            let region = if one.regional { "us-east-1" } else { "" };
            let account = if one.owner == Owner::None { "" } else { ACCOUNT };
            format!("arn:aws:{}:{region}:{account}:{}", one.service, one.called(name, ""))
        }
        (None, None) => "*".to_owned(),
    };
    places(action).into_iter().map(named).collect()
}

fn each_on(actions: &[String], name: &str) -> Value {
    let statements: Vec<Value> =
        actions.iter().map(|action| allow(std::slice::from_ref(action), &json!(one(action, name)))).collect();
    document(&statements)
}

/// On one named resource: what works on any resource still makes an administrator; a change to somebody is told as a right
/// over that one; a role by name and a workload by name are for the account's state to judge.
#[test]
fn a_named_resource_gives_what_the_kind_gives() {
    let mut wrong = Wrong::default();
    for path in PATHS {
        let actions = needed(path, 0);
        let named = each_on(&actions, "x-one");
        match path.target {
            Target::Same => wrong.open(path, "one resource", &[named], Some(BOB)),
            // The role is one; what uses it is of another kind.
            Target::SamePassed => {
                let (iam, other): (Vec<String>, Vec<String>) =
                    actions.iter().cloned().partition(|action| action.starts_with("iam:"));
                wrong.open(
                    path,
                    "one role",
                    &[each_on(&iam, "x-one"), document(&[allow(&other, &json!("*"))])],
                    Some(BOB),
                );
            }
            // Where there is but one of them, or AWS asks for none, all are meant.
            _ if !actions.iter().any(|action| is_nameable(action)) => {
                wrong.open(path, "the only resource", &[named], Some(BOB));
            }
            Target::Others | Target::OthersOrSelf => {
                wrong.shut(path, "one resource", std::slice::from_ref(&named));
                if !actions.iter().all(|action| is_nameable(action)) {
                    continue;
                }
                let grant = judge(&[named], Some(BOB));
                let direct = !path.weak && path.passes.is_empty() && path.any.is_empty();
                let over_one = direct && actions.len() == 1 && actions[0].starts_with("iam:");
                let expected = if over_one { Level::ServiceAdmin } else { Level::Ordinary };
                if grant.level != expected {
                    wrong.0.push(format!("{} on one resource is {:?}", path.id, grant.level));
                }
            }
        }
    }
    wrong.none();
}

/// Any role may be passed: one function of a given name is enough to use it.
#[test]
fn a_role_of_any_name_needs_one_resource_only() {
    let mut wrong = Wrong::default();
    for path in PATHS.iter().filter(|path| !path.passes.is_empty()) {
        let (pass, rest): (Vec<String>, Vec<String>) =
            needed(path, 0).into_iter().partition(|action| action == "iam:PassRole");
        // What works on IAM's resources must reach them.
        let (iam, other): (Vec<String>, Vec<String>) =
            rest.into_iter().partition(|action| action.starts_with("iam:"));
        let mut statements = vec![allow(&pass, &json!("*"))];
        statements.extend(iam.iter().map(|action| allow(std::slice::from_ref(action), &json!("*"))));
        statements.extend(
            other.iter().map(|action| allow(std::slice::from_ref(action), &json!(one(action, "x-one")))),
        );
        wrong.open(path, "a named resource", &[document(&statements)], Some(BOB));
    }
    wrong.none();
}

/// Over oneself: what changes IAM for its holder makes an administrator of it, and a key for oneself is self-service.
#[test]
fn the_holder_itself_is_another_matter() {
    let user = |path: &&Path| {
        let place = path.all.first().and_then(|action| places(action).first().copied());
        place.and_then(kind) == Some("user")
    };
    let mut counted = 0;
    for path in
        PATHS.iter().filter(|path| !path.weak && path.all.len() == 1 && path.any.is_empty()).filter(user)
    {
        let own = document(&[allow(&needed(path, 0), &json!(BOB))]);
        let expected = match path.target {
            Target::OthersOrSelf => Level::PrivilegeEscalation,
            _ => Level::Ordinary,
        };
        assert_eq!(judge(&[own], Some(BOB)).level, expected, "{}", path.id);
        counted += 1;
    }
    assert!(counted >= 6, "{counted}");
}

/// Some of what the tests above do one by one, at once.
#[derive(Clone, Debug)]
struct Mutation {
    path: usize,
    further: usize,
    spellings: Vec<usize>,
    resources: Vec<usize>,
    documents: Vec<usize>,
    condition: Option<usize>,
    deny: Option<usize>,
    holder: usize,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let picks = || prop::collection::vec(any::<usize>(), 6);
    (
        (0..PATHS.len(), any::<usize>(), picks(), picks()),
        (picks(), prop::option::of(any::<usize>()), prop::option::of(any::<usize>()), 0..HOLDERS.len()),
    )
        .prop_map(|((path, further, spellings, resources), (documents, condition, deny, holder))| {
            Mutation { path, further, spellings, resources, documents, condition, deny, holder }
        })
}

impl Mutation {
    fn documents(&self, path: &Path) -> Vec<Value> {
        let actions = needed(path, self.further % path.any.len().max(1));
        let mut documents: Vec<Vec<Value>> = vec![Vec::new(); 3];
        for (i, action) in actions.iter().enumerate() {
            let (spelt, forms) = (spellings(action), everywhere(action));
            // A pattern that fits more is held to the resources of this one action.
            let mut statement = allow(
                &[spelt[self.spellings[i % 6] % spelt.len()].clone()],
                &forms[self.resources[i % 6] % forms.len()],
            );
            if let Some(condition) = self.condition {
                let all = met();
                statement["Condition"] = all[condition % all.len()].clone();
            }
            documents[self.documents[i % 6] % 3].push(statement);
        }
        if let Some(deny) = self.deny {
            let all = beside(&actions);
            documents[deny % 3].push(all[deny % all.len()].clone());
        }
        documents.into_iter().filter(|statements| !statements.is_empty()).map(|s| document(&s)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn all_of_it_at_once_keeps_a_path_open(mutation in mutation()) {
        let path = &PATHS[mutation.path];
        let documents = mutation.documents(path);
        let grant = judge(&documents, HOLDERS[mutation.holder]);
        prop_assert!(is_open(path, &grant), "{}: {grant:?} {}", path.id, json!(documents));
    }
}
