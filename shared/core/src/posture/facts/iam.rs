//! IAM: the account's numbers, the credential report, who holds what.

use keepwatch_base::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::PolicyText;

/// The account's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    /// Root has an MFA device.
    pub root_mfa: bool,
    /// Root has a password.
    pub root_password: bool,
    /// How many access keys root has.
    pub root_access_keys: u32,
    /// How many signing certificates root has.
    pub root_certificates: u32,
    /// How many users there are.
    pub users: u32,
}

/// A date of the credential report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// `N/A`: there is no such thing, or it never happened.
    Never,
    /// `no_information`: never, or before AWS began to count (October 2014).
    NoInformation,
    /// `not_supported`: AWS does not say it of root.
    NotSupported,
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// The time, where there is one.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Moment::At(time) => Some(time),
            Moment::Never | Moment::NoInformation | Moment::NotSupported => None,
        }
    }
}

/// The credential report. AWS makes a new one every four hours at most; the answer's time is when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialReport {
    /// Root, where AWS lists it.
    pub root: Option<Credentials>,
    /// The users.
    pub users: Vec<Credentials>,
}

/// A row of the credential report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The user's name; `<root_account>` for root.
    pub user: String,
    /// ARN.
    pub arn: String,
    /// When the user was made.
    pub created: Moment,
    /// It has a password; nothing where AWS does not say, as for root.
    pub password: Option<bool>,
    /// When the password was last used.
    pub password_used: Moment,
    /// When it was set.
    pub password_changed: Moment,
    /// It has an MFA device.
    pub mfa: bool,
    /// Its keys, by slot: the first and the second.
    pub keys: Vec<ReportKey>,
}

/// An access key in the credential report, which does not tell its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportKey {
    /// 1 or 2.
    pub slot: u8,
    /// It is switched on.
    pub active: bool,
    /// When it was made or last switched on or off.
    pub rotated: Moment,
    /// When it was last used.
    pub used: Moment,
}

/// An access key and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// It is switched on.
    pub active: bool,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// The password policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordPolicy {
    /// The least length.
    pub length: u32,
    /// A symbol is required.
    pub symbols: bool,
    /// A digit is required.
    pub numbers: bool,
    /// An upper-case letter is required.
    pub uppercase: bool,
    /// A lower-case letter is required.
    pub lowercase: bool,
    /// After how many days a password expires.
    pub max_age_days: Option<u32>,
    /// How many earlier passwords may not be used again.
    pub reuse_prevention: Option<u32>,
}

/// A virtual MFA device that belongs to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualMfaDevice {
    /// Its serial number, an ARN.
    pub serial: String,
    /// ARN of its user, or of root.
    pub user_arn: String,
}

/// Users, groups, roles and customer managed policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// Users.
    pub users: Vec<User>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Customer managed policies.
    pub policies: Vec<ManagedPolicy>,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Unique id.
    pub id: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Names of its groups.
    pub groups: Vec<String>,
    /// Inline policies.
    pub inline: Vec<PolicyText>,
    /// ARNs of attached managed policies.
    pub managed: Vec<String>,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Inline policies.
    pub inline: Vec<PolicyText>,
    /// ARNs of attached managed policies.
    pub managed: Vec<String>,
}

/// A role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Path, `/aws-service-role/…/` for a service's own.
    pub path: String,
    /// Unique id.
    pub id: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was last used; AWS remembers 400 days.
    pub last_used: Option<Timestamp>,
    /// The trust policy.
    pub trust: String,
    /// Inline policies.
    pub inline: Vec<PolicyText>,
    /// ARNs of attached managed policies.
    pub managed: Vec<String>,
    /// ARN of its permissions boundary.
    pub boundary: Option<String>,
}

/// A customer managed policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// How many users, groups and roles it is attached to. Use as a boundary is none.
    pub attachments: u32,
    /// The document of its default version.
    pub document: String,
}
