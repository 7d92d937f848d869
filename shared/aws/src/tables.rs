//! The tables of an account, by name: for those who know the stack and not the names that CloudFormation made up.

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use crate::{AwsError, failed};

/// The names of all tables in the region.
///
/// # Errors
/// When they cannot be listed.
pub async fn list(config: &SdkConfig) -> Result<Vec<String>, AwsError> {
    let client = Client::new(config);
    let mut names = Vec::new();
    let mut from = None;
    loop {
        let request = client.list_tables().set_exclusive_start_table_name(from);
        let page = request.send().await.map_err(failed("dynamodb:ListTables"))?;
        names.extend(page.table_names.unwrap_or_default());
        from = page.last_evaluated_table_name;
        if from.is_none() {
            return Ok(names);
        }
    }
}

/// Those of these names that CloudFormation gave to a stack's table: stack, `-`, logical id, `-`, letters and digits.
pub fn of_stack<'n>(names: &'n [String], stack: &str, logical_id: &str) -> Vec<&'n str> {
    let prefix = format!("{stack}-{logical_id}-");
    let made_up = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    names.iter().map(String::as_str).filter(|name| name.strip_prefix(&prefix).is_some_and(made_up)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stacks_own_tables_are_its_tables() {
        let names = [
            "keepwatch-FindingsTable-1ABCDEF",
            "keepwatch-FindingsTable-",
            "keepwatch-FindingsTable-1A-copy",
            "keepwatch-JournalTable-1ABCDEF",
            "keepwatch-test-FindingsTable-1ABCDEF",
            "keepwatch-FindingsTable",
        ]
        .map(str::to_owned);
        assert_eq!(of_stack(&names, "keepwatch", "FindingsTable"), ["keepwatch-FindingsTable-1ABCDEF"]);
        assert_eq!(of_stack(&names, "keepwatch-test", "FindingsTable").len(), 1);
        assert!(of_stack(&names, "keep", "FindingsTable").is_empty());
    }
}
