//! What a way to gain power is made of.

/// One way to gain power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Kebab-case name, stable: findings keep it.
    pub id: &'static str,
    /// What its holder can do, to follow "so its holder can".
    pub clause: &'static str,
    /// The actions that are all needed.
    pub all: &'static [&'static str],
    /// Further actions of which one is needed, if there are any.
    pub any: &'static [&'static str],
    /// The services that may receive the role, where `iam:PassRole` to one of them is needed as well.
    pub passes: &'static [&'static str],
    /// Needs something in the account that happens to have more power than the holder (a function, an instance, a
    /// stack). A weak path alone is no [`crate::Level::PrivilegeEscalation`].
    pub weak: bool,
    /// Whose resource it must be.
    pub target: Target,
    /// How the power is gained.
    pub kind: PathKind,
    /// Who tells of it.
    pub source: PathSource,
}

impl Path {
    /// `iam:PassRole together with lambda:CreateFunction`.
    pub(crate) fn actions(&self) -> String {
        let actions = match self.all {
            [] => self.any.join(" or "),
            all => all.join(" and "),
        };
        if matches!(self.target, Target::Same | Target::SamePassed) {
            return format!("{actions} together with {}", self.any.join(" or "));
        }
        if self.passes.is_empty() { actions } else { format!("iam:PassRole together with {actions}") }
    }

    /// The same as what a policy does: `allows iam:PutUserPolicy, so its holder can …`.
    pub(crate) fn says(&self) -> String {
        format!("allows {}, so its holder can {}", self.actions(), self.clause)
    }
}

/// On which resources a path works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Most resources of the kind. One's own is no gain: a key for oneself is self-service.
    Others,
    /// Most resources of the kind, or the holder itself: one who may attach policies to itself needs nobody else.
    OthersOrSelf,
    /// Any resource, be it a single one, as long as it is the same for all the actions that work on its kind.
    Same,
    /// The same, where the resource is a role that can also be passed to a service and used there.
    SamePassed,
}

/// How a path gives power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathKind {
    /// It changes what a policy, a trust, a membership or an assignment says.
    ChangesPolicy,
    /// It makes or resets somebody's credential.
    TakesCredential,
    /// It gets a session of somebody, or a shell or a console where somebody's role is.
    TakesSession,
    /// It runs code, or has a service act, as a role.
    RunsCode,
    /// It takes off what keeps its holder, or all of the account, from more.
    LiftsLimit,
}

/// Who tells of a path. Where several do, the one that says most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathSource {
    /// DataDog's pathfinding.cloud.
    Pathfinding,
    /// Prowler's `privilege_escalation.py`.
    Prowler,
    /// PMapper's edges.
    Pmapper,
    /// Rhino Security Labs' "AWS IAM privilege escalation" (2018) and Pacu, which Bishop Fox's IAM Vulnerable teaches.
    Rhino,
    /// It follows from a page of AWS's documentation: [`crate::PAGES`].
    Aws,
}

const PATH: Path = Path {
    id: "",
    clause: "run code as any role",
    all: &[],
    any: &[],
    passes: &[],
    weak: false,
    target: Target::Others,
    kind: PathKind::RunsCode,
    source: PathSource::Aws,
};

/// A change to IAM that helps its holder on others and on itself.
pub(crate) const fn own(
    kind: PathKind,
    source: PathSource,
    id: &'static str,
    all: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { target: Target::OthersOrSelf, ..others(kind, source, id, all, &[], clause) }
}

/// What helps its holder on others.
pub(crate) const fn others(
    kind: PathKind,
    source: PathSource,
    id: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { kind, source, id, all, any, clause, ..PATH }
}

/// All of it on one resource.
pub(crate) const fn same(
    kind: PathKind,
    source: PathSource,
    id: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { target: Target::Same, ..others(kind, source, id, all, any, clause) }
}

/// What needs something that happens to be there.
pub(crate) const fn weak(
    kind: PathKind,
    source: PathSource,
    id: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { weak: true, ..others(kind, source, id, all, any, clause) }
}

/// A role handed to a service that runs its holder's code with it.
pub(crate) const fn pass(
    source: PathSource,
    id: &'static str,
    passes: &'static [&'static str],
    all: &'static [&'static str],
    any: &'static [&'static str],
) -> Path {
    Path { source, id, passes, all, any, ..PATH }
}

/// A role handed to a service that does with it, of AWS's calls, what its holder says.
pub(crate) const fn act(
    source: PathSource,
    id: &'static str,
    passes: &'static [&'static str],
    all: &'static [&'static str],
    any: &'static [&'static str],
) -> Path {
    Path { clause: "have a service act as any role", ..pass(source, id, passes, all, any) }
}
