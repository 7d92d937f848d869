//! Writes the table of AWS's managed policies: what the engine says of the documents that AWS published.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use keepwatch_policy::{Document, Grant, Held, Level, analyse};
use serde::Deserialize;
use serde_json::Value;

use crate::sources;

/// Where the table is.
const TABLE: &str = "shared/policy/src/managed_table.txt";
/// Policies that are in no package any more.
const WITHDRAWN: &str = "tools/withdrawn.json";

/// Harmless ones that people attach so often that to read each would be a waste.
const ATTACHED: [&str; 26] = [
    "AWSBackupServiceRolePolicyForBackup",
    "AWSCloudTrail_ReadOnlyAccess",
    "AWSConfigUserAccess",
    "AWSKeyManagementServicePowerUser",
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
    "AWSXRayDaemonWriteAccess",
    "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEC2ReadOnlyAccess",
    "AmazonECSTaskExecutionRolePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonS3ReadOnlyAccess",
    "AmazonSSMManagedInstanceCore",
    "Billing",
    "CloudWatchAgentServerPolicy",
    "IAMSelfManageServiceSpecificCredentials",
    "IAMUserChangePassword",
    "IAMUserSSHKeys",
    "ReadOnlyAccess",
    "SecurityAudit",
    "SupportUser",
    "ViewOnlyAccess",
];

/// The most ways that a row names, the most direct first.
const MOST_PATHS: usize = 4;

#[derive(Deserialize)]
struct Managed {
    package: String,
    updated: String,
    policies: BTreeMap<String, Policy>,
}

#[derive(Deserialize)]
struct Withdrawn {
    policies: BTreeMap<String, Policy>,
}

#[derive(Deserialize)]
struct Policy {
    path: String,
    document: Value,
}

/// # Errors
/// Documents that cannot be had or read; with `check`, a table that differs.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<ExitCode> {
    let mut managed: Managed = sources::read(root, "managed")?;
    let withdrawn: Withdrawn = sources::json(&root.join(WITHDRAWN))?;
    managed.policies.extend(withdrawn.policies);
    let (text, counts) = table(&managed)?;
    let path = root.join(TABLE);
    let before = fs::read_to_string(&path).unwrap_or_default();
    if check {
        ensure!(before == text, "{TABLE} is not what the documents come to. Run: cargo xtask managed");
    } else if before != text {
        fs::write(&path, &text).with_context(|| format!("cannot write {TABLE}"))?;
    }
    let state = if before == text { "unchanged" } else { "rewritten" };
    anstream::println!(
        "{TABLE}: {} rows of {} policies, {state}",
        text.lines().count() - 1,
        managed.policies.len()
    );
    for (level, (all, rows)) in counts {
        anstream::println!("  {:20} {all:5} policies, {rows:4} rows", level.as_str());
    }
    Ok(ExitCode::SUCCESS)
}

/// How many policies have a level, and how many of them have a row.
type Counts = BTreeMap<Level, (usize, usize)>;

fn table(managed: &Managed) -> anyhow::Result<(String, Counts)> {
    let mut text = format!("# {}, documents up to {}\n", managed.package, managed.updated);
    let mut counts = Counts::new();
    for (name, policy) in &managed.policies {
        let document =
            Document::from_value(&policy.document).with_context(|| format!("{name} cannot be read"))?;
        // Nobody makes a version of AWS's own policies, so that none is its holder's to rewrite.
        let grant = analyse(&[Held::inline(name, &document)], None);
        let count = counts.entry(grant.level).or_default();
        count.0 += 1;
        if is_wanted(name, policy, grant.level) {
            count.1 += 1;
            write_row(&mut text, name, policy, &grant);
        }
    }
    for name in ATTACHED {
        ensure!(managed.policies.contains_key(name), "{name} is no policy of AWS's any more: take it out");
    }
    Ok((text, counts))
}

/// Whatever gives power, but for what only AWS's own roles can hold.
fn is_wanted(name: &str, policy: &Policy, level: Level) -> bool {
    match level {
        Level::FullAdmin | Level::PrivilegeEscalation => true,
        Level::ServiceAdmin => policy.path != "/aws-service-role/",
        Level::Ordinary => ATTACHED.contains(&name),
    }
}

fn write_row(text: &mut String, name: &str, policy: &Policy, grant: &Grant) {
    let paths = &grant.paths[..grant.paths.len().min(MOST_PATHS)];
    let level = match grant.level {
        Level::FullAdmin => 'F',
        Level::PrivilegeEscalation => 'E',
        Level::ServiceAdmin => 'S',
        Level::Ordinary => 'O',
    };
    let path = policy.path.trim_start_matches('/');
    let _ = writeln!(text, "{path}{name}\t{level}\t{}\t{}", paths.join(","), grant.services.join(","));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(path: &str, actions: &[&str]) -> Policy {
        let document = json!({"Statement": {"Effect": "Allow", "Action": actions, "Resource": "*"}});
        Policy { path: path.to_owned(), document }
    }

    fn managed(policies: &[(&str, &str, &[&str])]) -> Managed {
        let harmless = ATTACHED.iter().map(|name| ((*name).to_owned(), policy("/", &["s3:ListBucket"])));
        let given = policies.iter().map(|(name, path, actions)| ((*name).to_owned(), policy(path, actions)));
        Managed {
            package: "moto 1".to_owned(),
            updated: "2026-01-02".to_owned(),
            policies: harmless.chain(given).collect(),
        }
    }

    #[test]
    fn rows_are_what_the_engine_says() {
        let (text, counts) = table(&managed(&[
            ("Admin", "/job-function/", &["*"]),
            ("Keys", "/service-role/", &["iam:CreateAccessKey", "sqs:*"]),
            ("Queue", "/", &["sqs:*"]),
            ("OnlyAws", "/aws-service-role/", &["sqs:*"]),
            ("Reader", "/", &["sqs:ListQueues"]),
        ]))
        .unwrap();
        let rows: Vec<&str> = text.lines().filter(|row| !row.contains("\tO\t")).collect();
        assert_eq!(
            rows,
            [
                "# moto 1, documents up to 2026-01-02",
                "job-function/Admin\tF\t\t",
                "service-role/Keys\tE\tcreate-access-key\tsqs",
                "Queue\tS\t\tsqs",
            ]
        );
        assert_eq!(text.lines().count(), rows.len() + ATTACHED.len());
        assert_eq!(counts[&Level::ServiceAdmin], (2, 1));
    }

    #[test]
    fn a_row_that_no_policy_has_any_more_is_told() {
        let mut less = managed(&[]);
        less.policies.remove("Billing");
        assert!(table(&less).unwrap_err().to_string().contains("Billing"));
    }
}
