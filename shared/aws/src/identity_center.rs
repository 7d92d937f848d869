//! Identity Center: who is assigned, and what a permission set grants. JSON of version 1.1.

use std::time::Duration;

use aws_config::SdkConfig;
use keepwatch_core::state::{Fact, Holdings, PolicyText, Value};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::otherwise::Otherwise;
use crate::service::{Call, CallError, Service};

/// The pauses before the second and the third attempt.
const PAUSES: &[Duration] = &[Duration::from_millis(200), Duration::from_millis(800)];

/// Identity Center, in whichever region an event names.
#[derive(Clone, Debug)]
pub(crate) struct IdentityCenter(Service);

/// One of its instances, which belongs to one identity store.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instance {
    instance_arn: Option<String>,
    identity_store_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assignment {
    permission_set_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assignments {
    #[serde(default)]
    account_assignments: Vec<Assignment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    permission_set: Option<PermissionSet>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PermissionSet {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Managed {
    #[serde(default)]
    attached_managed_policies: Vec<ManagedPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedPolicy {
    arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inline {
    inline_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CustomerManaged {
    #[serde(default)]
    customer_managed_policy_references: Vec<Reference>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reference {
    name: String,
}

impl IdentityCenter {
    pub(crate) fn new(config: &SdkConfig) -> IdentityCenter {
        IdentityCenter(Service::new(config, "sso", PAUSES))
    }

    /// The permission sets that a person or a group is assigned.
    ///
    /// One page each: an account sees one or two instances, and the first hundred assignments tell what somebody is.
    pub(crate) async fn assigned(
        &self,
        store: &str,
        principal: &str,
        group: bool,
        region: &str,
    ) -> Result<Value, Otherwise> {
        let instances: Instances = self.ask("SWBExternalService.ListInstances", region, &json!({})).await?;
        let instances = instances.instances;
        let asked = |instance: &&Instance| {
            if store.is_empty() {
                instances.len() == 1
            } else {
                instance.identity_store_id.as_deref() == Some(store)
            }
        };
        let Some(instance) = instances.iter().find(asked).and_then(|one| one.instance_arn.as_deref()) else {
            let why = "no instance of Identity Center with this identity store is to be seen from here";
            return Err(Otherwise::Answer(Fact::Unavailable(why.to_owned())));
        };
        let request = json!({
            "InstanceArn": instance,
            "PrincipalId": principal,
            "PrincipalType": if group { "GROUP" } else { "USER" },
        });
        let target = "SWBExternalService.ListAccountAssignmentsForPrincipal";
        let page: Assignments = self.ask(target, region, &request).await?;
        let mut sets: Vec<String> =
            page.account_assignments.into_iter().filter_map(|one| one.permission_set_arn).collect();
        sets.sort();
        sets.dedup();
        Ok(Value::Names(sets))
    }

    /// What a permission set grants.
    pub(crate) async fn permission_set(
        &self,
        instance: &str,
        arn: &str,
        region: &str,
    ) -> Result<Value, Otherwise> {
        let set = json!({"InstanceArn": instance, "PermissionSetArn": arn});
        let described: Described = self.ask("SWBExternalService.DescribePermissionSet", region, &set).await?;
        let managed: Managed =
            self.ask("SWBExternalService.ListManagedPoliciesInPermissionSet", region, &set).await?;
        let inline: Inline =
            self.ask("SWBExternalService.GetInlinePolicyForPermissionSet", region, &set).await?;
        let elsewhere: CustomerManaged = self
            .ask("SWBExternalService.ListCustomerManagedPolicyReferencesInPermissionSet", region, &set)
            .await?;
        let inline = inline.inline_policy.filter(|text| !text.is_empty());
        Ok(Value::Holdings(Holdings {
            managed: managed.attached_managed_policies.into_iter().filter_map(|one| one.arn).collect(),
            inline: inline
                .map(|text| PolicyText { name: "inline policy".to_owned(), text })
                .into_iter()
                .collect(),
            elsewhere: elsewhere.customer_managed_policy_references.into_iter().map(|one| one.name).collect(),
            name: described.permission_set.and_then(|set| set.name),
        }))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        target: &'static str,
        region: &str,
        request: &Json,
    ) -> Result<T, Otherwise> {
        // The region comes from an event and becomes part of a host name.
        if region.is_empty()
            || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(Otherwise::Answer(Fact::Unavailable("the event names no region".to_owned())));
        }
        let body = request.to_string();
        let call = Call {
            region,
            path: "/",
            content_type: "application/x-amz-json-1.1",
            target: Some(target),
            body: &body,
        };
        match self.0.call(call).await {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| {
                Otherwise::TryAgain(format!("{target}: the answer cannot be read: {error}"))
            }),
            Err(CallError::Refused { code, .. }) if code == "ResourceNotFoundException" => {
                Err(Otherwise::Answer(Fact::Missing))
            }
            Err(CallError::Refused { reason, .. }) => {
                Err(Otherwise::Answer(Fact::Unavailable(format!("{target}: {reason}"))))
            }
            Err(CallError::Busy(reason) | CallError::Failed(reason)) => {
                Err(Otherwise::TryAgain(format!("{target}: {reason}")))
            }
        }
    }
}
