//! How much power a set of documents gives.

use super::document::{Condition, Document};
use super::escalation::PATHS;
use super::held::{Held, PolicyName};
use super::holder::{Grantee, Holder};
use super::level::Level;
use super::named_right::NamedRight;
use super::path::Path;
use super::policy_set::{PolicySet, PreparedStatement, View};
use super::verdict::{Basis, Exception, Gives, Grant, Reason, Source, StatementId};

/// The most exceptions of a `NotAction` that are kept.
const MAX_EXCEPTIONS: usize = 50;

/// How much power these policies give together, and the reasons that decide it. `grantee` is who holds them, as far as that
/// is known; the ARN alone will do.
///
/// All Allows count, less the Denies that nobody gets past.
///
/// ```
/// use keepwatch_policy::{Document, Gives, Held, Level, analyse};
///
/// let document = Document::parse(
///     r#"{"Version": "2012-10-17", "Statement": [
///         {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
///         {"Sid": "Deploy", "Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}]}"#,
/// )?;
/// let grant = analyse(&[Held::managed("ci", &document)], Some("arn:aws:iam::111122223333:role/ci"));
/// assert_eq!(grant.level, Level::PrivilegeEscalation);
/// let reason = &grant.reasons[0];
/// assert!(matches!(reason.gives, Gives::Path { path } if path.id == "passrole-lambda"));
/// assert_eq!(reason.statements[0].statement.number, 2);
/// assert_eq!(reason.statements[0].statement.sid.as_deref(), Some("Deploy"));
/// # Ok::<(), keepwatch_policy::DocumentError>(())
/// ```
pub fn analyse<'g>(policies: &[Held<'_>], grantee: impl Into<Grantee<'g>>) -> Grant {
    judge(policies, grantee.into(), false)
}

/// The same as [`analyse`], with a reason for every way to gain power that is open. It takes longer: each reason is a search
/// for the statements that give it.
pub fn explain<'g>(policies: &[Held<'_>], grantee: impl Into<Grantee<'g>>) -> Grant {
    judge(policies, grantee.into(), true)
}

fn judge(policies: &[Held<'_>], grantee: Grantee<'_>, all: bool) -> Grant {
    if policies.is_empty() {
        return Grant::none();
    }
    let rewritable = policies.iter().filter_map(Held::rewritable).collect();
    let documents: Vec<&Document> = policies.iter().map(|held| held.document).collect();
    let power = PolicySet::new(&documents, Holder::new(grantee, rewritable));
    let everyone: Vec<usize> = (0..power.allows.len()).collect();
    let unconditional: Vec<usize> =
        everyone.iter().copied().filter(|&i| power.allows[i].limits.circumstances.is_empty()).collect();
    let hangs = unconditional.len() < everyone.len();

    let view = View::new(&power, everyone);
    let found = Found::of(&view);
    let mut reasons = None;
    if hangs {
        let firm = View::new(&power, unconditional);
        let sure = Found::of(&firm);
        if sure.level == found.level {
            // The reasons are those that hold in any case, and after them, if all are wanted, those that hang on circumstances.
            let mut told = sure.reasons(&firm, &power, all);
            let more = if all { found.beyond(&sure) } else { Vec::new() };
            told.extend(more.into_iter().map(|gives| found.reason(gives, &view, &power)));
            reasons = Some(told);
        }
    }
    let reasons = reasons.unwrap_or_else(|| found.reasons(&view, &power, all));
    let hangs_on = |source: &Source| !source.conditions.is_empty();
    Grant {
        level: found.level,
        conditional: reasons.first().is_some_and(|reason| reason.statements.iter().any(hangs_on)),
        reasons,
        paths: found.strong.iter().chain(&found.weak).map(|path| path.id).collect(),
        services: found.services,
        policies: policies.iter().map(|held| PolicyName::new(held.origin, held.name)).collect(),
        basis: Basis::Documents,
    }
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

    /// The powers, what decides the level first.
    fn gives(&self) -> Vec<Gives> {
        let mut gives = Vec::new();
        if self.level == Level::FullAdmin {
            gives.push(Gives::Everything);
        }
        if self.level == Level::PrivilegeEscalation && self.iam {
            gives.push(Gives::Iam);
        }
        // Whoever may change all of IAM needs none of its single calls.
        let beside =
            |path: &&&Path| !(self.iam && path.all.iter().chain(path.any).all(|a| a.starts_with("iam:")));
        let path = |path: &&'static Path| Gives::Path { path };
        gives.extend(self.strong.iter().filter(beside).map(path));
        match self.services.is_empty() {
            false if self.everything => gives.push(Gives::NearlyEverything),
            false => gives.push(Gives::Services { services: self.services.clone() }),
            true => {}
        }
        let named = self.named.as_ref().map(NamedRight::gives);
        gives.extend(named);
        gives.extend(self.weak.iter().filter(beside).map(path));
        gives
    }

    /// What this gives and the other does not.
    fn beyond(&self, other: &Found) -> Vec<Gives> {
        let known = other.gives();
        let new = self.gives().into_iter().filter_map(|gives| match gives {
            Gives::Services { mut services } => {
                services.retain(|service| !other.services.contains(service));
                (!services.is_empty()).then_some(Gives::Services { services })
            }
            gives => (!known.contains(&gives)).then_some(gives),
        });
        new.collect()
    }

    /// The reasons: the first alone with a right over named identities beside it, or all.
    fn reasons(&self, view: &View<'_, '_>, power: &PolicySet<'_>, all: bool) -> Vec<Reason> {
        let told = |(i, gives): &(usize, Gives)| all || *i == 0 || matches!(gives, Gives::Named { .. });
        let told = self.gives().into_iter().enumerate().filter(told);
        told.map(|(_, gives)| self.reason(gives, view, power)).collect()
    }

    /// The statements that give this, and what is taken from it.
    fn reason(&self, gives: Gives, view: &View<'_, '_>, power: &PolicySet<'_>) -> Reason {
        let witnesses = match &gives {
            Gives::Everything => view.witnesses(|v| v.is_everything() && v.is_iam()),
            Gives::NearlyEverything => view.witnesses(View::is_everything),
            Gives::Iam => view.witnesses(View::is_iam),
            Gives::Path { path } => view.witnesses(|v| v.is_open(path)),
            Gives::Services { services } => {
                view.witnesses(|v| services.iter().take(3).all(|service| v.holds(service)))
            }
            Gives::Named { .. } => {
                view.witnesses(|v| self.named.as_ref().is_some_and(|named| named.is_in(v)))
            }
        };
        let except = match gives {
            Gives::Everything | Gives::NearlyEverything => exceptions(power, &witnesses),
            _ => Vec::new(),
        };
        let statements = witnesses.iter().map(|&i| source(&power.allows[i])).collect();
        Reason { gives, statements, except }
    }
}

fn source(entry: &PreparedStatement<'_>) -> Source {
    let hangs = |condition: &&Condition| entry.limits.circumstances.contains(&condition.key.as_str());
    Source {
        policy: entry.document,
        statement: StatementId::of(entry.statement, entry.number),
        conditions: entry.statement.conditions.iter().filter(hangs).cloned().collect(),
    }
}

/// What is taken from "everything": the exceptions of a `NotAction`, and what is denied.
fn exceptions(power: &PolicySet<'_>, witnesses: &[usize]) -> Vec<Exception> {
    let mut all = Vec::new();
    if let [one] = witnesses {
        let statement = power.allows[*one].statement;
        if let Some(actions) = statement.not_actions.as_ref().filter(|actions| !actions.is_empty()) {
            let actions = actions.iter().take(MAX_EXCEPTIONS).cloned().collect();
            all.push(Exception::Actions { actions });
        }
        if statement.not_resources.as_ref().is_some_and(|resources| !resources.is_empty()) {
            all.push(Exception::Resources);
        }
    }
    let plain = power.denies.iter().filter(|entry| entry.statement.conditions.is_empty());
    all.extend(plain.map(|entry| Exception::Denied { by: source(entry) }));
    all
}
