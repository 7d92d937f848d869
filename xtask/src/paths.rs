//! Compares the catalogue of escalation paths with what others publish, and prints what is new there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;

use keepwatch_policy::{Document, Held, PAGES, PATHS, PATHS_DATE, analyse};
use serde::Deserialize;
use serde_json::json;

use crate::{resource_types, sources};

/// The lists that are in no package: the actions of each path, by its id there.
const COMMITTED: &str = "tools/paths.json";

/// Actions that the reference has no more, and why the catalogue has them.
const RETIRED: [(&str, &str); 1] = [("codestar:CreateProject", "AWS closed CodeStar in July 2024")];

/// Entries of other lists that are no paths of the catalogue, by their name, and why.
const DECIDED: [(&str, &str); 7] = [
    ("CodeStarCreateProjectFromTemplate", "an undocumented call of a service that AWS closed in July 2024"),
    ("CodeStarCreateProjectThenAssociateTeamMember", "AWS closed CodeStar in July 2024"),
    ("PassExistingRoleToNewDataPipeline", "a pipeline without a definition runs nothing"),
    ("autoscaling_edges iam:CreateServiceLinkedRole", "a role that only its service can take"),
    (
        "ec2_edges iam:CreateInstanceProfile",
        "an empty profile; a role in it takes iam:AddRoleToInstanceProfile",
    ),
    ("iam_edges iam:DeleteAccessKey", "room for another key, which takes iam:CreateAccessKey"),
    ("ssm_edges ssmmessages:CreateControlChannel", "a right of the instance, not of who enters it"),
];

/// By the name of a list the names of its paths, and what each of them needs.
type Lists = BTreeMap<String, BTreeMap<String, Vec<String>>>;

#[derive(Deserialize)]
struct Published {
    lists: Lists,
}

#[derive(Deserialize)]
struct Committed {
    read: String,
    lists: Lists,
}

/// # Errors
/// Lists that cannot be had or read. What is new in them is no error.
pub(crate) fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let mut published: Published = sources::read(root, "paths")?;
    let committed: Committed = sources::json(&root.join(COMMITTED))?;
    let read =
        committed.lists.into_iter().map(|(list, paths)| (format!("{list} of {}", committed.read), paths));
    published.lists.extend(read);
    anstream::println!(
        "{} paths of {PATHS_DATE}, {} of them from AWS's documentation",
        PATHS.len(),
        PAGES.len()
    );

    let (package, reference) = resource_types::reference(root)?;
    let reference: BTreeSet<String> = reference.keys().map(|action| action.to_ascii_lowercase()).collect();
    let unknown = unknown(&reference);
    anstream::println!("{package}: {} actions of the catalogue are not in it", unknown.len());
    for action in &unknown {
        anstream::println!("  {action}{}", reason(&RETIRED, action));
    }
    for (list, paths) in &published.lists {
        // PMapper's sources name condition keys as well.
        let is_action = |text: &String| text.contains('*') || reference.contains(&text.to_ascii_lowercase());
        let asks = |actions: &[String]| actions.iter().any(is_action);
        let new: Vec<_> = paths.iter().filter(|(_, actions)| asks(actions) && !is_covered(actions)).collect();
        anstream::println!("{list}: {} paths, {} of them open none of ours", paths.len(), new.len());
        for (name, actions) in new {
            anstream::println!("  {name}: {}{}", actions.join(" + "), reason(&DECIDED, name));
        }
    }
    Ok(if unknown.iter().all(|action| RETIRED.iter().any(|(known, _)| known == action)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn reason(decided: &[(&str, &str)], name: &str) -> String {
    let found = decided.iter().find(|(known, _)| *known == name);
    found.map_or_else(String::new, |(_, why)| format!("   (decided: {why})"))
}

/// The actions of the catalogue that the reference, in lower case, lacks.
fn unknown(reference: &BTreeSet<String>) -> BTreeSet<&'static str> {
    PATHS
        .iter()
        .flat_map(|path| path.all.iter().chain(path.any))
        .copied()
        .filter(|action| !reference.contains(&action.to_ascii_lowercase()))
        .collect()
}

/// Whether these actions, on every resource, open a path, or are each an action of a path already.
fn is_covered(actions: &[String]) -> bool {
    let ours = |action: &String| {
        let mut all = PATHS.iter().flat_map(|path| path.all.iter().chain(path.any));
        all.any(|known| known.eq_ignore_ascii_case(action)) || action.eq_ignore_ascii_case("iam:PassRole")
    };
    let value = json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
    let opens = |document: &Document| !analyse(&[Held::inline("p", document)], None).paths.is_empty();
    Document::from_value(&value).is_ok_and(|document| opens(&document)) || actions.iter().all(ours)
}

#[cfg(test)]
mod tests {
    use keepwatch_policy::PathSource;

    use super::*;

    #[test]
    fn what_is_ours_is_covered() {
        let covered = |actions: &[&str]| {
            is_covered(&actions.iter().map(|action| (*action).to_owned()).collect::<Vec<_>>())
        };
        assert!(covered(&["iam:createaccesskey"]));
        assert!(covered(&["iam:PassRole", "ec2:RunInstances", "ec2:DescribeInstances"]));
        assert!(covered(&["iam:Put*"]));
        assert!(covered(&["autoscaling:CreateLaunchConfiguration"]));
        assert!(!covered(&["iam:PassRole", "future:RunAnything"]));
        assert!(!covered(&["s3:GetObject"]));
    }

    #[test]
    fn actions_that_are_no_more_are_told() {
        let all: BTreeSet<String> =
            PATHS.iter().flat_map(|p| p.all.iter().chain(p.any)).map(|a| a.to_ascii_lowercase()).collect();
        assert!(unknown(&all).is_empty());
        let fewer = all.into_iter().filter(|action| action != "ssm:sendcommand").collect();
        assert_eq!(unknown(&fewer).into_iter().collect::<Vec<_>>(), ["ssm:SendCommand"]);
    }

    /// A path that no public list has rests on a page of AWS's documentation, and no page is left over.
    #[test]
    fn every_path_has_a_source() {
        let by_page: BTreeSet<&str> =
            PATHS.iter().filter(|path| path.source == PathSource::Aws).map(|path| path.id).collect();
        let pages: BTreeSet<&str> = PAGES.iter().map(|(id, _)| *id).collect();
        assert_eq!(by_page, pages);
        assert_eq!(pages.len(), PAGES.len(), "a page stands twice");
    }

    #[test]
    fn the_committed_lists_are_covered() {
        let committed: Committed = sources::json(&crate::root().join(COMMITTED)).unwrap();
        let paths = committed.lists.values().flatten();
        let missing: Vec<&String> =
            paths.clone().filter(|(_, actions)| !is_covered(actions)).map(|(id, _)| id).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert!(paths.count() >= 130, "the file has lost paths");
    }
}
