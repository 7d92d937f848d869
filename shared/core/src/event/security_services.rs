//! What AWS's own detectors and evaluators say: IAM Access Analyzer, AWS Config, Security Hub, Cost Anomaly Detection,
//! Inspector, CloudTrail Insights.
//!
//! Schemas: IAM user guide, "Monitoring IAM Access Analyzer with EventBridge"; AWS Config developer guide, "Monitoring
//! with EventBridge"; Security Hub user guide, "EventBridge event formats"; Cost Management user guide, "Using EventBridge
//! with Cost Anomaly Detection"; Inspector user guide, "EventBridge event schema for Amazon Inspector events"; CloudTrail
//! user guide, "CloudTrail record contents for Insights events for trails".

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
    /// `detail` of `Findings Imported V2`: findings in OCSF (Security Hub user guide, "OCSF findings").
    OcsfFindings {
        /// The findings.
        findings: List<Ocsf<'a>> = "findings",
    }
}

lenient! {
    /// What is read of a finding in OCSF.
    Ocsf {
        /// `finding_info`.
        info: OcsfInfo<'a> = "finding_info",
        /// `severity`: `Informational` to `Critical`, and `Fatal`.
        severity: Text<'a> = "severity",
        /// `status`: `New`, `In Progress`, `Suppressed`, `Resolved`, `Archived`.
        status: Text<'a> = "status",
        /// `cloud`.
        cloud: OcsfCloud<'a> = "cloud",
        /// `metadata`.
        metadata: OcsfMetadata<'a> = "metadata",
        /// `compliance`.
        compliance: OcsfCompliance<'a> = "compliance",
        /// `resources`.
        resources: List<OcsfResource<'a>> = "resources",
    }
}

lenient! {
    /// `finding_info` in OCSF.
    OcsfInfo {
        /// `uid`.
        uid: Text<'a> = "uid",
        /// `title`.
        title: Text<'a> = "title",
        /// `desc`.
        description: Text<'a> = "desc",
        /// `modified_time_dt`, RFC 3339.
        modified: Text<'a> = "modified_time_dt",
    }
}

lenient! {
    /// `cloud` in OCSF.
    OcsfCloud {
        /// `account`.
        account: Uid<'a> = "account",
        /// `region`.
        region: Text<'a> = "region",
    }
}

lenient! {
    /// `metadata` in OCSF.
    OcsfMetadata {
        /// `product`.
        product: OcsfProduct<'a> = "product",
    }
}

lenient! {
    /// `metadata.product` in OCSF.
    OcsfProduct {
        /// `uid`: an ARN.
        uid: Text<'a> = "uid",
        /// `name`.
        name: Text<'a> = "name",
    }
}

lenient! {
    /// What is read of an object in OCSF of which only the name matters.
    Uid {
        /// `uid`.
        uid: Text<'a> = "uid",
    }
}

lenient! {
    /// `compliance` in OCSF.
    OcsfCompliance {
        /// `status`: `Pass`, `Warning`, `Fail`.
        status: Text<'a> = "status",
        /// `control`, such as `S3.1`.
        control: Text<'a> = "control",
    }
}

lenient! {
    /// A resource in OCSF.
    OcsfResource {
        /// `uid`, an ARN where one exists.
        uid: Text<'a> = "uid",
        /// `type`.
        kind: Text<'a> = "type",
        /// `region`.
        region: Text<'a> = "region",
    }
}

impl<'a> From<OcsfFindings<'a>> for SecurityHub<'a> {
    /// The same findings in the words of ASFF.
    fn from(found: OcsfFindings<'a>) -> SecurityHub<'a> {
        SecurityHub { findings: List(found.findings.0.into_iter().map(HubFinding::from).collect()) }
    }
}

impl<'a> From<Ocsf<'a>> for HubFinding<'a> {
    fn from(found: Ocsf<'a>) -> HubFinding<'a> {
        let label = match found.severity.or_empty() {
            "Fatal" | "Critical" => "CRITICAL",
            "High" => "HIGH",
            "Medium" => "MEDIUM",
            "Low" => "LOW",
            "Informational" => "INFORMATIONAL",
            _ => "",
        };
        let workflow = match found.status.or_empty() {
            "Suppressed" => "SUPPRESSED",
            "Resolved" => "RESOLVED",
            _ => "NEW",
        };
        let state = if found.status.or_empty() == "Archived" { "ARCHIVED" } else { "ACTIVE" };
        let compliance = match found.compliance.status.or_empty() {
            "Pass" => "PASSED",
            "Warning" => "WARNING",
            "Fail" => "FAILED",
            _ => "",
        };
        let resource = |resource: OcsfResource<'a>| HubResource {
            id: resource.uid,
            kind: resource.kind,
            region: resource.region,
        };
        HubFinding {
            id: found.info.uid,
            product_arn: found.metadata.product.uid,
            product_name: found.metadata.product.name,
            account_id: found.cloud.account.uid,
            region: found.cloud.region,
            title: found.info.title,
            description: found.info.description,
            updated_at: found.info.modified,
            record_state: state.into(),
            severity: HubSeverity { label: label.into(), ..HubSeverity::default() },
            compliance: HubCompliance { status: compliance.into(), control: found.compliance.control },
            workflow: HubWorkflow { status: workflow.into() },
            resources: List(found.resources.0.into_iter().map(resource).collect()),
            ..HubFinding::default()
        }
    }
}

lenient! {
    /// `detail` of an `Inspector2 Finding`.
    Inspector {
        /// `findingArn`: the same in every update.
        arn: Text<'a> = "findingArn",
        /// `awsAccountId`.
        account_id: Text<'a> = "awsAccountId",
        /// `type`: `PACKAGE_VULNERABILITY`, `NETWORK_REACHABILITY`, `CODE_VULNERABILITY`.
        kind: Text<'a> = "type",
        /// `title`.
        title: Text<'a> = "title",
        /// `description`.
        description: Text<'a> = "description",
        /// `severity`: `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `INFORMATIONAL`, `UNTRIAGED`.
        severity: Text<'a> = "severity",
        /// `status`: `ACTIVE`, `SUPPRESSED`, `CLOSED`.
        status: Text<'a> = "status",
        /// `exploitAvailable`: `YES` or `NO`.
        exploit: Text<'a> = "exploitAvailable",
        /// `fixAvailable`: `YES`, `NO`, `PARTIAL`.
        fix: Text<'a> = "fixAvailable",
        /// `updatedAt`.
        updated_at: Text<'a> = "updatedAt",
        /// `packageVulnerabilityDetails`.
        package: InspectorPackage<'a> = "packageVulnerabilityDetails",
        /// `resources`.
        resources: List<InspectorResource<'a>> = "resources",
    }
}

lenient! {
    /// What is read of `packageVulnerabilityDetails`.
    InspectorPackage {
        /// `vulnerabilityId`, such as `CVE-2021-44228`.
        id: Text<'a> = "vulnerabilityId",
    }
}

lenient! {
    /// A resource of Inspector's.
    InspectorResource {
        /// `id`: an instance's id, or an ARN.
        id: Text<'a> = "id",
        /// `type`, such as `AWS_EC2_INSTANCE`.
        kind: Text<'a> = "type",
        /// `region`.
        region: Text<'a> = "region",
    }
}

lenient! {
    /// A record of CloudTrail Insights.
    Insight {
        /// `eventID`.
        event_id: Text<'a> = "eventID",
        /// `eventTime`, RFC 3339.
        event_time: Text<'a> = "eventTime",
        /// `awsRegion`.
        region: Text<'a> = "awsRegion",
        /// `recipientAccountId`.
        account_id: Text<'a> = "recipientAccountId",
        /// `insightDetails`.
        details: InsightDetails<'a> = "insightDetails",
    }
}

lenient! {
    /// `insightDetails`.
    InsightDetails {
        /// `state`: `Start` or `End`.
        state: Text<'a> = "state",
        /// `eventSource` of the calls.
        source: Text<'a> = "eventSource",
        /// `eventName` of the calls.
        name: Text<'a> = "eventName",
        /// `insightType`: `ApiCallRateInsight` or `ApiErrorRateInsight`.
        kind: Text<'a> = "insightType",
        /// `errorCode` of the calls, where it is about errors.
        error_code: Text<'a> = "errorCode",
        /// `insightContext`.
        context: InsightContext<'a> = "insightContext",
    }
}

lenient! {
    /// `insightContext`.
    InsightContext {
        /// `statistics`.
        statistics: InsightStatistics<'a> = "statistics",
        /// `attributions`: who made the calls, and with what.
        attributions: List<Attribution<'a>> = "attributions",
    }
}

lenient! {
    /// `statistics`: calls a minute.
    InsightStatistics {
        /// What is usual.
        baseline: Average<'a> = "baseline",
        /// What was seen.
        insight: Average<'a> = "insight",
    }
}

lenient! {
    /// An average, or a value and how often it was seen.
    Average {
        /// `value`: an ARN, a user agent, an error code.
        value: Text<'a> = "value",
        /// `average`, as text.
        average: Text<'a> = "average",
    }
}

lenient! {
    /// One of the `attributions`.
    Attribution {
        /// `attribute`: `userIdentityArn`, `userAgent` or `errorCode`.
        attribute: Text<'a> = "attribute",
        /// The values of the unusual calls, the most frequent first.
        insight: List<Average<'a>> = "insight",
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
