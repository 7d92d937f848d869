//! Links into the AWS console, built from validated parts only.

use keepwatch_base::arn::Arn;
use keepwatch_base::arn::is_account_id;
use keepwatch_base::partition::Partition;
use keepwatch_core::finding::Finding;

/// A link to the page of a finding's resource, where it has one.
pub(super) fn link(finding: &Finding) -> Option<String> {
    let arn = Arn::parse(&finding.resource);
    let host = Partition::named(arn.as_ref().map_or("aws", |arn| arn.partition))?.console?;
    let arn = arn.filter(|arn| arn.service == "iam" && is_account_id(arn.account))?;
    let page = match arn.resource.split_once('/') {
        None if arn.resource == "root" => "#/security_credentials".to_owned(),
        // Paths are part of the resource; the console wants the name alone.
        Some((kind, name)) => {
            let name = name.rsplit('/').next().unwrap_or(name);
            match kind {
                "user" if is_name(name) => format!("#/users/details/{}", encode(name)),
                "role" if is_name(name) => format!("#/roles/details/{}", encode(name)),
                "group" if is_name(name) => format!("#/groups/details/{}", encode(name)),
                "policy" => format!("#/policies/details/{}", encode(&finding.resource)),
                _ => return None,
            }
        }
        None => return None,
    };
    Some(format!("https://{host}/iam/home{page}"))
}

/// IAM's own alphabet for names (IAM user guide, "IAM and AWS STS quotas, name requirements").
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@-_".contains(&b))
}

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
