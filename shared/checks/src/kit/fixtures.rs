//! Facts for the tests of several themes.

use keepwatch_core::posture::facts::iam::{
    Authorization, Credentials, ManagedPolicy, Moment, ReportKey, User,
};
use keepwatch_core::posture::{State, ask};
use keepwatch_core::state::PolicyText;

use crate::testing::{account, days_ago, global};

/// A user without credentials, a year old.
pub(crate) fn user(name: &str) -> Credentials {
    Credentials {
        user: name.to_owned(),
        arn: format!("arn:aws:iam::111122223333:user/{name}"),
        created: Moment::At(days_ago(365)),
        password: Some(false),
        password_used: Moment::Never,
        password_changed: Moment::Never,
        mfa: false,
        keys: Vec::new(),
    }
}

/// Root's row as AWS writes it.
pub(crate) fn root() -> Credentials {
    Credentials {
        user: "<root_account>".to_owned(),
        arn: "arn:aws:iam::111122223333:root".to_owned(),
        password: None,
        password_changed: Moment::NotSupported,
        password_used: Moment::NoInformation,
        ..user("root")
    }
}

/// A key that was made so many days ago and used so many days ago.
pub(crate) fn key(slot: u8, active: bool, made: u64, used: Option<u64>) -> ReportKey {
    let used = used.map_or(Moment::Never, |days| Moment::At(days_ago(days)));
    ReportKey { slot, active, rotated: Moment::At(days_ago(made)), used }
}

/// The account with this credential report.
pub(crate) fn report_of(root: Option<Credentials>, users: Vec<Credentials>) -> State {
    let report = keepwatch_core::posture::facts::iam::CredentialReport { root, users };
    account().with(ask::CredentialReport, global(), report)
}

/// A user with AWS's policy for administrators.
pub(crate) fn admin(name: &str) -> User {
    User {
        arn: format!("arn:aws:iam::111122223333:user/{name}"),
        name: name.to_owned(),
        managed: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
        ..User::default()
    }
}

/// These users and nothing else.
pub(crate) fn authorization_of(users: Vec<User>) -> Authorization {
    Authorization { users, ..Authorization::default() }
}

/// A policy.
pub(crate) fn policy(name: &str, text: &str) -> PolicyText {
    PolicyText { name: name.to_owned(), text: text.to_owned() }
}

/// A document that allows these actions on these resources.
pub(crate) fn allow(actions: &str, resources: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": {actions}, "Resource": {resources}}}]}}"#
    )
}

/// A customer managed policy with so many attachments.
pub(crate) fn managed(name: &str, document: &str, attachments: u32) -> ManagedPolicy {
    ManagedPolicy {
        arn: format!("arn:aws:iam::111122223333:policy/{name}"),
        name: name.to_owned(),
        attachments,
        document: document.to_owned(),
    }
}
