//! Lambda, SageMaker, Systems Manager.

use keepwatch_core::posture::facts::compute::{Function, KeyInEnvironment, Notebook, NotebookName};

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::node::Node;
use crate::operation::{DESCRIBE_INSTANCE_INFORMATION, DESCRIBE_NOTEBOOK, LIST_FUNCTIONS, LIST_NOTEBOOKS};

/// The characters of an access key id.
const KEY_LENGTH: usize = 20;

pub(super) async fn functions(client: &Client, region: &str) -> Result<Vec<Function>, Fault> {
    let mut functions = Vec::new();
    for page in client.pages(&LIST_FUNCTIONS, region, Input::none()).await? {
        for node in page.all("Functions") {
            let mut keys = Vec::new();
            for (variable, value) in node.at("Environment/Variables").into_iter().flat_map(Node::entries) {
                let ids = value.own_text().map(key_ids).unwrap_or_default();
                let named = ids
                    .into_iter()
                    .map(|id| KeyInEnvironment { variable: variable.to_owned(), masked: masked(id) });
                keys.extend(named);
            }
            functions.push(Function {
                arn: node.need("FunctionArn")?,
                name: node.need("FunctionName")?,
                runtime: node.text("Runtime"),
                image: node.text("PackageType").as_deref() == Some("Image"),
                keys_in_environment: keys,
                environment_error: node.text("Environment/Error/ErrorCode"),
                in_vpc: node.text("VpcConfig/VpcId").is_some(),
            });
        }
    }
    Ok(functions)
}

/// What looks like an access key id: `AKIA` or `ASIA` and sixteen capitals and digits, with nothing of the kind around it.
fn key_ids(text: &str) -> Vec<&str> {
    let part = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit());
    let is_id =
        |word: &&str| word.len() == KEY_LENGTH && (word.starts_with("AKIA") || word.starts_with("ASIA"));
    text.split(part).filter(is_id).collect()
}

/// The id with all but its ends hidden.
fn masked(id: &str) -> String {
    let (start, end) = (&id[..4], &id[KEY_LENGTH - 4..]);
    format!("{start}************{end}")
}

pub(super) async fn notebooks(client: &Client, region: &str) -> Result<Vec<NotebookName>, Fault> {
    let pages = client.pages(&LIST_NOTEBOOKS, region, Input::none().member("MaxResults", 100)).await?;
    let read = |node: &Node| {
        Ok(NotebookName {
            name: node.need("NotebookInstanceName")?,
            arn: node.need("NotebookInstanceArn")?,
            status: node.text("NotebookInstanceStatus").unwrap_or_default(),
        })
    };
    pages.iter().flat_map(|page| page.all("NotebookInstances")).map(read).collect()
}

pub(super) async fn notebook(client: &Client, region: &str, name: &str) -> Result<Option<Notebook>, Fault> {
    let input = Input::none().member("NotebookInstanceName", name);
    let read = |node: Node| {
        Ok(Notebook {
            direct_internet: node.need("DirectInternetAccess")? == "Enabled",
            root_access: node.text("RootAccess").as_deref() != Some("Disabled"),
        })
    };
    let found = match client.call(&DESCRIBE_NOTEBOOK, region, input).await {
        // SageMaker has no code of its own for what is not there (API reference, DescribeNotebookInstance).
        Err(Fault::Code { code, why }) if code == "ValidationException" && why.contains("RecordNotFound") => {
            return Ok(None);
        }
        other => other,
    };
    absent_if(found.and_then(read), &["ResourceNotFound"])
}

pub(super) async fn managed_instances(client: &Client, region: &str) -> Result<Vec<String>, Fault> {
    let input = Input::none().member("MaxResults", 50);
    let pages = client.pages(&DESCRIBE_INSTANCE_INFORMATION, region, input).await?;
    Ok(pages.iter().flat_map(|page| page.texts("InstanceInformationList/InstanceId")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_found_among_other_text_and_masked() {
        let text = "id=AKIAIOSFODNN7EXAMPLE; ASIAIOSFODNN7EXAMPLE,XAKIAIOSFODNN7EXAMPLE AKIAIOSFODNN7EXAMPL akiaiosfodnn7example";
        assert_eq!(key_ids(text), ["AKIAIOSFODNN7EXAMPLE", "ASIAIOSFODNN7EXAMPLE"]);
        assert_eq!(masked("AKIAIOSFODNN7EXAMPLE"), "AKIA************MPLE");
    }
}
