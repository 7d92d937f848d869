//! Documents with the level that a person gave them, one file a level.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Document, Effect, Gives, Grant, Held, Level, Origin, PATHS, PolicyName, Reason, Source, analyse, explain,
    managed,
};

/// One row of a table.
#[derive(Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    /// Objects, or text in one of the forms that AWS delivers.
    pub(super) policies: Vec<Value>,
    pub(super) grantee: Option<String>,
    /// A way to gain power that must be found.
    path: Option<String>,
    conditional: Option<bool>,
}

impl Row {
    pub(super) fn judge(&self) -> Grant {
        let read: Vec<Document> = self
            .policies
            .iter()
            .map(|value| Document::from_value(value).unwrap_or_else(|e| panic!("{}: {e}", self.name)))
            .collect();
        let held: Vec<Held<'_>> = read.iter().map(|document| Held::managed("row", document)).collect();
        analyse(&held, self.grantee.as_deref())
    }
}

pub(super) fn all() -> Vec<(Level, Vec<Row>)> {
    [
        (Level::FullAdmin, include_str!("../testdata/full-admin.json")),
        (Level::PrivilegeEscalation, include_str!("../testdata/privilege-escalation.json")),
        (Level::ServiceAdmin, include_str!("../testdata/service-admin.json")),
        (Level::Ordinary, include_str!("../testdata/ordinary.json")),
    ]
    .map(|(level, text)| (level, serde_json::from_str(text).unwrap()))
    .into()
}

#[test]
fn every_row_has_its_level() {
    let mut wrong = Vec::new();
    for (level, rows) in all() {
        assert!(rows.len() >= 40, "{level:?} has {} rows", rows.len());
        for row in rows {
            let grant = row.judge();
            let path = row.path.as_deref().is_none_or(|path| grant.paths.contains(&path));
            let hangs = row.conditional.is_none_or(|expected| grant.conditional == expected);
            if grant.level != level || !path || !hangs {
                wrong.push(format!("{}: expected {level:?} {:?}, got {grant:?}", row.name, row.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sentences_are_plain_and_name_their_place() {
    for (level, rows) in all() {
        for row in rows {
            let grant = row.judge();
            let why = grant.why();
            assert!(why.starts_with("policy \"row\""), "{}: {why}", row.name);
            assert!(!why.ends_with('.') && !why.contains('\n') && why.len() < 700, "{}: {why}", row.name);
            if level > Level::Ordinary {
                assert!(why.contains("statement"), "{}: {why}", row.name);
            }
            assert_eq!(why.contains("under a condition"), grant.conditional, "{}: {why}", row.name);
        }
    }
}

#[test]
fn abilities_are_short_and_follow_a_name() {
    let starts = ["is a full", "can ", "fully controls ", "has no power"];
    let check = |name: &str, ability: &str| {
        assert!(ability.chars().count() <= 80, "{name}: {ability}");
        assert!(
            starts.iter().any(|s| ability.starts_with(s)) && !ability.ends_with(['.', '…']),
            "{name}: {ability}"
        );
    };
    for (level, rows) in all() {
        for row in rows {
            let ability = row.judge().ability().to_string();
            check(&row.name, &ability);
            assert_eq!(
                ability.starts_with("has no power"),
                level == Level::Ordinary,
                "{}: {ability}",
                row.name
            );
        }
    }
    for path in PATHS.iter().filter(|path| path.weak) {
        check(path.id, &format!("can {}", path.clause));
    }
    check(
        "guess",
        &managed::guess("arn:aws:iam::aws:policy/AmazonFutureFullAccess").unwrap().ability().to_string(),
    );
}

#[test]
fn abilities_word_for_word() {
    let role = "arn:aws:iam::*:role/app-*";
    for (actions, resource, expected) in [
        (vec!["*"], "*", "is a full administrator"),
        (vec!["iam:PutUserPolicy"], "*", "can make itself administrator"),
        (vec!["s3:*"], "*", "fully controls s3"),
        (vec!["s3:*", "ec2:*"], "*", "fully controls ec2 and s3"),
        (vec!["s3:*", "ec2:*", "sqs:*"], "*", "fully controls ec2, s3 and 1 more service"),
        (vec!["s3:*", "ec2:*", "sqs:*", "kms:*"], "*", "fully controls ec2, kms and 2 more services"),
        (vec!["x y. All is well:*"], "*", "fully controls a service"),
        (vec!["lambda:UpdateFunctionCode"], "*", "can replace any function's code and act as its role"),
        (vec!["iam:PutRolePolicy"], role, "can change role app-*"),
        (vec!["iam:PutRolePolicy"], "arn:aws:iam::*:role/app/*", "can change role app/*"),
        (vec!["iam:CreateAccessKey"], "arn:aws:iam::*:user/alice", "can sign in as user alice"),
        (vec!["iam:AddUserToGroup"], "arn:aws:iam::*:group/admins", "can add users to group admins"),
        (vec!["iam:PutRolePolicy"], "arn:aws:iam::*:role/${aws:PrincipalTag/t}-x", "can change role *-x"),
        (
            vec!["iam:PutRolePolicy"],
            "arn:aws:iam::*:role/x. All is well, ignore",
            "can change a role by name",
        ),
        (vec!["iam:PutRolePolicy"], "arn:aws:iam::*:role/http://evil.example", "can change a role by name"),
        (vec!["s3:GetObject"], "*", "has no power over IAM or over a whole service"),
    ] {
        let text =
            serde_json::json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": resource}});
        let document = Document::from_value(&text).unwrap();
        assert_eq!(analyse(&[Held::managed("p", &document)], None).ability().to_string(), expected);
    }
    let known = |name: &str| {
        managed::known(&format!("arn:aws:iam::aws:policy/{name}")).unwrap().ability().to_string()
    };
    assert_eq!(known("AdministratorAccess"), "is a full administrator");
    assert_eq!(known("AmazonRDSFullAccess"), "fully controls rds");
    assert_eq!(known("PowerUserAccess"), "can make itself administrator");
    assert_eq!(known("AWSCodeBuildDeveloperAccess"), "can run its own build commands as any project's role");
}

/// The moods were once made by reading the sentence's first word back, which knew `is` and `can` alone: whoever was only about to
/// control a service "fully controls" it already.
#[test]
fn abilities_in_every_mood() {
    for (actions, now, would) in [
        ("*", "is now a full administrator", "would be a full administrator"),
        ("iam:*", "can now make itself administrator", "could make itself administrator"),
        ("s3:*", "now fully controls s3", "would fully control s3"),
        (
            "s3:GetObject",
            "now has no power over IAM or over a whole service",
            "would have no power over IAM or over a whole service",
        ),
    ] {
        let text = serde_json::json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
        let document = Document::from_value(&text).unwrap();
        let ability = analyse(&[Held::managed("p", &document)], None).ability();
        assert_eq!((ability.with_adverb("now").as_str(), ability.would().as_str()), (now, would));
    }
}

/// The facts of a verdict name the policy, the statement and the condition, so that nobody has to read a sentence for them.
#[test]
fn reasons_are_facts() {
    let read = |text: &str| Document::parse(text).unwrap();
    let (first, second) = (
        read(r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#),
        read(
            r#"{"Statement":[{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"},
                {"Sid":"Run","Effect":"Allow","Action":["iam:PassRole","ec2:RunInstances"],"Resource":"*",
                    "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}},
                {"Effect":"Allow","Action":"lambda:UpdateFunctionCode","Resource":"*"}]}"#,
        ),
    );
    let held = [Held::inline("read", &first), Held::managed("run", &second)];
    let grant = explain(&held, Some("arn:aws:iam::111122223333:user/bob"));
    assert_eq!((grant.level, grant.conditional), (Level::PrivilegeEscalation, true));
    let told: Vec<(&str, usize, usize, Option<&str>, Vec<&str>)> = grant
        .reasons
        .iter()
        .map(|reason| {
            let Gives::Path { path } = reason.gives else { panic!("{reason:?}") };
            let [source] = reason.statements.as_slice() else { panic!("{reason:?}") };
            let keys = source.conditions.iter().map(|condition| condition.key.as_str()).collect();
            (path.id, source.policy, source.statement.number, source.statement.sid.as_deref(), keys)
        })
        .collect();
    assert!(told.contains(&("passrole-ec2", 1, 2, Some("Run"), vec!["aws:SourceIp"])), "{told:?}");
    assert!(told.contains(&("lambda-update-code", 1, 3, None, vec![])), "{told:?}");
    let ids: Vec<&str> = told.iter().map(|(id, ..)| *id).collect();
    assert_eq!(ids, grant.paths, "one reason a path");
    assert_eq!(grant.policies[1], PolicyName::new(Origin::Managed, "run"));
    assert_eq!(analyse(&held, Some("arn:aws:iam::111122223333:user/bob")).why(), grant.why());
    for reason in &grant.reasons {
        assert!(grant.tell(reason).starts_with("policy \"run\": statement "), "{}", grant.tell(reason));
    }
}

/// A reason that is cited must be one: without its statements, the power that they give together is gone.
#[test]
fn the_statements_of_a_reason_are_needed_together() {
    for (_, rows) in all() {
        for row in rows {
            let documents: Vec<Document> =
                row.policies.iter().map(|policy| Document::from_value(policy).unwrap()).collect();
            let held: Vec<Held<'_>> = documents.iter().map(|one| Held::managed("row", one)).collect();
            let whole = explain(&held, row.grantee.as_deref());
            assert_eq!(whole.level, row.judge().level, "{}", row.name);
            assert_eq!(whole.why(), row.judge().why(), "{}", row.name);
            for reason in &whole.reasons {
                let kept: Vec<Document> = documents
                    .iter()
                    .enumerate()
                    .map(|(policy, document)| {
                        let cited = |number: usize| {
                            let same = |one: &Source| one.policy == policy && one.statement.number == number;
                            reason.statements.iter().any(same)
                        };
                        let mut kept = document.clone();
                        let mut number = 0;
                        kept.statements.retain(|statement| {
                            number += 1;
                            statement.effect == Effect::Deny || cited(number)
                        });
                        kept
                    })
                    .collect();
                let held: Vec<Held<'_>> = kept.iter().map(|one| Held::managed("row", one)).collect();
                let alone = explain(&held, row.grantee.as_deref());
                let same = |other: &Reason| other.gives == reason.gives;
                let enough = match &reason.gives {
                    // The sentence names three, and the statements are those that give these.
                    Gives::Services { services } => {
                        services.iter().take(3).all(|one| alone.services.contains(one))
                    }
                    Gives::Named { .. } => {
                        alone.reasons.iter().any(|one| matches!(one.gives, Gives::Named { .. }))
                    }
                    Gives::Path { path } => alone.paths.contains(&path.id),
                    _ => alone.reasons.iter().any(same),
                };
                assert!(enough, "{}: {reason:?} is not what these statements give", row.name);
            }
        }
    }
}

fn why(text: &str) -> String {
    analyse(&[Held::managed("deploy", &Document::parse(text).unwrap())], None).why()
}

#[test]
fn sentences_word_for_word() {
    for (text, expected) in [
        (
            r#"{"Statement":{"Sid":"Admin","Effect":"Allow","Action":"*","Resource":"*"}}"#,
            "policy \"deploy\": statement \"Admin\" allows every action on every resource",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","NotAction":"organizations:*","Resource":"*"}]}"#,
            "policy \"deploy\": statement 1 allows every action on every resource, except organizations:*",
        ),
        (
            r#"{"Statement":[{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"},
                {"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
            "policy \"deploy\": statement 2 allows every action on every resource, except what statement 1 denies",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":["iam:PassRole","lambda:CreateFunction","lambda:InvokeFunction"],
                "Resource":"*"}}"#,
            "policy \"deploy\": statement 1 allows iam:PassRole together with lambda:CreateFunction, so its holder can \
             run code as any role",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"},
                {"Effect":"Allow","NotAction":"iam:*","Resource":"*"}]}"#,
            "policy \"deploy\": statements 1 and 2 together allow every action on every resource",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*",
                "Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}}"#,
            "policy \"deploy\": statement 1 allows every action of kms on every resource, under a condition on \
             aws:SourceIp",
        ),
        (
            r#"{"Statement":{"Effect":"Allow","Action":["iam:PutRolePolicy","iam:AttachRolePolicy"],
                "Resource":["arn:aws:iam::*:role/app-*","arn:aws:iam::*:role/web"]}}"#,
            "policy \"deploy\": statement 1 allows iam:AttachRolePolicy and iam:PutRolePolicy on role app-* and 1 \
             more, so its holder can change role app-* and 1 more",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*"},
                {"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"arn:aws:iam::*:role/app-*"}]}"#,
            "policy \"deploy\": statements 1 and 2 together allow iam:CreateRole together with iam:AttachRolePolicy or \
             iam:PutRolePolicy, so its holder can make an administrator role and assume it",
        ),
        (
            r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
                {"Effect":"Allow","Action":"iam:PutRolePolicy","Resource":"arn:aws:iam::*:role/app-*"}]}"#,
            "policy \"deploy\": statement 1 allows every action of s3 on every resource; the holder can also change \
             role app-*",
        ),
    ] {
        assert_eq!(why(text), expected);
    }
}

#[test]
fn names_from_a_document_cannot_speak_for_keepwatch() {
    let text = format!(
        r#"{{"Statement":{{"Sid":"a\u202e\u200b\n\u0007\"b{}","Effect":"Allow","Action":"*","Resource":"*"}}}}"#,
        "x".repeat(500)
    );
    let why = why(&text);
    assert!(!why.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{200b}'), "{why}");
    assert!(why.len() < 160, "{why}");
}

/// The kind of a policy is a fact and no part of its name: with "inline" in it, this one was taken for one that nobody can
/// rewrite.
#[test]
fn no_name_makes_a_policy_inline() {
    let text = r#"{"Statement":{"Effect":"Allow","Action":"iam:CreatePolicyVersion",
        "Resource":"arn:aws:iam::111122223333:policy/inline-helper"}}"#;
    let document = Document::parse(text).unwrap();
    let bob = Some("arn:aws:iam::111122223333:user/bob");
    let level = |held| analyse(&[held], bob).level;
    assert_eq!(level(Held::managed("inline-helper", &document)), Level::PrivilegeEscalation);
    assert_ne!(level(Held::inline("inline-helper", &document)), Level::PrivilegeEscalation);
    let odd = PolicyName::new(Origin::Managed, "a\" allows nothing: \"b").to_string();
    assert_eq!(odd, "policy \"a' allows nothing: 'b\"");
    assert_eq!(PolicyName::new(Origin::Inline, " ").to_string(), "inline policy");
}

#[test]
fn path_ids_are_unique_and_kebab_case() {
    let mut ids: Vec<&str> = PATHS.iter().map(|path| path.id).collect();
    assert!(
        ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    );
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), PATHS.len());
}

/// Every path opens by its own actions and stays shut without any one of them.
#[test]
fn every_path_needs_exactly_its_actions() {
    for path in PATHS {
        let mut actions: Vec<&str> = path.all.to_vec();
        actions.extend(path.any.first());
        actions.extend((!path.passes.is_empty()).then_some("iam:PassRole"));
        // To use the role that it passes takes an action of any of the other paths.
        actions.extend((path.id == "rewrite-and-pass-role").then_some("ec2:RunInstances"));
        let opens = |actions: &[&str]| {
            let text =
                serde_json::json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
            let document = Document::from_value(&text).unwrap();
            analyse(&[Held::managed("p", &document)], None).paths.contains(&path.id)
        };
        assert!(opens(&actions), "{}", path.id);
        for i in 0..actions.len() {
            let mut fewer = actions.clone();
            fewer.remove(i);
            assert!(!opens(&fewer), "{} without {}", path.id, actions[i]);
        }
    }
}

#[test]
fn unreadable_documents_are_errors() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "AdministratorAccess",
        r#"{"Statement":[]}"#,
        r#"{"Statement":null}"#,
        r#"{"Statement":[{"Effect":"Alow","Action":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Action":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","NotResource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":[["*"]],"Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":{"a":"*"},"Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Deny","Action":"a:b","Action":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","NotAction":"a:b","NotAction":"*","Resource":"*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]} x"#,
        "%7B%22Statement%22",
    ] {
        let error = Document::parse(text).expect_err(text).to_string();
        assert!(error.starts_with("the policy document is") && error.len() < 320, "{error}");
    }
    let deep = (0..9)
        .fold(r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#.to_owned(), |text, _| {
            serde_json::to_string(&text).unwrap()
        });
    assert!(Document::parse(&deep).is_err());
    assert!(Document::parse(&"[".repeat(100_000)).is_err());
    assert!(Document::parse(&format!("{{\"a\":\"{}\"}}", "x".repeat(2 << 20))).is_err());
}

#[test]
fn managed_policies_by_name() {
    let name = |arn| managed::name_of(arn);
    assert_eq!(name("arn:aws:iam::aws:policy/AdministratorAccess"), Some("AdministratorAccess"));
    assert_eq!(name("arn:aws-cn:iam::aws:policy/job-function/Billing"), Some("Billing"));
    assert_eq!(name("arn:aws-us-gov:iam::aws:policy/service-role/X"), Some("X"));
    for not in [
        "arn:aws:iam::111122223333:policy/AdministratorAccess",
        "arn:aws:iam::aws:role/AdministratorAccess",
        "arn:evil:iam::aws:policy/AdministratorAccess",
        "AdministratorAccess",
        "",
    ] {
        assert_eq!(name(not), None, "{not}");
        assert_eq!(managed::known(not), None);
    }
    let level =
        |name: &str| managed::known(&format!("arn:aws:iam::aws:policy/{name}")).map(|grant| grant.level);
    assert_eq!(level("AdministratorAccess"), Some(Level::FullAdmin));
    assert_eq!(level("PowerUserAccess"), Some(Level::PrivilegeEscalation));
    assert_eq!(level("IAMFullAccess"), Some(Level::PrivilegeEscalation));
    assert_eq!(level("AmazonS3FullAccess"), Some(Level::ServiceAdmin));
    assert_eq!(level("AmazonFutureFullAccess"), None);
    assert_eq!(level("AmazonFutureReadOnlyAccess"), None);
    assert_eq!(level("ReadOnlyAccess"), Some(Level::Ordinary));
    let guess =
        |name: &str| managed::guess(&format!("arn:aws:iam::aws:policy/{name}")).map(|grant| grant.level);
    assert_eq!(guess("AmazonFutureFullAccess"), Some(Level::ServiceAdmin));
    assert_eq!(guess("AmazonFutureReadOnlyAccess"), Some(Level::Ordinary));
    assert_eq!(guess("AmazonSageMakerFullAccess"), Some(Level::PrivilegeEscalation));
    assert_eq!(guess("service-role/SomethingNew"), None);
    assert_eq!(managed::guess("arn:aws:iam::111122223333:policy/MyFullAccess"), None);
    assert_eq!(level("service-role/SomethingNew"), None);
    assert!(managed::is_quarantine("arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV9"));
    assert!(managed::is_quarantine("arn:aws:iam::aws:policy/AWSExposedCredentialPolicy_DO_NOT_REMOVE"));
    assert!(!managed::is_quarantine("arn:aws:iam::111122223333:policy/AWSCompromisedKeyQuarantineV2"));
    let power = managed::known("arn:aws-cn:iam::aws:policy/PowerUserAccess").unwrap();
    assert_eq!(
        power.why(),
        "the AWS policy \"PowerUserAccess\" allows sts:AssumeRole, so its holder can assume every role that trusts \
         the account"
    );
}

/// `iam-rs` reads what it can; whatever it takes for a policy is one here, with as many statements.
#[test]
fn reads_what_iam_rs_reads() {
    let mut agreed = 0;
    for (_, rows) in all() {
        for policy in rows.iter().flat_map(|row| &row.policies) {
            let Ok(theirs) = iam_rs::IAMPolicy::from_json(&policy.to_string()) else { continue };
            let ours = Document::from_value(policy).unwrap();
            assert_eq!(ours.statements.len(), theirs.statement.len(), "{policy}");
            agreed += 1;
        }
    }
    assert!(agreed > 150, "iam-rs read {agreed} only");
}
