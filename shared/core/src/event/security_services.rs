//! What AWS's own detectors and evaluators say: IAM Access Analyzer, AWS Config, Security Hub, Cost Anomaly Detection.
//!
//! Schemas: IAM user guide, "Monitoring IAM Access Analyzer with EventBridge"; AWS Config developer guide, "Monitoring
//! with EventBridge"; Security Hub user guide, "EventBridge event formats"; Cost Management user guide, "Using EventBridge
//! with Cost Anomaly Detection".

use serde_json::value::RawValue;

use super::lenient::{List, Text, lenient};

lenient! {
    /// `detail` of an `Access Analyzer Finding`, and of its kin on internal and on unused access.
    AccessAnalyzer {
        /// `id`: the same from ACTIVE to RESOLVED.
        id: Text<'a> = "id" | "findingId",
        /// `findingType`, such as `InternalAccess` or `UnusedIAMRole`; absent for access from outside.
        finding_type: Text<'a> = "findingType",
        /// `error`: why the resource could not be analysed.
        error: Text<'a> = "error",
        /// `status`: `ACTIVE`, `ARCHIVED` or `RESOLVED`.
        status: Text<'a> = "status",
        /// `resource`: an ARN.
        resource: Text<'a> = "resource",
        /// `resourceType`, such as `AWS::S3::Bucket`.
        resource_type: Text<'a> = "resourceType",
        /// `isPublic`, as text.
        is_public: Text<'a> = "isPublic",
        /// `isDeleted`, as text: the finding was deleted, with its analyzer or for its age. It says nothing about the
        /// access, and `status` stays what it was.
        is_deleted: Text<'a> = "isDeleted",
        /// `principal`, unparsed: `{"AWS": "999988887777"}`.
        principal: Option<&'a RawValue> = "principal",
        /// `action`.
        action: List<Text<'a>> = "action",
        /// `condition`, unparsed.
        condition: Option<&'a RawValue> = "condition",
        /// `accountId` of the resource.
        account_id: Text<'a> = "accountId",
        /// `region` of the resource.
        region: Text<'a> = "region",
        /// `updatedAt`, RFC 3339.
        updated_at: Text<'a> = "updatedAt",
    }
}

lenient! {
    /// `detail` of a `Config Rules Compliance Change`.
    ConfigRule {
        /// `configRuleName`.
        rule: Text<'a> = "configRuleName",
        /// `resourceType`, such as `AWS::EC2::SecurityGroup`.
        resource_type: Text<'a> = "resourceType",
        /// `resourceId`.
        resource_id: Text<'a> = "resourceId",
        /// `awsAccountId`.
        account_id: Text<'a> = "awsAccountId",
        /// `awsRegion`.
        region: Text<'a> = "awsRegion",
        /// `newEvaluationResult`.
        new: Evaluation<'a> = "newEvaluationResult",
        /// `notificationCreationTime`, RFC 3339.
        created: Text<'a> = "notificationCreationTime",
    }
}

lenient! {
    /// An evaluation result of AWS Config.
    Evaluation {
        /// `complianceType`: `COMPLIANT`, `NON_COMPLIANT`, `NOT_APPLICABLE`, `INSUFFICIENT_DATA`.
        compliance: Text<'a> = "complianceType",
        /// `resultRecordedTime`, RFC 3339.
        recorded: Text<'a> = "resultRecordedTime",
        /// `annotation`: why.
        annotation: Text<'a> = "annotation",
    }
}

lenient! {
    /// `detail` of `Security Hub Findings - Imported`: one finding, seldom several.
    SecurityHub {
        /// The findings, in ASFF.
        findings: List<HubFinding<'a>> = "findings",
    }
}

lenient! {
    /// What is read of a finding in ASFF.
    HubFinding {
        /// `Id`.
        id: Text<'a> = "Id",
        /// `ProductArn`.
        product_arn: Text<'a> = "ProductArn",
        /// `ProductName`.
        product_name: Text<'a> = "ProductName",
        /// `GeneratorId`.
        generator: Text<'a> = "GeneratorId",
        /// `AwsAccountId`.
        account_id: Text<'a> = "AwsAccountId",
        /// `Region`.
        region: Text<'a> = "Region",
        /// `Title`.
        title: Text<'a> = "Title",
        /// `Description`.
        description: Text<'a> = "Description",
        /// `UpdatedAt`, RFC 3339.
        updated_at: Text<'a> = "UpdatedAt",
        /// `RecordState`: `ACTIVE` or `ARCHIVED`.
        record_state: Text<'a> = "RecordState",
        /// `Severity`.
        severity: HubSeverity<'a> = "Severity",
        /// `Compliance`.
        compliance: HubCompliance<'a> = "Compliance",
        /// `Workflow`.
        workflow: HubWorkflow<'a> = "Workflow",
        /// `Resources`.
        resources: List<HubResource<'a>> = "Resources",
        /// `ProductFields`.
        product_fields: HubProductFields<'a> = "ProductFields",
    }
}

lenient! {
    /// What is read of `ProductFields` in ASFF.
    HubProductFields {
        /// `ProviderName`: who sent the finding, where it is not AWS.
        provider: Text<'a> = "ProviderName",
        /// `ControlId`, or `RuleId` in older standards: names the control within its standard.
        control: Text<'a> = "ControlId" | "RuleId",
        /// What Security Hub has to say about this result.
        annotation: Text<'a> = "aws/securityhub/annotation",
    }
}

lenient! {
    /// `Severity` in ASFF.
    HubSeverity {
        /// `Label`: `INFORMATIONAL` to `CRITICAL`.
        label: Text<'a> = "Label",
        /// `Normalized`, as text: 0 to 100.
        normalized: Text<'a> = "Normalized",
    }
}

lenient! {
    /// `Compliance` in ASFF.
    HubCompliance {
        /// `Status`: `PASSED`, `WARNING`, `FAILED`, `NOT_AVAILABLE`.
        status: Text<'a> = "Status",
        /// `SecurityControlId`, such as `S3.1`.
        control: Text<'a> = "SecurityControlId",
    }
}

lenient! {
    /// `Workflow` in ASFF.
    HubWorkflow {
        /// `Status`: `NEW`, `NOTIFIED`, `RESOLVED`, `SUPPRESSED`.
        status: Text<'a> = "Status",
    }
}

lenient! {
    /// A resource in ASFF.
    HubResource {
        /// `Id`, an ARN where one exists.
        id: Text<'a> = "Id",
        /// `Type`, such as `AwsS3Bucket`.
        kind: Text<'a> = "Type",
        /// `Region` of the resource.
        region: Text<'a> = "Region",
    }
}

lenient! {
    /// `detail` of an `Anomaly Detected` event of Cost Anomaly Detection.
    CostAnomaly {
        /// `anomalyId`.
        id: Text<'a> = "anomalyId",
        /// `dimensionValue`: the service, for a monitor of services. Messages to SNS spell it otherwise.
        service: Text<'a> = "dimensionValue" | "dimensionalValue",
        /// `monitorName` or, failing that, nothing.
        monitor: Text<'a> = "monitorName",
        /// `anomalyDetailsLink`.
        link: Text<'a> = "anomalyDetailsLink",
        /// `accountName`.
        account_name: Text<'a> = "accountName",
        /// `accountId`.
        account_id: Text<'a> = "accountId",
        /// `anomalyStartDate`.
        start: Text<'a> = "anomalyStartDate",
        /// `impact`.
        impact: CostImpact<'a> = "impact",
        /// `rootCauses`, the dearest first.
        causes: List<CostCause<'a>> = "rootCauses",
    }
}

lenient! {
    /// `impact` of a cost anomaly, in US dollars.
    CostImpact {
        /// `totalImpact`, as text.
        total: Text<'a> = "totalImpact",
        /// `totalActualSpend`, as text.
        actual: Text<'a> = "totalActualSpend",
        /// `totalExpectedSpend`, as text.
        expected: Text<'a> = "totalExpectedSpend",
    }
}

lenient! {
    /// One of the `rootCauses` of a cost anomaly.
    CostCause {
        /// `service`.
        service: Text<'a> = "service",
        /// `region`.
        region: Text<'a> = "region",
        /// `linkedAccount`: the account that spends.
        account: Text<'a> = "linkedAccount",
        /// `usageType`.
        usage: Text<'a> = "usageType",
    }
}
