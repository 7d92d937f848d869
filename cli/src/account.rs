//! Which account, and which tables in it.

use clap::Args;
use keepwatch_aws::findings::FindingsTable;
use keepwatch_aws::profiles::{self, ProfileError, SdkConfig};
use keepwatch_aws::settings::SettingsTable;
use keepwatch_aws::{AwsError, tables};
use keepwatch_base::text::clean;
use tokio::sync::OnceCell;

use crate::catalogue::CATALOGUE;
use crate::failure::Failure;
use crate::{operator, progress};

/// The name that `sam deploy` gives the stack, and the guide as well.
const STACK: &str = "keepwatch";

/// Where Keepwatch is deployed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Where Keepwatch is deployed")]
pub(crate) struct Account {
    /// The stack's name; its tables are found by it.
    #[arg(long, global = true, env = "KEEPWATCH_STACK", default_value = STACK)]
    stack: String,
    /// The table of findings, when the stack's name does not tell.
    #[arg(long, global = true, env = "KEEPWATCH_FINDINGS_TABLE", value_name = "TABLE")]
    findings_table: Option<String>,
    /// The table of settings, when the stack's name does not tell.
    #[arg(long, global = true, env = "KEEPWATCH_SETTINGS_TABLE", value_name = "TABLE")]
    settings_table: Option<String>,
    /// The region; without it AWS_REGION, AWS_DEFAULT_REGION or the profile's.
    #[arg(long, global = true)]
    region: Option<String>,
    /// The profile of ~/.aws to take credentials from; without it the same as the AWS CLI takes.
    #[arg(long, global = true)]
    profile: Option<String>,
}

/// An account that can be asked.
pub(crate) struct Home {
    account: Account,
    config: SdkConfig,
    /// Listed when the first table is looked for, and once.
    names: OnceCell<Vec<String>>,
    /// How tables are written; the operator's role is taken when the first is, and once.
    writing: OnceCell<SdkConfig>,
}

/// A table, and what to call it when something is wrong with it.
pub(crate) struct OpenTable<T> {
    pub(crate) table: T,
    name: String,
    region: String,
}

impl<T> OpenTable<T> {
    /// What came of a call, for the user.
    pub(crate) fn failed(&self, error: &AwsError) -> Failure {
        Failure::of(error, &self.name, &self.region)
    }
}

/// A variable that is set to nothing is not set, as for the AWS CLI.
fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|value| !value.is_empty())
}

impl Account {
    /// The same stack, in this region.
    pub(crate) fn in_region(&self, region: &str) -> Account {
        Account { region: Some(region.to_owned()), ..self.clone() }
    }

    /// The stack's name.
    pub(crate) fn stack(&self) -> &str {
        if self.stack.is_empty() { STACK } else { &self.stack }
    }

    /// Finds region and credentials.
    pub(crate) async fn open(&self) -> anyhow::Result<Home> {
        let bar = progress::spinner("looking for credentials");
        let config = profiles::config(given(self.profile.as_ref()), given(self.region.as_ref()));
        let config = progress::while_shown(&bar, config).await;
        let config = config.map_err(|error| match error {
            ProfileError::NoRegion => anyhow::anyhow!(
                "no region is set: name the one that Keepwatch is deployed in, with --region or AWS_REGION"
            ),
            ProfileError::NoProfile { .. } => Failure::aws(&error.to_string()).into(),
            ProfileError::NoCredentials(_) => Failure::aws(&format!(
                "{error}. Sign in (`aws sso login`) or name a profile (--profile); what only the AWS CLI can do, such as \
                 MFA codes, it does for you: eval \"$(aws configure export-credentials --format env)\""
            ))
            .into(),
        })?;
        Ok(Home { account: self.clone(), config, names: OnceCell::new(), writing: OnceCell::new() })
    }
}

impl Home {
    /// Region and credentials.
    pub(crate) fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The configuration with the credentials of the stack's operator.
    pub(crate) async fn as_operator(&self) -> anyhow::Result<SdkConfig> {
        let name = self.name("SettingsTable", self.account.settings_table.as_ref()).await?;
        self.writing(&name).await.cloned()
    }

    /// The region that is asked.
    pub(crate) fn region(&self) -> String {
        self.config.region().map(ToString::to_string).unwrap_or_default()
    }

    /// The findings.
    pub(crate) async fn findings(&self) -> anyhow::Result<OpenTable<FindingsTable>> {
        let name = self.name("FindingsTable", self.account.findings_table.as_ref()).await?;
        // The journal stays unnamed: what people change of a finding is no event's, so it has no receipt there.
        let table = FindingsTable::new(&self.config, name.clone(), "");
        Ok(OpenTable { table, name, region: self.region() })
    }

    /// The findings, to write one.
    pub(crate) async fn findings_to_change(&self) -> anyhow::Result<OpenTable<FindingsTable>> {
        let OpenTable { name, region, .. } = self.findings().await?;
        let table = FindingsTable::new(self.writing(&name).await?, name.clone(), "");
        Ok(OpenTable { table, name, region })
    }

    /// The settings.
    pub(crate) async fn settings(&self) -> anyhow::Result<OpenTable<SettingsTable>> {
        let name = self.name("SettingsTable", self.account.settings_table.as_ref()).await?;
        Ok(OpenTable {
            table: SettingsTable::new(&self.config, name.clone(), CATALOGUE),
            name,
            region: self.region(),
        })
    }

    /// The settings, to write a row.
    pub(crate) async fn settings_to_change(&self) -> anyhow::Result<OpenTable<SettingsTable>> {
        let OpenTable { name, region, .. } = self.settings().await?;
        let table = SettingsTable::new(self.writing(&name).await?, name.clone(), CATALOGUE);
        Ok(OpenTable { table, name, region })
    }

    async fn writing(&self, table: &str) -> anyhow::Result<&SdkConfig> {
        let region = self.region();
        self.writing.get_or_try_init(|| operator::writing(&self.config, table, &region)).await
    }

    /// The name that was given, or the one that CloudFormation made up for the stack's table.
    async fn name(&self, logical_id: &str, named: Option<&String>) -> anyhow::Result<String> {
        if let Some(name) = given(named) {
            return Ok(name.to_owned());
        }
        let stack = self.account.stack();
        let list = async || tables::list(&self.config).await;
        let names = self.names.get_or_try_init(list).await;
        let names = names.map_err(|error| Failure::of(&error, "the region's tables", &self.region()))?;
        one(&tables::of_stack(names, stack, logical_id), stack, logical_id, &self.region())
    }
}

/// The only table of its kind, or what to do.
fn one(found: &[&str], stack: &str, logical_id: &str, region: &str) -> anyhow::Result<String> {
    let option = if logical_id == "FindingsTable" { "--findings-table" } else { "--settings-table" };
    match found {
        [name] => Ok((*name).to_owned()),
        [] => anyhow::bail!(
            "there is no table {}-{logical_id}-... in {region}: is Keepwatch deployed in another region (--region) or \
             account (--profile), or as another stack (--stack)? {option} names the table itself",
            clean(stack, 128)
        ),
        several => anyhow::bail!(
            "{region} has {} tables that may be it: {}. The stack's outputs tell which one is used; name it with {option}",
            several.len(),
            several.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_table_is_taken_and_else_it_says_what_to_do() {
        let told = |found: &[&str], id| one(found, "keepwatch", id, "eu-west-1").map_err(|e| e.to_string());
        assert_eq!(told(&["a"], "FindingsTable").unwrap(), "a");
        let none = told(&[], "SettingsTable").unwrap_err();
        assert!(none.contains("no table keepwatch-SettingsTable-... in eu-west-1"), "{none}");
        assert!(none.contains("--settings-table names"), "{none}");
        let several = told(&["a", "b"], "FindingsTable").unwrap_err();
        assert!(several.contains("2 tables that may be it: a, b."), "{several}");
    }
}
