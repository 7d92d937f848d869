//! GuardDuty: `GuardDuty Finding`.
//!
//! Schema: GuardDuty user guide, "Processing GuardDuty findings with Amazon EventBridge". An update of a finding has the
//! same `id`; `service.count` grows.

use serde_json::value::RawValue;

use super::lenient::{Text, lenient};

lenient! {
    /// `service`: how the finding stands.
    Service {
        /// `archived`, as text.
        archived: Text<'a> = "archived" | "Archived",
        /// `count`, as text: how often it was seen.
        count: Text<'a> = "count" | "Count",
    }
}

lenient! {
    /// `detail` of a GuardDuty finding. Some producers forward the API's PascalCase shape; both spellings are read.
    GuardDuty {
        /// `id`: the same in every update.
        id: Text<'a> = "id" | "Id",
        /// `type`, such as `UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS`.
        kind: Text<'a> = "type" | "Type",
        /// `title`.
        title: Text<'a> = "title" | "Title",
        /// `severity`, as text: 0.1 to 10.
        severity: Text<'a> = "severity" | "Severity",
        /// `accountId`.
        account_id: Text<'a> = "accountId" | "AccountId",
        /// `region`.
        region: Text<'a> = "region" | "Region",
        /// `updatedAt`, RFC 3339.
        updated_at: Text<'a> = "updatedAt" | "UpdatedAt",
        /// `description`.
        description: Text<'a> = "description" | "Description",
        /// `service`.
        service: Service<'a> = "service" | "Service",
        /// `resource`, unparsed: its shape depends on `resourceType`.
        resource: Option<&'a RawValue> = "resource" | "Resource",
    }
}
