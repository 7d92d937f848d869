//! A right over a few users, groups, roles or policies by name, in words.

use super::holder::UNKNOWN;
use super::policy_set::View;
use super::words;

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

    /// Whether a view gives the right that [`NamedRight::says`].
    pub(super) fn is_in(&self, view: &View<'_, '_>) -> bool {
        let Some(first) = self.targets.first() else { return false };
        self.actions.iter().take(3).all(|action| view.names(action, None).binary_search(first).is_ok())
    }

    /// `iam:PutRolePolicy on role app-*, so its holder can change role app-*`.
    pub(super) fn says(&self) -> String {
        let actions: Vec<String> = self.actions.iter().map(|action| (*action).to_owned()).collect();
        format!("{} on {}, so its holder can {}", words::list(&actions), self.target(), self.clause())
    }

    /// `change role app-*`, `sign in as user bob`.
    pub(super) fn clause(&self) -> String {
        self.verb(&self.target())
    }

    /// The same without a name that nobody gives: it might be a sentence.
    pub(super) fn plain_clause(&self) -> String {
        let target = self.target();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b" +=,.@_/*?-".contains(&b);
        if target.len() <= 50 && target.bytes().all(plain) && target.matches(' ').count() <= 4 {
            return self.verb(&target);
        }
        let kind = target.split(' ').next().unwrap_or_default();
        self.verb(&format!("a {kind} by name"))
    }

    fn verb(&self, target: &str) -> String {
        match self.actions.first() {
            Some(&"iam:CreateAccessKey" | &"iam:CreateLoginProfile" | &"iam:UpdateLoginProfile") => {
                format!("sign in as {target}")
            }
            Some(&"iam:AddUserToGroup") => format!("add users to {target}"),
            _ => format!("change {target}"),
        }
    }

    /// `role app-*`, `policy app and 2 more`.
    fn target(&self) -> String {
        let Some(first) = self.targets.first() else { return String::new() };
        let resource = first.splitn(6, ':').nth(5).unwrap_or(first).replace(UNKNOWN, "*");
        let name = match resource.split_once('/') {
            Some((kind, name)) => format!("{} {}", words::name(kind), words::name(name)),
            None => words::name(&resource),
        };
        match self.targets.len() {
            1 => name,
            more => format!("{name} and {} more", more - 1),
        }
    }
}
