//! How much power a set of documents gives, and the sentence that says so.

use serde::Serialize;

use super::document::Document;
use super::escalation::PATHS;
use super::held::{Held, PolicyName};
use super::holder::Holder;
use super::level::Level;
use super::named_right::NamedRight;
use super::path::Path;
use super::policy_set::{PolicySet, View};
use super::{sentence, words};

/// What a set of documents gives its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grant {
    /// How much.
    pub level: Level,
    /// One plain sentence without a full stop, safe to show: where the power comes from.
    pub why: String,
    /// Ids of the ways to gain power that are open, the most direct first. Empty for [`Level::FullAdmin`], which needs
    /// none.
    pub paths: Vec<&'static str>,
    /// The services of which every action is allowed. `*` alone stands for all but IAM. Empty for
    /// [`Level::FullAdmin`].
    pub services: Vec<String>,
    /// The power hangs on circumstances (an address, MFA, a region) that a condition asks for.
    pub conditional: bool,
    /// What its holder can do, to follow "user bob now": `is a full administrator`, `fully controls s3 and ec2`. At
    /// most 80 characters, safe to show.
    pub ability: String,
}

/// How much power these policies give together. `grantee` is the ARN of the user, role or group that holds them, when that is known: a right over oneself is a different matter from a right
/// over somebody else.
///
/// All Allows count, less the Denies that have no condition.
pub fn analyse(policies: &[Held<'_>], grantee: Option<&str>) -> Grant {
    let managed = policies.iter().filter_map(|held| held.name.managed()).collect();
    let documents: Vec<&Document> = policies.iter().map(|held| held.document).collect();
    let power = PolicySet::new(&documents, Holder::new(grantee, managed));
    let names: Vec<PolicyName<'_>> = policies.iter().map(|held| held.name).collect();
    let everyone: Vec<usize> = (0..power.allows.len()).collect();
    let unconditional: Vec<usize> =
        everyone.iter().copied().filter(|&i| power.allows[i].limits.circumstances.is_empty()).collect();
    let hangs = unconditional.len() < everyone.len();

    let view = View::new(&power, everyone);
    let found = Found::of(&view);
    if hangs {
        let firm = View::new(&power, unconditional);
        let sure = Found::of(&firm);
        if sure.level == found.level {
            // The sentence names what holds in any case; the ids are all there are.
            let why = sure.why(&firm, &power, &names, "");
            return found.grant(why, false);
        }
    }
    let witnesses = found.witnesses(&view);
    let tail = if hangs { sentence::circumstances(&view, &power, &witnesses) } else { String::new() };
    let conditional = hangs && !tail.is_empty() && found.level > Level::Ordinary;
    let why = found.why(&view, &power, &names, &tail);
    found.grant(why, conditional)
}

/// What one view comes to.
struct Found {
    named: Option<NamedRight>,
    level: Level,
    strong: Vec<&'static Path>,
    weak: Vec<&'static Path>,
    services: Vec<String>,
    iam: bool,
    everything: bool,
}

impl Found {
    fn of(view: &View<'_, '_>) -> Found {
        let (everything, iam) = (view.is_everything(), view.is_iam());
        if everything && iam {
            let (named, strong, weak, services) = Default::default();
            return Found { named, level: Level::FullAdmin, strong, weak, services, iam, everything };
        }
        let (weak, strong): (Vec<_>, Vec<_>) =
            PATHS.iter().filter(|path| view.is_open(path)).partition(|p| p.weak);
        let services = if everything { vec!["*".to_owned()] } else { view.services() };
        let named = if strong.is_empty() { NamedRight::of(view) } else { None };
        let level = match () {
            () if !strong.is_empty() => Level::PrivilegeEscalation,
            () if !services.is_empty() || !weak.is_empty() || named.is_some() => Level::ServiceAdmin,
            () => Level::Ordinary,
        };
        Found { named, level, strong, weak, services, iam, everything }
    }

    fn grant(self, why: String, conditional: bool) -> Grant {
        let paths = self.strong.iter().chain(&self.weak).map(|path| path.id).collect();
        let named = self.named.as_ref().map(NamedRight::plain_clause);
        let way = named.as_deref().or(self.weak.first().map(|path| path.clause));
        let ability = words::ability(self.level, &self.services, way);
        Grant { level: self.level, why, paths, services: self.services, conditional, ability }
    }

    /// The statements that give the power which the sentence names.
    fn witnesses(&self, view: &View<'_, '_>) -> Vec<usize> {
        match self.level {
            Level::FullAdmin => view.witnesses(|v| v.is_everything() && v.is_iam()),
            Level::PrivilegeEscalation if self.iam => view.witnesses(View::is_iam),
            Level::PrivilegeEscalation => match self.strong.first() {
                Some(path) => view.witnesses(|v| v.is_open(path)),
                None => Vec::new(),
            },
            Level::ServiceAdmin if self.everything => view.witnesses(View::is_everything),
            Level::ServiceAdmin => match (self.services.as_slice(), &self.named, self.weak.first()) {
                ([], Some(named), _) => view.witnesses(|v| named.is_in(v)),
                ([], None, Some(path)) => view.witnesses(|v| v.is_open(path)),
                (services, ..) => view.witnesses(|v| services.iter().take(3).all(|s| v.holds(s))),
            },
            Level::Ordinary => Vec::new(),
        }
    }

    fn why(
        &self,
        view: &View<'_, '_>,
        power: &PolicySet<'_>,
        names: &[PolicyName<'_>],
        tail: &str,
    ) -> String {
        let witnesses = self.witnesses(view);
        let place = sentence::place(names, power, &witnesses);
        let what = match self.level {
            Level::Ordinary => {
                let names: Vec<String> = names.iter().map(PolicyName::to_string).collect();
                let names = if names.is_empty() { "no policy".to_owned() } else { words::list(&names) };
                return format!("{names}: no power over IAM or over a whole service");
            }
            Level::FullAdmin => {
                format!("every action on every resource{}", sentence::exceptions(power, &witnesses))
            }
            Level::PrivilegeEscalation if self.iam => {
                "every change to IAM, so its holder can make itself administrator".to_owned()
            }
            Level::PrivilegeEscalation => ways(&self.strong),
            Level::ServiceAdmin if self.everything => {
                format!(
                    "nearly every action of nearly every service{}",
                    sentence::exceptions(power, &witnesses)
                )
            }
            Level::ServiceAdmin if self.services.is_empty() => match &self.named {
                Some(named) => named.says(),
                None => ways(&self.weak),
            },
            Level::ServiceAdmin => {
                let services: Vec<String> = self.services.iter().map(|s| words::name(s)).collect();
                format!("every action of {} on every resource", words::list(&services))
            }
        };
        let more = match &self.named {
            Some(named) if !self.services.is_empty() => format!("; the holder can also {}", named.clause()),
            _ => String::new(),
        };
        format!("{place} {what}{tail}{more}")
    }
}

/// The actions of the first path and what they lead to, with up to two more.
fn ways(paths: &[&Path]) -> String {
    let Some(first) = paths.first() else { return String::new() };
    let others: Vec<String> = paths[1..].iter().take(2).map(|path| path.actions()).collect();
    let more = match (others.len(), paths.len().saturating_sub(3)) {
        (0, _) => String::new(),
        (_, 0) => format!("; it also allows {}", others.join(", and ")),
        (_, more) => format!("; it also allows {}, and {more} more", others.join(", ")),
    };
    format!("{}, so its holder can {}{more}", first.actions(), first.clause)
}
