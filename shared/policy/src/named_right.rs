//! A right over a few users, groups, roles or policies by name.

use super::policy_set::View;
use super::verdict::Gives;

/// A right to change users, groups, roles or policies of given names.
pub(super) struct NamedRight {
    /// The actions that are allowed on the first of the targets, the most direct first.
    actions: Vec<&'static str>,
    /// Patterns of ARNs.
    targets: Vec<String>,
}

impl NamedRight {
    /// The most direct right over named resources that a view gives.
    pub(super) fn of(view: &View<'_, '_>) -> Option<NamedRight> {
        let changes = view.changes();
        let (_, targets) = changes.first()?;
        let first = targets.first()?;
        let on_first = changes.iter().filter(|(_, names)| names.binary_search(first).is_ok());
        Some(NamedRight { actions: on_first.map(|(action, _)| *action).collect(), targets: targets.to_vec() })
    }

    /// Whether a view gives the right, as far as a sentence tells it.
    pub(super) fn is_in(&self, view: &View<'_, '_>) -> bool {
        let Some(first) = self.targets.first() else { return false };
        self.actions.iter().take(3).all(|action| view.names(action, None).binary_search(first).is_ok())
    }

    /// As a verdict has it.
    pub(super) fn gives(&self) -> Gives {
        Gives::Named { actions: self.actions.clone(), targets: self.targets.clone() }
    }
}
