//! CloudFormation.

use std::collections::BTreeMap;

use crate::client::{Client, Input};
use crate::fault::{Fault, absent_if};
use crate::operation::{DESCRIBE_STACKS, LIST_STACK_RESOURCES};

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// `CREATE_COMPLETE`, `UPDATE_ROLLBACK_FAILED` …
    pub status: String,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its resources, by logical id.
    pub resources: BTreeMap<String, Resource>,
}

/// A resource of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `AWS::SQS::Queue` …
    pub kind: String,
    /// What `Ref` gives: a name, an address or an ARN.
    pub physical_id: String,
}

/// The stack of this name in a region; nothing where there is none.
///
/// # Errors
/// [`Fault`].
pub async fn stack(client: &Client, region: &str, name: &str) -> Result<Option<Stack>, Fault> {
    let input = Input::none().field("StackName", name);
    let found = client.call(&DESCRIBE_STACKS, region, input.clone()).await;
    // There is no code of its own for a stack that is not there (CloudFormation API reference, DescribeStacks).
    let found = match found {
        Err(Fault::Code { code, why }) if code == "ValidationError" && why.contains("does not exist") => {
            return Ok(None);
        }
        other => absent_if(other, &["StackNotFoundException"])?,
    };
    let Some(answer) = found else { return Ok(None) };
    let Some(node) = answer.at("DescribeStacksResult/Stacks/member") else { return Ok(None) };
    let mut stack = Stack { status: node.need("StackStatus")?, ..Stack::default() };
    for one in node.all("Parameters/member") {
        stack.parameters.insert(one.need("ParameterKey")?, one.text("ParameterValue").unwrap_or_default());
    }
    for one in node.all("Outputs/member") {
        stack.outputs.insert(one.need("OutputKey")?, one.text("OutputValue").unwrap_or_default());
    }
    for page in client.pages(&LIST_STACK_RESOURCES, region, input).await? {
        for one in page.all("ListStackResourcesResult/StackResourceSummaries/member") {
            // One that is not made yet, or not any more, has no name.
            let Some(physical_id) = one.text("PhysicalResourceId") else { continue };
            let resource = Resource { kind: one.need("ResourceType")?, physical_id };
            stack.resources.insert(one.need("LogicalResourceId")?, resource);
        }
    }
    Ok(Some(stack))
}
