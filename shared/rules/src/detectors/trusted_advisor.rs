use std::collections::BTreeMap;

use crate::kit::prelude::*;

declare_rule! {
    /// ## What it detects
    /// One of Trusted Advisor's security checks is red or yellow for a resource: root without MFA or with an access key,
    /// public snapshots and buckets, open ports, no trail, old keys, a weak password policy, outdated runtimes and certificates. Green closes
    /// the finding. Exposed keys have a rule of their own.
    /// ## Why it matters
    /// These are AWS's own answers to the oldest mistakes, and six of them come without a paid support plan.
    /// ## What to do
    /// The first command shows the resource; repair it, and refresh the check in Trusted Advisor, which may take a day.
    /// ## False positives
    /// Trusted Advisor lags behind by hours, looks at IPv4 only, and flags security groups that nothing uses. Directory
    /// Service's own groups are always flagged. Use of IAM users is not required where Identity Center is used, so that
    /// check is INFORMATIONAL. Checks that AWS has renamed are heard under both names.
    TrustedAdvisorCheck {
        id: "trusted-advisor-check",
        title: "A security check of Trusted Advisor is red or yellow",
        severity: Medium,
        confidence: Medium,
        catalogue: ["ST-01", "ST-02", "ST-03", "ST-06", "ST-07", "ST-09"],
        references: [
            cis("3.0", &["1.5"]),
            cis("3.0", &["1.14"]),
            cis("3.0", &["1.8"]),
            cis("3.0", &["3.1"]),
            cis("3.0", &["5.2"]),
            security_hub(&["IAM.9"]),
            security_hub(&["IAM.3"]),
            security_hub(&["CloudTrail.1"]),
            security_hub(&["EC2.1"]),
            security_hub(&["RDS.1"]),
            doc(&["AWS Support user guide: Trusted Advisor security checks"]),
        ],
        on: [
            On::TrustedAdvisor("MFA on Root Account"),
            On::TrustedAdvisor("MFA on root account"),
            On::TrustedAdvisor("Root User Access Key"),
            On::TrustedAdvisor("Amazon EBS Public Snapshots"),
            On::TrustedAdvisor("Amazon RDS Public Snapshots"),
            On::TrustedAdvisor("Amazon S3 Bucket Permissions"),
            On::TrustedAdvisor("Security Groups - Specific Ports Unrestricted"),
            On::TrustedAdvisor("Security Groups – Specific Ports Unrestricted"),
            On::TrustedAdvisor("Security Groups - Unrestricted Access"),
            On::TrustedAdvisor("Security Groups – Unrestricted Access"),
            On::TrustedAdvisor("AWS CloudTrail Logging"),
            On::TrustedAdvisor("AWS CloudTrail Management Event Logging"),
            On::TrustedAdvisor("AWS CloudTrail Management Events Logging"),
            On::TrustedAdvisor("IAM Access Key Rotation"),
            On::TrustedAdvisor("IAM Password Policy"),
            On::TrustedAdvisor("IAM Use"),
            On::TrustedAdvisor("Amazon RDS Security Group Access Risk"),
            On::TrustedAdvisor("AWS Lambda Functions Using Deprecated Runtimes"),
            On::TrustedAdvisor("CloudFront Custom SSL Certificates in the IAM Certificate Store"),
            On::TrustedAdvisor("CloudFront SSL Certificate on the Origin Server"),
            On::TrustedAdvisor("ELB Listener Security"),
            On::TrustedAdvisor("ELB Security Groups"),
            On::TrustedAdvisor("Classic Load Balancer Security Groups"),
        ],
        origin: State,
        repeat_hours: 720,
    }
}

/// What a check means.
struct Check {
    /// Its name, with a hyphen where AWS's guide has a dash.
    name: &'static str,
    /// What is wrong, one sentence; the resource's name comes after it.
    fault: &'static str,
    /// How bad red is, and how bad yellow.
    severity: (Severity, Severity),
    /// What the practice is called elsewhere.
    practice: &'static str,
    /// The column that names the resource, where `resource_id` is empty; `None` for what is about the account.
    column: Option<&'static str>,
    /// The step that shows it: purpose, call, and the option that takes the resource's name.
    look: (&'static str, &'static str, Option<&'static str>),
}

/// The checks. Columns and criteria: AWS Support user guide, "Security", and `describe-trusted-advisor-checks`.
static CHECKS: &[Check] = {
    use Severity::{High, Informational, Low, Medium};
    &[
        Check {
            name: "MFA on Root Account",
            fault: "The root user has no MFA",
            severity: (High, High),
            practice: "CIS AWS v3.0 1.5, Security Hub IAM.9",
            column: None,
            look: (
                "Is AccountMFAEnabled 1? Root adds MFA itself, under Security credentials",
                "iam get-account-summary",
                None,
            ),
        },
        Check {
            name: "Root User Access Key",
            fault: "The root user has an access key",
            severity: (High, High),
            practice: "CIS AWS v3.0 1.4, CIS AWS v5.0 1.3, Security Hub IAM.4",
            column: None,
            look: (
                "Is AccountAccessKeysPresent 0? Root deletes its key itself, under Security credentials",
                "iam get-account-summary",
                None,
            ),
        },
        Check {
            name: "Amazon EBS Public Snapshots",
            fault: "Everybody can copy this EBS snapshot",
            severity: (High, Medium),
            practice: "Security Hub EC2.1",
            column: Some("Snapshot ID"),
            look: (
                "Make it private",
                "ec2 modify-snapshot-attribute --attribute createVolumePermission --operation-type remove --group-names all",
                Some("--snapshot-id"),
            ),
        },
        Check {
            name: "Amazon RDS Public Snapshots",
            fault: "Everybody can copy this database snapshot",
            severity: (High, Medium),
            practice: "Security Hub RDS.1",
            column: Some("Snapshot ID"),
            look: (
                "Make it private (a cluster's: modify-db-cluster-snapshot-attribute)",
                "rds modify-db-snapshot-attribute --attribute-name restore --values-to-remove all",
                Some("--db-snapshot-identifier"),
            ),
        },
        Check {
            name: "Amazon S3 Bucket Permissions",
            fault: "This bucket is open to everybody or to every AWS user",
            severity: (High, Medium),
            practice: "CIS AWS v3.0 2.1.4, Security Hub S3.2 and S3.3",
            column: Some("Bucket Name"),
            look: ("Is its policy public?", "s3api get-bucket-policy-status", Some("--bucket")),
        },
        Check {
            name: "Security Groups - Specific Ports Unrestricted",
            fault: "This security group opens a risky port to the whole internet",
            severity: (High, Low),
            practice: "CIS AWS v3.0 5.2, Security Hub EC2.19",
            column: Some("Security Group ID"),
            look: ("What does it open?", "ec2 describe-security-groups", Some("--group-ids")),
        },
        Check {
            name: "Security Groups - Unrestricted Access",
            fault: "This security group opens a port to the whole internet",
            severity: (Medium, Low),
            practice: "CIS AWS v3.0 5.2, Security Hub EC2.18",
            column: Some("Security Group ID"),
            look: ("What does it open?", "ec2 describe-security-groups", Some("--group-ids")),
        },
        Check {
            name: "AWS CloudTrail Logging",
            fault: "CloudTrail does not log, or cannot deliver its logs",
            severity: (Medium, Medium),
            practice: "CIS AWS v3.0 3.1, Security Hub CloudTrail.1",
            column: Some("Trail Name"),
            look: (
                "Which trails are there? One should be multi-region and log",
                "cloudtrail describe-trails",
                None,
            ),
        },
        Check {
            name: "IAM Access Key Rotation",
            fault: "This access key has not been rotated for more than 90 days",
            severity: (Medium, Low),
            practice: "CIS AWS v3.0 1.14, CIS AWS v5.0 1.13, Security Hub IAM.3",
            column: Some("Access Key ID"),
            look: (
                "When was it last used, and by whom?",
                "iam get-access-key-last-used",
                Some("--access-key-id"),
            ),
        },
        Check {
            name: "IAM Password Policy",
            fault: "The account's password policy is missing or weak",
            severity: (Low, Low),
            practice: "CIS AWS v3.0 1.8 and 1.9, Security Hub IAM.7",
            column: None,
            look: ("What does it ask for?", "iam get-account-password-policy", None),
        },
        Check {
            name: "IAM Use",
            fault: "The account has no IAM users",
            severity: (Informational, Informational),
            practice: "Do not work as root",
            column: None,
            look: (
                "Who works here? Identity Center instead is better still",
                "sso-admin list-instances",
                None,
            ),
        },
        Check {
            name: "Amazon RDS Security Group Access Risk",
            fault: "This database security group lets too many in",
            severity: (Medium, Low),
            practice: "Security Hub RDS.2",
            column: Some("RDS Security Group Name"),
            look: ("Which databases can be reached?", "rds describe-db-instances", None),
        },
        Check {
            name: "AWS Lambda Functions Using Deprecated Runtimes",
            fault: "This function's runtime gets no security updates any more, or soon",
            severity: (Low, Low),
            practice: "Security Hub Lambda.2",
            column: Some("Function ARN"),
            look: ("Which runtime is it?", "lambda get-function-configuration", Some("--function-name")),
        },
        Check {
            name: "CloudFront Custom SSL Certificates in the IAM Certificate Store",
            fault: "This distribution's certificate has expired, expires, or is outdated",
            severity: (Medium, Low),
            practice: "CIS AWS v3.0 1.19, Security Hub IAM.26",
            column: Some("Distribution ID"),
            look: ("Which certificates are in the store?", "iam list-server-certificates", None),
        },
        Check {
            name: "CloudFront SSL Certificate on the Origin Server",
            fault: "This origin's certificate has expired, expires, or is outdated",
            severity: (Medium, Low),
            practice: "Security Hub CloudFront.9",
            column: Some("Distribution ID"),
            look: ("Which distributions and origins are there?", "cloudfront list-distributions", None),
        },
        Check {
            name: "ELB Listener Security",
            fault: "This load balancer speaks no TLS, or a weak one",
            severity: (Low, Low),
            practice: "Security Hub ELB.3 and ELB.8",
            column: Some("Load Balancer Name"),
            look: ("What does it listen to?", "elb describe-load-balancers", None),
        },
        Check {
            name: "ELB Security Groups",
            fault: "This load balancer's security group opens more ports than it listens to, or is missing",
            severity: (Low, Low),
            practice: "Security Hub EC2.18",
            column: Some("Load Balancer Name"),
            look: ("What does it listen to?", "elb describe-load-balancers", None),
        },
    ]
};

/// The check of this name, or of a name that AWS has given it since.
fn check(name: &str) -> Option<&'static Check> {
    let name = name.replace('–', "-");
    let name = match name.as_str() {
        "MFA on root account" => "MFA on Root Account",
        "AWS CloudTrail Management Event Logging" | "AWS CloudTrail Management Events Logging" => {
            "AWS CloudTrail Logging"
        }
        "Classic Load Balancer Security Groups" => "ELB Security Groups",
        name => name,
    };
    CHECKS.iter().find(|check| check.name == name)
}

impl Rule for TrustedAdvisorCheck {
    fn trusted_advisor(&self, item: &TrustedAdvisor<'_>, cx: &mut Cx<'_>) -> Outcome {
        let Some(check) = check(item.check_name.or_empty()) else { return Ok(()) };
        let columns = item.columns();
        let column = |name: &str| columns.get(name).map(String::as_str);
        let root = format!("arn:aws:iam::{}:root", cx.event.account());
        let region = region_of(item, &columns);
        let trail = region.map(|region| format!("CloudTrail in {region}"));
        // The Support API calls the column of a key's id by the shorter name.
        let named =
            check.column.and_then(|name| column(name).or_else(|| column(name.trim_end_matches(" ID"))));
        let named = named.or_else(|| trail.as_deref().filter(|_| check.column == Some("Trail Name")));
        let resource = match check.column {
            None => root.as_str(),
            Some(_) => item.resource_id.get().or(named).unwrap_or(&root),
        };
        let label = named.unwrap_or(resource);
        let title =
            if check.column.is_some() { format!("{}: {label}", check.fault) } else { check.fault.to_owned() };
        let seen = match item.status.or_empty().to_ascii_uppercase().as_str() {
            "OK" => cx.passing(resource, format!("Trusted Advisor is content: {}", check.name)),
            "ERROR" => cx.failing(resource, title).severity(check.severity.0),
            "WARN" => cx.failing(resource, title).severity(check.severity.1),
            _ => return Ok(()),
        };
        let mut seen = seen
            .aspect(aspect(check, &columns))
            .witnessed_by(check.name)
            .because(column("Reason").map_or_else(
                || format!("Trusted Advisor's check {} says so.", check.name),
                |reason| format!("Trusted Advisor's check {} says: {reason}", check.name),
            ))
            .detail("Check", check.name)
            .detail("Practice", check.practice);
        for (name, value) in columns.iter().filter(|(name, _)| !["Reason", "Status"].contains(&name.as_str()))
        {
            seen = seen.detail(name, value);
        }
        let (purpose, call, option) = check.look;
        let mut options = Vec::new();
        options.extend(region.filter(|_| !call.starts_with("iam ")).map(|region| ("--region", region)));
        options.extend(option.map(|option| (option, label)));
        seen = seen.step(purpose, call, &options);
        cx.report(placed(seen, check, region));
        Ok(())
    }
}

/// Says where the resource is; the event itself always comes from us-east-1.
fn placed(mut seen: Observation, check: &Check, region: Option<&str>) -> Observation {
    match region {
        Some(region) => seen.subject.region = clean(region, 32),
        None if ["IAM", "CloudFront"].iter().any(|name| check.name.starts_with(name)) => seen = seen.global(),
        None => {}
    }
    seen
}

fn region_of<'r>(item: &'r TrustedAdvisor<'_>, columns: &'r BTreeMap<String, String>) -> Option<&'r str> {
    let of_arn = Arn::parse(item.resource_id.or_empty()).map(|arn| arn.region);
    let of_columns = ["Region API Parameter", "Region", "Region/AZ", "Region Name"]
        .map(|name| columns.get(name).map(String::as_str));
    let looks_like_one = |region: &&str| {
        region.contains('-')
            && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    [of_arn].into_iter().chain(of_columns).flatten().find(looks_like_one)
}

/// What is wrong with the resource. Both checks of security groups find the same open port.
fn aspect(check: &Check, columns: &BTreeMap<String, String>) -> String {
    if !check.name.starts_with("Security Groups") {
        return check.name.to_owned();
    }
    let column = |name: &str| columns.get(name).map_or("", String::as_str);
    let (from, to) = (column("From Port"), column("To Port"));
    // Older reports have one column, of another name in each check.
    let ports = match ["Ports", "Port"].map(column).into_iter().find(|ports| !ports.is_empty()) {
        Some(ports) => ports.to_owned(),
        None if to.is_empty() || from == to => from.to_owned(),
        None => format!("{from}-{to}"),
    };
    format!("open to the world: {} {ports}", column("Protocol")).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::*;

    fn refreshed(check: &str, status: &str, resource: &str, columns: Value) -> String {
        envelope(
            "aws.trustedadvisor",
            "Trusted Advisor Check Item Refresh Notification",
            json!({"check-name": check, "status": status, "uuid": "u-1", "resource_id": resource, "check-item-detail": columns}),
        )
    }

    fn group(check: &str, status: &str, port: &str) -> String {
        let column = if check.contains("Specific") { "Ports" } else { "Port" };
        let arn = "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc1234";
        refreshed(
            check,
            status,
            arn,
            json!({"Region": "eu-west-1", "Security Group Name": "web (vpc-1)",
            "Security Group ID": "sg-0abc1234", "Protocol": "tcp", column: port, "Status": "Red"}),
        )
    }

    #[test]
    fn fires() {
        let root = fires_at(
            &TrustedAdvisorCheck,
            Severity::High,
            &refreshed("MFA on Root Account", "ERROR", "", json!({})),
        );
        assert_eq!(
            (root.title.as_str(), root.subject.region.as_str()),
            ("The root user has no MFA", "global")
        );
        let seen = fires_at(
            &TrustedAdvisorCheck,
            Severity::High,
            &group("Security Groups - Specific Ports Unrestricted", "ERROR", "3389"),
        );
        assert_eq!(seen.title, "This security group opens a risky port to the whole internet: sg-0abc1234");
        assert_eq!(seen.subject.region, "eu-west-1");
        assert!(
            seen.steps[0].command.contains("--region eu-west-1 --group-ids sg-0abc1234"),
            "{:?}",
            seen.steps
        );
        fires_at(
            &TrustedAdvisorCheck,
            Severity::Low,
            &group("Security Groups - Specific Ports Unrestricted", "WARN", "8080"),
        );
        let key = json!({"Status": "Red", "IAM User": "bob", "Access Key ID": "AKIAIOSFODNN7EXAMPLE", "Reason": "2 years"});
        let seen = fires_at(
            &TrustedAdvisorCheck,
            Severity::Medium,
            &refreshed("IAM Access Key Rotation", "ERROR", "", key),
        );
        assert_eq!(
            (seen.subject.resource.as_str(), seen.subject.region.as_str()),
            ("AKIAIOSFODNN7EXAMPLE", "global")
        );
        assert!(seen.reason.ends_with("says: 2 years"));
        let bucket = json!({"Region": "Ireland", "Region API Parameter": "eu-west-1", "Bucket Name": "b", "Status": "Yellow"});
        let seen = fires_at(
            &TrustedAdvisorCheck,
            Severity::Medium,
            &refreshed("Amazon S3 Bucket Permissions", "warn", "", bucket),
        );
        assert_eq!((seen.subject.resource.as_str(), seen.subject.region.as_str()), ("b", "eu-west-1"));
    }

    #[test]
    fn every_check_that_is_heard_is_known() {
        use keepwatch_core::engine::Described;
        for on in TrustedAdvisorCheck.meta().on {
            let On::TrustedAdvisor(name) = on else { continue };
            let seen =
                fired(&TrustedAdvisorCheck, &refreshed(name, "ERROR", "", json!({"Region": "eu-west-1"})));
            assert!(!seen.steps.is_empty() && !seen.details.is_empty(), "{name}");
        }
        assert!(CHECKS.iter().all(|check| {
            TrustedAdvisorCheck
                .meta()
                .on
                .iter()
                .any(|on| matches!(on, On::TrustedAdvisor(name) if *name == check.name))
        }));
    }

    #[test]
    fn both_checks_of_a_port_are_one_finding() {
        let specific = fired(
            &TrustedAdvisorCheck,
            &group("Security Groups - Specific Ports Unrestricted", "ERROR", "3389"),
        );
        let dash = fired(
            &TrustedAdvisorCheck,
            &group("Security Groups – Specific Ports Unrestricted", "ERROR", "3389"),
        );
        let unrestricted =
            fired(&TrustedAdvisorCheck, &group("Security Groups - Unrestricted Access", "ERROR", "3389"));
        assert_eq!(specific.subject, unrestricted.subject);
        assert_eq!(specific.subject, dash.subject);
        assert_ne!(specific.witness, unrestricted.witness);
        let other =
            fired(&TrustedAdvisorCheck, &group("Security Groups - Unrestricted Access", "ERROR", "22"));
        assert_ne!(other.subject, unrestricted.subject);
    }

    #[test]
    fn the_columns_of_today_tell_the_ports_apart() {
        let rule = |status: &str, from: &str, to: &str| {
            let columns = json!({"Status": "Red", "Region": "eu-west-1", "Security Group Name": "web",
                "Security Group ID": "sg-0abc1234", "Protocol": "tcp", "From Port": from, "To Port": to});
            let name = "Security Groups – Specific Ports Unrestricted";
            refreshed(name, status, "arn:aws:ec2:eu-west-1:111122223333:security-group/sg-0abc1234", columns)
        };
        let ssh = fired(&TrustedAdvisorCheck, &rule("ERROR", "22", "22"));
        let old = fired(
            &TrustedAdvisorCheck,
            &group("Security Groups - Specific Ports Unrestricted", "ERROR", "22"),
        );
        assert_eq!(ssh.subject, old.subject);
        let many = fired(&TrustedAdvisorCheck, &rule("ERROR", "20", "21"));
        assert_eq!(many.subject.aspect.as_deref(), Some("open to the world: tcp 20-21"));
        assert_ne!(observe(&TrustedAdvisorCheck, &rule("OK", "3389", "3389"))[0].subject, ssh.subject);
    }

    #[test]
    fn a_check_that_aws_renamed_is_the_same_check() {
        let region = json!({"Region": "eu-west-3", "Logging Enabled": "No", "Status": "Red"});
        for (old, new) in [
            ("AWS CloudTrail Logging", "AWS CloudTrail Management Event Logging"),
            ("MFA on Root Account", "MFA on root account"),
            ("ELB Security Groups", "Classic Load Balancer Security Groups"),
        ] {
            let open = fired(&TrustedAdvisorCheck, &refreshed(old, "ERROR", "", region.clone()));
            let gone = observe(&TrustedAdvisorCheck, &refreshed(new, "OK", "", region.clone()));
            assert_eq!(gone[0].subject, open.subject, "{new}");
        }
        let account = json!({"Status": "Red", "Account ID": ACCOUNT});
        let key = fires_at(
            &TrustedAdvisorCheck,
            Severity::High,
            &refreshed("Root User Access Key", "ERROR", "", account),
        );
        assert_eq!(
            (key.title.as_str(), key.subject.region.as_str()),
            ("The root user has an access key", "global")
        );
    }

    #[test]
    fn a_region_without_a_trail_is_named() {
        let none =
            json!({"Region": "eu-west-3", "Trail Name": null, "Logging Status": null, "Status": "Red"});
        let seen = fires_at(
            &TrustedAdvisorCheck,
            Severity::Medium,
            &refreshed("AWS CloudTrail Logging", "ERROR", "", none),
        );
        assert!(seen.title.ends_with("CloudTrail in eu-west-3"), "{}", seen.title);
    }

    #[test]
    fn green_closes_it() {
        let open =
            fired(&TrustedAdvisorCheck, &group("Security Groups - Unrestricted Access", "ERROR", "22"));
        let seen = observe(&TrustedAdvisorCheck, &group("Security Groups - Unrestricted Access", "OK", "22"));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].verdict, &seen[0].subject), (Verdict::Passing, &open.subject));
    }

    #[test]
    fn stays_quiet() {
        quiet(
            &TrustedAdvisorCheck,
            &[
                refreshed(
                    "Exposed Access Keys",
                    "ERROR",
                    "",
                    json!({"Access Key ID": "AKIAIOSFODNN7EXAMPLE"}),
                ),
                refreshed("Underutilized Amazon EBS Volumes", "WARN", "", json!({})),
                refreshed("MFA on Root Account", "INFO", "", json!({})),
                refreshed("MFA on Root Account", "", "", json!(null)),
            ],
        );
    }
}
