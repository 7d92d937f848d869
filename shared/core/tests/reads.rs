//! However much an event makes worth reading, the account's IAM is asked a bounded number of times.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Mutex;

use keepwatch_base::time::Timestamp;
use keepwatch_core::engine::Config;
use keepwatch_core::engine::dispatch::{Index, MAX_READS};
use keepwatch_core::event::Event;
use keepwatch_core::observation::Verdict;
use keepwatch_core::state::{AccountState, Answer, Fact, Holdings, PolicyText, PrincipalKind, Query, Value};
use keepwatch_core::testing::done;
use keepwatch_rules::registry::RULES;
use keepwatch_rules::testing::call;
use serde_json::json;

/// An account in which bob is in this many groups, each with a policy of its own; the last holds the other half of a grant.
struct Account {
    groups: usize,
    reads: Mutex<usize>,
}

const PASS: &str = r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}"#;
const READ: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
const CODE: &str = r#"{"Statement":{"Effect":"Allow","Action":["lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}}"#;

impl AccountState for Account {
    async fn answer(&self, query: &Query) -> Result<Answer, String> {
        if query.is_of_the_account() {
            *self.reads.lock().unwrap() += 1;
        }
        let name = |number: usize| format!("group{number}");
        Ok(match query {
            Query::GroupsOf { .. } => Fact::Known(Value::Names((1..=self.groups).map(name).collect())),
            Query::Principal { kind: PrincipalKind::Group, name: group } => {
                let text = if *group == name(self.groups) { PASS } else { READ };
                let inline = vec![PolicyText { name: "p".to_owned(), text: text.to_owned() }];
                Fact::Known(Value::Holdings(Holdings { inline, ..Holdings::default() }))
            }
            Query::Principal { .. } => Fact::Known(Value::Holdings(Holdings::default())),
            _ => Fact::Missing,
        })
    }
}

/// What `admin-inline-policy` says of the half that bob gets, and how often IAM was asked.
fn judge(groups: usize) -> (Verdict, String, usize) {
    let request = json!({"userName": "bob", "policyName": "half", "policyDocument": CODE});
    let event = call("iam", "PutUserPolicy", json!({"requestParameters": request}));
    let event = Event::parse(&event).unwrap();
    let account = Account { groups, reads: Mutex::new(0) };
    let index = Index::new(RULES);
    let config = Config::default();
    let evaluation = done(index.evaluate_with(&event, &account, &config, Timestamp::from_millis(0)));
    assert_eq!(evaluation.errors, []);
    let seen =
        evaluation.observations.into_iter().find(|seen| seen.rule.id == "admin-inline-policy").unwrap();
    (seen.verdict, seen.reason, account.reads.into_inner().unwrap())
}

#[test]
fn as_many_groups_as_iam_allows_are_read() {
    let (verdict, reason, reads) = judge(10);
    assert_eq!(verdict, Verdict::Failing, "{reason}");
    assert!(reads <= MAX_READS, "{reads}");
}

#[test]
fn beyond_the_bound_nobody_knows() {
    let (verdict, reason, reads) = judge(200);
    assert_eq!((verdict, reads), (Verdict::Unknown, MAX_READS));
    assert!(reason.contains("more than 60 reads for one event"), "{reason}");
}
