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
    /// stack). A weak path alone is no [`super::Level::PrivilegeEscalation`].
    pub weak: bool,
    /// Whose resource it must be.
    pub target: Target,
}

impl Path {
    /// `iam:PassRole together with lambda:CreateFunction`.
    pub(super) fn actions(&self) -> String {
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
    pub(super) fn says(&self) -> String {
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

pub(super) const fn on(
    target: Target,
    id: &'static str,
    action: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { id, clause, all: action, any: &[], passes: &[], weak: false, target }
}

pub(super) const fn own(id: &'static str, action: &'static [&'static str], clause: &'static str) -> Path {
    on(Target::OthersOrSelf, id, action, clause)
}

pub(super) const fn others(id: &'static str, action: &'static [&'static str], clause: &'static str) -> Path {
    on(Target::Others, id, action, clause)
}

pub(super) const fn same(
    id: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { id, clause, all, any, passes: &[], weak: false, target: Target::Same }
}

pub(super) const fn weak(
    id: &'static str,
    all: &'static [&'static str],
    any: &'static [&'static str],
    clause: &'static str,
) -> Path {
    Path { id, clause, all, any, passes: &[], weak: true, target: Target::Others }
}

pub(super) const fn pass(
    id: &'static str,
    passes: &'static [&'static str],
    all: &'static [&'static str],
    any: &'static [&'static str],
) -> Path {
    Path { id, clause: "run code as any role", all, any, passes, weak: false, target: Target::Others }
}
