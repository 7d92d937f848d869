//! GuardDuty: `GuardDuty Finding`.
//!
//! Schema: GuardDuty user guide, "Processing GuardDuty findings with Amazon EventBridge". An update of a finding has the
//! same `id`; `service.count` grows.

use serde_json::value::RawValue;

use super::lenient::{Text, lenient};

lenient! {
    /// `additionalInfo` of a finding.
    AdditionalInfo {
        /// `sample`, as text: `true` in a finding that was made to try things out.
        sample: Text<'a> = "sample" | "Sample",
        /// `value`: JSON in a string; the API's shape has `sample` in here.
        value: Text<'a> = "value" | "Value",
    }
}

lenient! {
    /// `service`: how the finding stands.
    Service {
        /// `archived`, as text.
        archived: Text<'a> = "archived" | "Archived",
        /// `count`, as text: how often it was seen.
        count: Text<'a> = "count" | "Count",
        /// `detectorId`: the detector of the finding's account and region.
        detector_id: Text<'a> = "detectorId" | "DetectorId",
        /// `action`, unparsed: its shape depends on `actionType`.
        action: Option<&'a RawValue> = "action" | "Action",
        /// `additionalInfo`, unparsed: few findings are asked for it.
        additional: Option<&'a RawValue> = "additionalInfo" | "AdditionalInfo",
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
        /// `partition`.
        partition: Text<'a> = "partition" | "Partition",
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

impl GuardDuty<'_> {
    /// Whether somebody had GuardDuty make this finding up (`CreateSampleFindings`).
    pub fn is_sample(&self) -> bool {
        let read = |text: &str| {
            serde_json::from_str::<AdditionalInfo<'_>>(text)
                .ok()
                .map(|info| (info.sample.is_ignore_case("true"), info.value.or_empty().to_owned()))
        };
        let (sample, value) = self.service.additional.and_then(|raw| read(raw.get())).unwrap_or_default();
        self.title.or_empty().starts_with("[SAMPLE]")
            || sample
            || read(&value).is_some_and(|(sample, _)| sample)
    }
}
