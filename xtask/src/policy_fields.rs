//! Writes down which parameters of AWS's calls carry a policy on a resource, from the models of the services that come with
//! botocore. The rule `exposure-policy-outsiders` hears by these names, so that a service which gets resource policies
//! tomorrow is heard as well.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// The table, from the root of the repository.
const TABLE: &str = "shared/rules/src/exposure/policy_fields.rs";

/// How the names of parameters end that carry a policy, in small letters.
const ENDINGS: [&str; 6] =
    ["policy", "policies", "policydocument", "policytext", "policyinjson", "policyjson"];

/// Words of names that end alike and carry no policy with a principal: how long things are kept, sessions, networks.
const OTHERS: [&str; 19] = [
    "answer",
    "attestation",
    "browser",
    "clientexperience",
    "contentsecurity",
    "custompolicy",
    "dataprotection",
    "dns",
    "executioniam",
    "index",
    "inlinepolicy",
    "lifecycle",
    "notification",
    "security",
    "session",
    "snapshot",
    "ssl",
    "stackpolicy",
    "upload",
];

/// Services whose policies of such names are of another kind: Cedar, lists of filters, permissions of identities.
const OTHER_SERVICES: [&str; 11] = [
    "datazone",
    "eks",
    "fms",
    "iam",
    "iot",
    "networkmanager",
    "odb",
    "opensearchserverless",
    "rolesanywhere",
    "sso-admin",
    "transfer",
];

/// Calls that change nothing, by the beginning of their names.
const READS: [&str; 14] = [
    "Batch", "Check", "Decode", "Describe", "Evaluate", "Get", "Head", "Is", "List", "Preview", "Query",
    "Search", "Simulate", "Validate",
];

/// The fewest characters that a policy may have where a model limits it; names and modes are shorter.
const SHORTEST: u64 = 1_000;

/// A parameter: the service as botocore calls it, the call, and the path.
type Field = (String, String, String);

/// # Errors
/// Models that cannot be read, and a table that cannot be written.
pub(crate) fn run(root: &Path, botocore: &Path, today: &str, check: bool) -> anyhow::Result<ExitCode> {
    let init = botocore.join("__init__.py");
    let text = fs::read_to_string(&init).with_context(|| format!("cannot read {}", init.display()))?;
    let version = text.lines().find_map(|line| line.strip_prefix("__version__ = "));
    let version = version.context("botocore does not say its version")?.trim_matches(['\'', '"']);
    let fields = fields(&botocore.join("data"))?;
    ensure!(
        fields.len() > 80,
        "only {} parameters carry a policy: the models are not read right",
        fields.len()
    );
    let path = root.join(TABLE);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let after = written(&fields, version, today);
    // The day alone is no news.
    let same = before.lines().skip(HEADER).eq(after.lines().skip(HEADER));
    if check {
        ensure!(same, "{TABLE} is not what botocore {version} says. Run: make policy-fields");
    } else if !same {
        fs::write(&path, &after).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let state = if same { "unchanged" } else { "rewritten" };
    anstream::println!("{TABLE}: {} parameters of botocore {version}, {state}", fields.len());
    Ok(ExitCode::SUCCESS)
}

/// The parameters that carry a policy, of all services.
fn fields(data: &Path) -> anyhow::Result<BTreeSet<Field>> {
    let mut all = BTreeSet::new();
    for service in entries(data)? {
        let name = service.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !service.is_dir() || OTHER_SERVICES.contains(&name.as_str()) {
            continue;
        }
        // The newest version is the one that is in use.
        let Some(model) = entries(&service)?.into_iter().filter_map(|version| model(&version)).next_back()
        else {
            continue;
        };
        let model = read(&model)?;
        for (call, operation) in model["operations"].as_object().into_iter().flatten() {
            if READS.iter().any(|verb| call.starts_with(verb)) {
                continue;
            }
            let Some(input) = operation["input"]["shape"].as_str() else { continue };
            let mut paths = Vec::new();
            carriers(&model["shapes"], input, "", 0, &mut paths);
            all.extend(paths.into_iter().map(|path| (name.clone(), call.clone(), path)));
        }
    }
    Ok(all)
}

/// The paths of a shape's members that carry a policy.
fn carriers(shapes: &Value, shape: &str, above: &str, depth: usize, found: &mut Vec<String>) {
    for (name, member) in shapes[shape]["members"].as_object().into_iter().flatten() {
        let Some(target) = member["shape"].as_str() else { continue };
        let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        let of = &shapes[target];
        match of["type"].as_str() {
            Some("structure") if depth < 2 => carriers(shapes, target, &path, depth + 1, found),
            Some("string" | "blob") if of["enum"].is_null() && carries(&path, name, of["max"].as_u64()) => {
                found.push(path);
            }
            _ => {}
        }
    }
}

fn carries(path: &str, name: &str, longest: Option<u64>) -> bool {
    let (name, path) = (name.to_ascii_lowercase(), path.to_ascii_lowercase());
    ENDINGS.iter().any(|ending| name.ends_with(ending))
        && longest.is_none_or(|most| most >= SHORTEST)
        // A parameter's policies say when it expires.
        && path != "policies"
        && !OTHERS.iter().any(|word| path.contains(word))
}

/// How many lines the table begins with that say which models they are of.
const HEADER: usize = 3;

fn written(fields: &BTreeSet<Field>, version: &str, today: &str) -> String {
    let mut text = format!(
        "//! The parameters of AWS's calls that carry a policy on a resource, as the models of the services name them.\n\
         //!\n\
         //! Generated by `make policy-fields` from botocore {version} on {today}; not to be edited by hand.\n\n\
         /// The paths, as CloudTrail writes them: most begin with a small letter, those of S3 and of EC2 as in the model.\n\
         pub(super) const FIELDS: &[&str] = &[\n"
    );
    let paths: BTreeSet<String> =
        fields.iter().flat_map(|(_, _, path)| [path.clone(), small(path)]).collect();
    for path in paths {
        let _ = writeln!(text, "    \"{path}\",");
    }
    text.push_str("];\n\n/// Service, call and path of each.\n#[cfg(test)]\npub(super) const CARRIERS: &[(&str, &str, &str)] = &[\n");
    for (service, call, path) in fields {
        let _ = writeln!(text, "    (\"{service}\", \"{call}\", \"{path}\"),");
    }
    text.push_str("];\n");
    text
}

/// The path with small first letters.
fn small(path: &str) -> String {
    let lower = |name: &str| {
        let mut letters = name.chars();
        letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect::<String>()
    };
    path.split('.').map(lower).collect::<Vec<_>>().join(".")
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut all = read.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    Ok(all)
}

fn model(version: &Path) -> Option<PathBuf> {
    ["service-2.json.gz", "service-2.json"].iter().map(|name| version.join(name)).find(|path| path.is_file())
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = Vec::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => drop(flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?),
        false => text = bytes,
    }
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_policies_and_nothing_that_is_called_alike() {
        let shapes = json!({
            "In": {"type": "structure", "members": {
                "Policy": {"shape": "Text"}, "PolicyName": {"shape": "Text"}, "LifecyclePolicy": {"shape": "Text"},
                "TlsPolicy": {"shape": "Mode"}, "AccessPolicies": {"shape": "Text"}, "SnapshotPolicy": {"shape": "Short"},
                "Details": {"shape": "Details"}}},
            "Details": {"type": "structure", "members": {"Policy": {"shape": "Text"}}},
            "Text": {"type": "string"}, "Short": {"type": "string", "max": 255}, "Mode": {"type": "string", "enum": ["a"]}});
        let mut found = Vec::new();
        carriers(&shapes, "In", "", 0, &mut found);
        found.sort_unstable();
        assert_eq!(found, ["AccessPolicies", "Details.Policy", "Policy"]);
        assert_eq!(small("Details.Policy"), "details.policy");
    }
}
