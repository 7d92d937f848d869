//! What policies give towards power that is not power by itself: half of a way that another policy completes, and a role of
//! a given name, whose power only the account tells.

use keepwatch_base::arn::Arn;
use keepwatch_base::wildcard::is_wild;

use super::document::Document;
use super::escalation::PATHS;
use super::held::Held;
use super::holder::Holder;
use super::path::Path;
use super::policy_set::{PolicySet, View};

/// The receiver of a role in the catalogue of ways.
const PASS: &str = "iam:PassRole";
/// To take a role's session.
const ASSUME: &str = "sts:AssumeRole";

/// A role of a given name whose power the holder of a policy can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleInReach {
    /// ARN of the role, as the policy names it, in the holder's account.
    pub role: String,
    /// The role's name, without its path.
    pub name: String,
    /// How.
    pub means: Means,
}

/// How the holder of a policy uses a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// It takes a session of the role. The role must trust it.
    Assume,
    /// It hands the role to a service and has its own code run there. The role must trust one of the services.
    Pass {
        /// The way, from the catalogue ([`PATHS`]).
        path: &'static str,
        /// What is needed, as text: `iam:PassRole together with lambda:CreateFunction`.
        needs: String,
        /// The services that may receive the role, such as `lambda.amazonaws.com`.
        services: Vec<&'static str>,
    },
}

/// The roles that these policies name one by one and let their holder use: passed with all that a way to run code asks
/// for, or assumed. Roles that a pattern names are left out: which there are, a policy does not say.
///
/// `grantee` is the ARN of the holder. Without it no role is known to be of its account, and the list is empty.
pub fn roles_in_reach(policies: &[Held<'_>], grantee: Option<&str>) -> Vec<RoleInReach> {
    let managed = policies.iter().filter_map(Held::rewritable).collect();
    let documents: Vec<&Document> = policies.iter().map(|held| held.document).collect();
    let holder = Holder::new(grantee, managed);
    if !holder.has_account() {
        return Vec::new();
    }
    let set = PolicySet::new(&documents, holder);
    let view = View::new(&set, (0..set.allows.len()).collect());
    let mut found: Vec<RoleInReach> = Vec::new();
    for role in exact_roles(&view, ASSUME, None) {
        add(&mut found, &role, Means::Assume);
    }
    let passing = PATHS.iter().filter(|path| !path.passes.is_empty() && !path.weak);
    for path in passing.filter(|path| view.uses(path)) {
        for service in path.passes {
            for role in exact_roles(&view, PASS, Some(service)) {
                add(&mut found, &role, passed(path, service));
            }
        }
    }
    found
}

/// Whether a document allows anything that a way to power asks for, be it on one resource. What does not, completes nothing.
pub fn lends(document: &Document, grantee: Option<&str>) -> bool {
    let set = PolicySet::new(&[document], Holder::new(grantee, Vec::new()));
    let view = View::new(&set, (0..set.allows.len()).collect());
    let mut steps = PATHS.iter().flat_map(|path| path.all.iter().chain(path.any));
    let mut receivers = PATHS.iter().flat_map(|path| path.passes);
    steps.any(|action| view.allows_some(action, None))
        || receivers.any(|service| view.allows_some(PASS, Some(service)))
}

fn exact_roles(view: &View<'_, '_>, action: &'static str, service: Option<&'static str>) -> Vec<String> {
    view.names(action, service).iter().filter(|arn| !is_wild(arn)).cloned().collect()
}

fn passed(path: &Path, service: &'static str) -> Means {
    Means::Pass { path: path.id, needs: path.actions(), services: vec![service] }
}

/// One entry for a role and a way, with all the services that serve.
fn add(found: &mut Vec<RoleInReach>, role: &str, means: Means) {
    let same = found.iter_mut().find(|one| one.role == role && same_way(&one.means, &means));
    match (same.map(|one| &mut one.means), means) {
        (Some(Means::Pass { services, .. }), Means::Pass { services: more, .. }) => services.extend(more),
        (Some(_), _) => {}
        (None, means) => {
            let Some(arn) = Arn::parse(role) else { return };
            let name = arn.resource.rsplit('/').next().unwrap_or_default().to_owned();
            found.push(RoleInReach { role: role.to_owned(), name, means });
        }
    }
}

fn same_way(one: &Means, other: &Means) -> bool {
    match (one, other) {
        (Means::Assume, Means::Assume) => true,
        (Means::Pass { path, .. }, Means::Pass { path: other, .. }) => path == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "arn:aws:iam::111122223333:user/bob";

    fn document(text: &str) -> Document {
        Document::parse(text).unwrap()
    }

    fn reach(text: &str) -> Vec<(String, Option<&'static str>)> {
        let document = document(text);
        let found = roles_in_reach(&[Held::inline("p", &document)], Some(BOB));
        let path = |means| match means {
            Means::Assume => None,
            Means::Pass { path, .. } => Some(path),
        };
        found.into_iter().map(|one| (one.name, path(one.means))).collect()
    }

    #[test]
    fn a_named_role_that_is_passed_and_used() {
        let found = reach(
            r#"{"Statement":[
                {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/ci/deploy"},
                {"Effect":"Allow","Action":["lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}]}"#,
        );
        assert!(found.iter().all(|(name, path)| name == "deploy" && path.is_some()), "{found:?}");
        assert!(!found.is_empty());
    }

    #[test]
    fn what_leads_to_no_role_of_a_given_name() {
        for text in [
            // Nothing runs code.
            r#"{"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/deploy"}}"#,
            // To a service that does not run the code.
            r#"{"Statement":[
                {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/deploy",
                 "Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}},
                {"Effect":"Allow","Action":["lambda:CreateFunction","lambda:InvokeFunction"],"Resource":"*"}]}"#,
            // Another account's.
            r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::444455556666:role/deploy"}}"#,
            // A pattern.
            r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/ci-*"}}"#,
            // Denied.
            r#"{"Statement":[
                {"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::111122223333:role/deploy"},
                {"Effect":"Deny","Action":"sts:*","Resource":"*"}]}"#,
        ] {
            assert_eq!(reach(text), [], "{text}");
        }
    }

    #[test]
    fn a_named_role_that_is_assumed() {
        let text = r#"{"Statement":{"Effect":"Allow","Action":"sts:*","Resource":"arn:aws:iam::111122223333:role/deploy"}}"#;
        assert_eq!(reach(text), [("deploy".to_owned(), None)]);
        let document = document(text);
        assert_eq!(roles_in_reach(&[Held::inline("p", &document)], None), []);
    }

    #[test]
    fn only_parts_of_ways_lend() {
        let allow = |action: &str| {
            format!(r#"{{"Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#)
        };
        for part in ["iam:PassRole", "lambda:Create*", "*:*", "glue:CreateJob"] {
            assert!(lends(&document(&allow(part)), Some(BOB)), "{part}");
        }
        for nothing in ["s3:Get*", "ec2:Describe*", "iam:List*", "cloudwatch:*"] {
            assert!(!lends(&document(&allow(nothing)), Some(BOB)), "{nothing}");
        }
    }
}
