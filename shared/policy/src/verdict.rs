//! What documents come to, as facts. The sentences that tell them are made in [`super::say`].

use serde::{Serialize, Serializer};

use super::document::{Condition, Statement};
use super::held::PolicyName;
use super::level::Level;
use super::path::Path;

/// What a set of policies gives its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// How much.
    pub level: Level,
    /// Where the power comes from, what decides the level first. Empty for [`Level::Ordinary`] and for what was not read but
    /// is known by its name. [`super::analyse`] gives those that its sentence tells, [`super::explain`] gives all.
    pub reasons: Vec<Reason>,
    /// Ids of the ways to gain power that are open, the most direct first. Empty for [`Level::FullAdmin`], which needs
    /// none.
    pub paths: Vec<&'static str>,
    /// The services of which every action is allowed. `*` alone stands for all but IAM. Empty for
    /// [`Level::FullAdmin`].
    pub services: Vec<String>,
    /// The power hangs on circumstances (an address, MFA, a region) that a condition asks for.
    pub conditional: bool,
    /// The policies that were judged.
    pub policies: Vec<PolicyName>,
    /// How it is known.
    pub basis: Basis,
}

/// How it is known what a grant gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The documents were read.
    Documents,
    /// The name is that of a policy of AWS's whose document was read when the table was made.
    Known,
    /// The name is that of a policy with which AWS takes rights from an exposed key.
    Quarantine,
    /// By the name of a policy of AWS's that could not be read.
    Guess,
}

impl Grant {
    /// What no policy at all gives.
    pub(super) fn none() -> Grant {
        Grant {
            level: Level::Ordinary,
            reasons: Vec::new(),
            paths: Vec::new(),
            services: Vec::new(),
            conditional: false,
            policies: Vec::new(),
            basis: Basis::Documents,
        }
    }

    /// What a policy of AWS's gives that is not read but known by its name.
    pub(super) fn by_name(
        basis: Basis,
        policy: PolicyName,
        level: Level,
        paths: &[&'static str],
        services: &[&str],
    ) -> Grant {
        Grant {
            level,
            reasons: Vec::new(),
            paths: paths.to_vec(),
            services: services.iter().map(|service| (*service).to_owned()).collect(),
            conditional: false,
            policies: vec![policy],
            basis,
        }
    }
}

/// One power, and the statements that give it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What they give.
    pub gives: Gives,
    /// The statements that give it together, in the documents' order: the fewest that do, as far as a search in one pass
    /// finds them.
    pub statements: Vec<Source>,
    /// What is taken from it. Told of [`Gives::Everything`] and [`Gives::NearlyEverything`] only.
    pub except: Vec<Exception>,
}

/// What a reason gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Gives {
    /// Every action on every resource.
    Everything,
    /// Nearly every action of nearly every service, but not IAM.
    NearlyEverything,
    /// Every change to IAM.
    Iam,
    /// Every action of these services on every resource.
    Services {
        /// As actions name them: `s3`.
        services: Vec<String>,
    },
    /// A way to gain power.
    Path {
        /// Which.
        #[serde(serialize_with = "id_of")]
        path: &'static Path,
    },
    /// Changes to a few users, groups, roles or policies by name.
    Named {
        /// The actions that are allowed on the first of the targets, the most direct first.
        actions: Vec<&'static str>,
        /// Patterns of ARNs.
        targets: Vec<String>,
    },
}

fn id_of<S: Serializer>(path: &&'static Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(path.id)
}

/// What is taken from a power.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Exception {
    /// The actions that a `NotAction` leaves out, as written.
    Actions {
        /// Patterns.
        actions: Vec<String>,
    },
    /// The resources that a `NotResource` leaves out.
    Resources,
    /// What a statement denies without any condition.
    Denied {
        /// Which.
        by: Source,
    },
}

/// A statement of one of the policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The policy that it stands in: the index in [`Grant::policies`].
    pub policy: usize,
    /// Which of the policy's statements.
    pub statement: StatementId,
    /// The conditions on circumstances under which it gives what it gives.
    pub conditions: Vec<Condition>,
}

/// A statement of one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementId {
    /// Its number in the document, from one.
    pub number: usize,
    /// Its Sid as written: its author's to choose.
    pub sid: Option<String>,
}

impl StatementId {
    pub(super) fn of(statement: &Statement, number: usize) -> StatementId {
        StatementId { number, sid: statement.sid.clone() }
    }
}
