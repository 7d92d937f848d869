//! Identity Center: one instance, one permission set that one person is assigned.

use serde_json::{Value, json};

use super::dynamodb::Refusal;
use super::signature::signed;
use crate::http::Request;

/// What comes before the operation in `x-amz-target`.
pub(super) const TARGET: &str = "SWBExternalService";

/// The instance.
pub const INSTANCE: &str = "arn:aws:sso:::instance/ssoins-1111";
/// The permission set.
pub const PERMISSION_SET: &str = "arn:aws:sso:::permissionSet/ssoins-1111/ps-2222";
/// The identity store of the instance.
pub const IDENTITY_STORE: &str = "d-1111111111";
/// The person who is assigned.
pub const PERSON: &str = "90676e1b-0000-4000-8000-000000000000";

/// Name of the permission set and ARN of the one managed policy in it; `None` where it is gone.
pub(super) type PermissionSet = Option<(String, String)>;

/// Answers a call; `None` where nobody has given Keepwatch access.
pub(super) fn answer(
    set: Option<&PermissionSet>,
    operation: &str,
    request: &Request,
) -> Result<Value, Refusal> {
    signed(request, "sso", &["content-type", "x-amz-target"])
        .map_err(|complaint| Refusal::of("InvalidSignatureException", complaint))?;
    let set = set.ok_or_else(Refusal::denied)?;
    let call: Value = serde_json::from_str(&request.body)
        .map_err(|error| Refusal::of("SerializationException", error.to_string()))?;
    if operation == "ListInstances" {
        return Ok(json!({"Instances": [{"InstanceArn": INSTANCE, "IdentityStoreId": IDENTITY_STORE}]}));
    }
    let gone = || Refusal::of("ResourceNotFoundException", "by the stub");
    if call["InstanceArn"] != INSTANCE {
        return Err(gone());
    }
    if operation == "ListAccountAssignmentsForPrincipal" {
        if call["PrincipalId"] != PERSON || call["PrincipalType"] != "USER" {
            return Ok(json!({"AccountAssignments": []}));
        }
        let one = json!({"PermissionSetArn": PERMISSION_SET, "PrincipalId": PERSON, "PrincipalType": "USER"});
        return Ok(json!({"AccountAssignments": [one, one]}));
    }
    let (name, managed) =
        set.as_ref().filter(|_| call["PermissionSetArn"] == PERMISSION_SET).ok_or_else(gone)?;
    Ok(match operation {
        "DescribePermissionSet" => {
            json!({"PermissionSet": {"Name": name, "PermissionSetArn": PERMISSION_SET, "CreatedDate": 1.0}})
        }
        "ListManagedPoliciesInPermissionSet" => {
            json!({"AttachedManagedPolicies": [{"Name": "policy", "Arn": managed}]})
        }
        "GetInlinePolicyForPermissionSet" => json!({"InlinePolicy": ""}),
        "ListCustomerManagedPolicyReferencesInPermissionSet" => {
            json!({"CustomerManagedPolicyReferences": []})
        }
        _ => return Err(Refusal::of("UnknownOperationException", "by the stub")),
    })
}
