//! A policy document as IAM means it: lists where JSON may have scalars, one spelling of every member.

use keepwatch_base::arn::{Arn, is_account_id};
use keepwatch_base::wildcard;
use serde::Serialize;

use super::condition::{Kind, Operator};

/// The largest document that is read, in bytes of JSON. AWS's own limits are 10 KB for IAM, 20 KB for S3 and 32 KB
/// for KMS; CloudTrail cuts a whole event at 256 KB.
pub const MAX_BYTES: usize = 1 << 20;

/// A policy document that was read. It has at least one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `2012-10-17` or `2008-10-17`; IAM takes the older where it is missing.
    pub version: Option<String>,
    /// The statements in the document's order.
    pub statements: Vec<Statement>,
}

impl Document {
    /// Whether `${aws:username}` and the like are variables in it. A document of the older version, or of none, takes them for
    /// text (IAM user guide, "IAM JSON policy elements: Version").
    pub fn has_variables(&self) -> bool {
        self.version.as_deref() == Some("2012-10-17")
    }
}

/// Why a document could not be read. Its text is a plain sentence, safe to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Neither JSON nor an encoding of JSON that AWS uses.
    #[error("the policy document is not JSON: {0}")]
    NotJson(String),
    /// More than [`MAX_BYTES`].
    #[error("the policy document is larger than any that AWS accepts")]
    TooLarge,
    /// JSON, but not a policy that IAM would accept.
    #[error("the policy document is not a policy: {0}")]
    Malformed(String),
}

/// What a statement does to the requests it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Grants, unless another statement denies.
    Allow,
    /// Refuses, whatever other statements grant.
    Deny,
}

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement's name, as written: an attacker's to choose.
    pub sid: Option<String>,
    /// Allow or Deny.
    pub effect: Effect,
    /// Who it is about. Empty in identity policies.
    pub principals: Vec<Principal>,
    /// `NotPrincipal`: everyone but these.
    pub not_principals: Option<Vec<Principal>>,
    /// Patterns of actions. Empty where `not_actions` is there.
    pub actions: Vec<String>,
    /// `NotAction`: every action but these.
    pub not_actions: Option<Vec<String>>,
    /// Patterns of ARNs. Empty in trust policies.
    pub resources: Vec<String>,
    /// `NotResource`: every resource but these.
    pub not_resources: Option<Vec<String>>,
    /// What must hold besides; all of them together.
    pub conditions: Vec<Condition>,
}

impl Statement {
    /// Whether it speaks of the action, principals, resources and conditions aside.
    pub fn names(&self, action: &str) -> bool {
        let fits = |list: &[String]| list.iter().any(|p| wildcard::matches_ignore_ascii_case(p, action));
        match &self.not_actions {
            Some(spared) => !fits(spared),
            None => fits(&self.actions),
        }
    }
}

/// One principal of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Which member of `Principal` it stood in.
    pub kind: PrincipalKind,
    /// An ARN, an account, a service's name, a provider, `*`.
    pub value: String,
}

/// The members of `Principal`. A bare `"Principal": "*"` is [`PrincipalKind::Aws`]: IAM treats both alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// Accounts, users, roles, sessions, or everyone.
    Aws,
    /// An AWS service.
    Service,
    /// An identity provider: OIDC, SAML, or one of AWS's older web identities.
    Federated,
    /// An account by its S3 canonical id.
    CanonicalUser,
    /// A member that IAM does not document.
    Other,
}

/// One line of a Condition block: the operator, the key, and the values of which one must fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `StringEquals`, `ForAnyValue:StringLike` … as written.
    pub operator: String,
    /// `aws:SourceIp`, `iam:PassedToService` … as written.
    pub key: String,
    /// The values; booleans and numbers as text.
    pub values: Vec<String>,
}

impl Condition {
    /// Whether it holds for requests without TLS, and for no others.
    pub fn is_without_tls(&self) -> bool {
        Operator::parse(&self.operator).kind == Kind::Bool
            && self.key.eq_ignore_ascii_case("aws:SecureTransport")
            && self.values == ["false"]
    }
}

/// The account of an AWS principal, or `*`; `None` for unique ids (`AROA…`) and what else names no account.
pub(crate) fn account_of(value: &str) -> Option<&str> {
    match Arn::parse(value) {
        Some(arn) => Some(arn.account),
        None if wildcard::is_wild(value) => Some("*"),
        None => is_account_id(value).then_some(value),
    }
}
