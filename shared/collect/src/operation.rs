//! Every call that a scan makes, and those by which the command line looks at a deployment, each with the IAM action that it needs. `tools/posture_operations.py` reads the table.

use crate::service::{self, Service};

/// A call.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) service: &'static Service,
    pub(crate) name: &'static str,
    /// The action that a policy must allow, which often has another name.
    pub(crate) action: &'static str,
    pub(crate) method: &'static str,
    /// The path, with `{Names}` to be filled in.
    pub(crate) uri: &'static str,
    /// How its pages are turned: the token's name in the request, and its path in the answer.
    pub(crate) pages: Option<(&'static str, &'static str)>,
}

macro_rules! operations {
    ($( $service:ident $name:ident $action:literal $method:ident $uri:literal $(pages $input:literal $output:literal)? => $const:ident; )+) => {
        $(
            #[doc = concat!("`", $action, "`")]
            pub(crate) static $const: Operation = Operation {
                service: &service::$service,
                name: stringify!($name),
                action: $action,
                method: stringify!($method),
                uri: $uri,
                pages: operations!(@pages $($input $output)?),
            };
        )+

        /// All of them.
        #[cfg(test)]
        pub(crate) static ALL: &[&Operation] = &[$(&$const,)+];
    };
    (@pages) => { None };
    (@pages $input:literal $output:literal) => { Some(($input, $output)) };
}

operations! {
    ACCESS_ANALYZER ListAnalyzers "access-analyzer:ListAnalyzers" GET "/analyzer" pages "nextToken" "nextToken" => LIST_ANALYZERS;
    ACCOUNT GetAlternateContact "account:GetAlternateContact" POST "/getAlternateContact" => GET_ALTERNATE_CONTACT;
    BACKUP ListBackupPlans "backup:ListBackupPlans" GET "/backup/plans/" pages "nextToken" "NextToken" => LIST_BACKUP_PLANS;
    BACKUP ListBackupSelections "backup:ListBackupSelections" GET "/backup/plans/{backupPlanId}/selections/" pages "nextToken" "NextToken" => LIST_BACKUP_SELECTIONS;
    BUDGETS DescribeBudgets "budgets:ViewBudget" POST "/" pages "NextToken" "NextToken" => DESCRIBE_BUDGETS;
    BUDGETS DescribeNotificationsForBudget "budgets:ViewBudget" POST "/" pages "NextToken" "NextToken" => DESCRIBE_NOTIFICATIONS;
    BUDGETS DescribeSubscribersForNotification "budgets:ViewBudget" POST "/" pages "NextToken" "NextToken" => DESCRIBE_SUBSCRIBERS;
    CLOUDFRONT ListDistributions "cloudfront:ListDistributions" GET "/2020-05-31/distribution" pages "Marker" "NextMarker" => LIST_DISTRIBUTIONS;
    CLOUDFRONT GetDistributionConfig "cloudfront:GetDistributionConfig" GET "/2020-05-31/distribution/{Id}/config" => GET_DISTRIBUTION_CONFIG;
    CLOUDTRAIL DescribeTrails "cloudtrail:DescribeTrails" POST "/" => DESCRIBE_TRAILS;
    CLOUDTRAIL GetTrailStatus "cloudtrail:GetTrailStatus" POST "/" => GET_TRAIL_STATUS;
    CLOUDTRAIL GetEventSelectors "cloudtrail:GetEventSelectors" POST "/" => GET_EVENT_SELECTORS;
    CLOUDTRAIL GetInsightSelectors "cloudtrail:GetInsightSelectors" POST "/" => GET_INSIGHT_SELECTORS;
    CLOUDWATCH DescribeAlarms "cloudwatch:DescribeAlarms" POST "/" pages "NextToken" "DescribeAlarmsResult/NextToken" => DESCRIBE_ALARMS;
    CLOUDWATCH GetMetricData "cloudwatch:GetMetricData" POST "/" pages "NextToken" "GetMetricDataResult/NextToken" => GET_METRIC_DATA;
    CONFIG DescribeConfigurationRecorders "config:DescribeConfigurationRecorders" POST "/" => DESCRIBE_RECORDERS;
    CONFIG DescribeConfigurationRecorderStatus "config:DescribeConfigurationRecorderStatus" POST "/" => DESCRIBE_RECORDER_STATUS;
    CONFIG DescribeDeliveryChannels "config:DescribeDeliveryChannels" POST "/" => DESCRIBE_DELIVERY_CHANNELS;
    DMS DescribeReplicationInstances "dms:DescribeReplicationInstances" POST "/" pages "Marker" "Marker" => DESCRIBE_REPLICATION_INSTANCES;
    EC2 DescribeRegions "ec2:DescribeRegions" POST "/" => DESCRIBE_REGIONS;
    EC2 DescribeVolumes "ec2:DescribeVolumes" POST "/" pages "NextToken" "nextToken" => DESCRIBE_VOLUMES;
    EC2 DescribeSnapshots "ec2:DescribeSnapshots" POST "/" pages "NextToken" "nextToken" => DESCRIBE_SNAPSHOTS;
    EC2 GetEbsEncryptionByDefault "ec2:GetEbsEncryptionByDefault" POST "/" => GET_EBS_ENCRYPTION;
    EC2 GetSnapshotBlockPublicAccessState "ec2:GetSnapshotBlockPublicAccessState" POST "/" => GET_SNAPSHOT_BLOCK;
    EC2 DescribeVpcs "ec2:DescribeVpcs" POST "/" pages "NextToken" "nextToken" => DESCRIBE_VPCS;
    EC2 DescribeFlowLogs "ec2:DescribeFlowLogs" POST "/" pages "NextToken" "nextToken" => DESCRIBE_FLOW_LOGS;
    EC2 DescribeSecurityGroupRules "ec2:DescribeSecurityGroupRules" POST "/" pages "NextToken" "nextToken" => DESCRIBE_SECURITY_GROUP_RULES;
    EC2 DescribeSecurityGroups "ec2:DescribeSecurityGroups" POST "/" pages "NextToken" "nextToken" => DESCRIBE_SECURITY_GROUPS;
    EC2 GetManagedPrefixListEntries "ec2:GetManagedPrefixListEntries" POST "/" pages "NextToken" "nextToken" => GET_PREFIX_LIST;
    EC2 DescribeNetworkInterfaces "ec2:DescribeNetworkInterfaces" POST "/" pages "NextToken" "nextToken" => DESCRIBE_NETWORK_INTERFACES;
    EC2 DescribeInstances "ec2:DescribeInstances" POST "/" pages "NextToken" "nextToken" => DESCRIBE_INSTANCES;
    ES ListDomainNames "es:ListDomainNames" GET "/2021-01-01/domain" => LIST_DOMAIN_NAMES;
    ES DescribeDomains "es:DescribeDomains" POST "/2021-01-01/opensearch/domain-info" => DESCRIBE_DOMAINS;
    EVENTS ListRules "events:ListRules" POST "/" pages "NextToken" "NextToken" => LIST_RULES;
    EVENTS ListTargetsByRule "events:ListTargetsByRule" POST "/" pages "NextToken" "NextToken" => LIST_TARGETS;
    GUARDDUTY ListDetectors "guardduty:ListDetectors" GET "/detector" pages "nextToken" "nextToken" => LIST_DETECTORS;
    GUARDDUTY GetDetector "guardduty:GetDetector" GET "/detector/{DetectorId}" => GET_DETECTOR;
    KMS ListKeys "kms:ListKeys" POST "/" pages "Marker" "NextMarker" => LIST_KEYS;
    KMS ListAliases "kms:ListAliases" POST "/" pages "Marker" "NextMarker" => LIST_ALIASES;
    KMS DescribeKey "kms:DescribeKey" POST "/" => DESCRIBE_KEY;
    LAMBDA ListFunctions "lambda:ListFunctions" GET "/2015-03-31/functions" pages "Marker" "NextMarker" => LIST_FUNCTIONS;
    LOGS DescribeDeliverySources "logs:DescribeDeliverySources" POST "/" pages "nextToken" "nextToken" => DESCRIBE_DELIVERY_SOURCES;
    ORGANIZATIONS DescribeOrganization "organizations:DescribeOrganization" POST "/" => DESCRIBE_ORGANIZATION;
    ORGANIZATIONS ListAccounts "organizations:ListAccounts" POST "/" pages "NextToken" "NextToken" => LIST_ACCOUNTS;
    RDS DescribeDBInstances "rds:DescribeDBInstances" POST "/" pages "Marker" "DescribeDBInstancesResult/Marker" => DESCRIBE_DB_INSTANCES;
    RDS DescribeDBClusters "rds:DescribeDBClusters" POST "/" pages "Marker" "DescribeDBClustersResult/Marker" => DESCRIBE_DB_CLUSTERS;
    RDS DescribeDBSnapshots "rds:DescribeDBSnapshots" POST "/" pages "Marker" "DescribeDBSnapshotsResult/Marker" => DESCRIBE_DB_SNAPSHOTS;
    RDS DescribeDBSnapshotAttributes "rds:DescribeDBSnapshotAttributes" POST "/" => DESCRIBE_DB_SNAPSHOT_ATTRIBUTES;
    RDS DescribeDBClusterSnapshots "rds:DescribeDBClusterSnapshots" POST "/" pages "Marker" "DescribeDBClusterSnapshotsResult/Marker" => DESCRIBE_DB_CLUSTER_SNAPSHOTS;
    RDS DescribeDBClusterSnapshotAttributes "rds:DescribeDBClusterSnapshotAttributes" POST "/" => DESCRIBE_DB_CLUSTER_SNAPSHOT_ATTRIBUTES;
    S3 ListBuckets "s3:ListAllMyBuckets" GET "/" pages "continuation-token" "ContinuationToken" => LIST_BUCKETS;
    S3 GetBucketLocation "s3:GetBucketLocation" GET "/{Bucket}?location" => GET_BUCKET_LOCATION;
    S3 GetPublicAccessBlock "s3:GetBucketPublicAccessBlock" GET "/{Bucket}?publicAccessBlock" => GET_BUCKET_PUBLIC_ACCESS;
    S3 GetBucketPolicy "s3:GetBucketPolicy" GET "/{Bucket}?policy" => GET_BUCKET_POLICY;
    S3 GetBucketAcl "s3:GetBucketAcl" GET "/{Bucket}?acl" => GET_BUCKET_ACL;
    S3 GetBucketOwnershipControls "s3:GetBucketOwnershipControls" GET "/{Bucket}?ownershipControls" => GET_BUCKET_OWNERSHIP;
    S3 GetBucketEncryption "s3:GetEncryptionConfiguration" GET "/{Bucket}?encryption" => GET_BUCKET_ENCRYPTION;
    S3 GetBucketVersioning "s3:GetBucketVersioning" GET "/{Bucket}?versioning" => GET_BUCKET_VERSIONING;
    S3 GetBucketLogging "s3:GetBucketLogging" GET "/{Bucket}?logging" => GET_BUCKET_LOGGING;
    S3CONTROL GetPublicAccessBlock "s3:GetAccountPublicAccessBlock" GET "/v20180820/configuration/publicAccessBlock" => GET_ACCOUNT_PUBLIC_ACCESS;
    SAGEMAKER ListNotebookInstances "sagemaker:ListNotebookInstances" POST "/" pages "NextToken" "NextToken" => LIST_NOTEBOOKS;
    SAGEMAKER DescribeNotebookInstance "sagemaker:DescribeNotebookInstance" POST "/" => DESCRIBE_NOTEBOOK;
    SECURITYHUB DescribeHub "securityhub:DescribeHub" GET "/accounts" => DESCRIBE_HUB;
    SERVICEQUOTAS ListServiceQuotas "servicequotas:ListServiceQuotas" POST "/" pages "NextToken" "NextToken" => LIST_SERVICE_QUOTAS;
    SSM DescribeInstanceInformation "ssm:DescribeInstanceInformation" POST "/" pages "NextToken" "NextToken" => DESCRIBE_INSTANCE_INFORMATION;
    SSO ListInstances "sso:ListInstances" POST "/" pages "NextToken" "NextToken" => LIST_SSO_INSTANCES;
    STS GetCallerIdentity "sts:GetCallerIdentity" POST "/" => GET_CALLER_IDENTITY;

    // Those of `deployed/`. No scan makes them, and the scan's role has none of them.
    CLOUDFORMATION DescribeStacks "cloudformation:DescribeStacks" POST "/" pages "NextToken" "DescribeStacksResult/NextToken" => DESCRIBE_STACKS;
    CLOUDFORMATION ListStackResources "cloudformation:ListStackResources" POST "/" pages "NextToken" "ListStackResourcesResult/NextToken" => LIST_STACK_RESOURCES;
    CLOUDTRAIL LookupEvents "cloudtrail:LookupEvents" POST "/" pages "NextToken" "NextToken" => LOOKUP_EVENTS;
    CLOUDTRAIL StartLogging "cloudtrail:StartLogging" POST "/" => START_LOGGING;
    DYNAMODB GetItem "dynamodb:GetItem" POST "/" => GET_ITEM;
    HEALTH DescribeEvents "health:DescribeEvents" POST "/" pages "nextToken" "nextToken" => DESCRIBE_EVENTS;
    LAMBDA GetFunctionConcurrency "lambda:GetFunctionConcurrency" GET "/2019-09-30/functions/{FunctionName}/concurrency" => GET_FUNCTION_CONCURRENCY;
    LAMBDA ListEventSourceMappings "lambda:ListEventSourceMappings" GET "/2015-03-31/event-source-mappings" pages "Marker" "NextMarker" => LIST_EVENT_SOURCE_MAPPINGS;
    SNS GetSubscriptionAttributes "sns:GetSubscriptionAttributes" POST "/" => GET_SUBSCRIPTION_ATTRIBUTES;
    SNS ListSubscriptionsByTopic "sns:ListSubscriptionsByTopic" POST "/" pages "NextToken" "ListSubscriptionsByTopicResult/NextToken" => LIST_SUBSCRIPTIONS;
    SQS GetQueueAttributes "sqs:GetQueueAttributes" POST "/" => GET_QUEUE_ATTRIBUTES;
    SUPPORT DescribeSeverityLevels "support:DescribeSeverityLevels" POST "/" => DESCRIBE_SEVERITY_LEVELS;
}

/// A call to be bent.
#[cfg(test)]
pub(crate) const DESCRIBE_VOLUMES_FOR_TESTS: Operation = Operation {
    service: &service::EC2,
    name: "DescribeVolumes",
    action: "ec2:DescribeVolumes",
    method: "POST",
    uri: "/",
    pages: None,
};

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::service::Protocol;

    /// Every name is as botocore's models have it: what is mistyped here would answer "no such operation" in production only.
    #[test]
    fn all_is_as_the_models_say() {
        let models: Value = serde_json::from_str(include_str!("models.json")).unwrap();
        for operation in ALL {
            let (service, name) = (operation.service, operation.name);
            let model = &models["services"][service.id];
            let protocol = match service.protocol {
                Protocol::Json(version, target) => {
                    assert_eq!(
                        (&model["json"], &model["target"]),
                        (&version.into(), &target.into()),
                        "{name}"
                    );
                    "json"
                }
                Protocol::Query => "query",
                Protocol::Ec2 => "ec2",
                Protocol::RestJson => "rest-json",
                Protocol::RestXml => "rest-xml",
            };
            let protocols = model["protocols"].as_array().unwrap();
            assert!(protocols.contains(&protocol.into()), "{}: {protocols:?}", service.id);
            assert_eq!(model["version"], service.version, "{}", service.id);
            assert_eq!(model["signs_as"], service.signs_as, "{}", service.id);
            let line = &model["operations"][name];
            assert_eq!(
                (&line["method"], &line["uri"]),
                (&operation.method.into(), &operation.uri.into()),
                "{name}"
            );
            let pages = operation.pages.map(|(input, output)| {
                let output = output.strip_prefix(&format!("{name}Result/")).unwrap_or(output);
                serde_json::json!({"input": input, "output": output})
            });
            assert_eq!(line.get("pages").cloned(), pages, "{name}");
        }
    }

    #[test]
    fn hosts_are_as_the_models_say() {
        let models: Value = serde_json::from_str(include_str!("models.json")).unwrap();
        let mut seen = 0;
        for operation in ALL {
            let service = operation.service;
            for (region, found) in models["services"][service.id]["endpoints"].as_object().unwrap() {
                let endpoint = service.endpoint(region);
                assert_eq!(found["url"], endpoint.url, "{} in {region}", service.id);
                assert_eq!(found["signing_region"], endpoint.signing_region, "{} in {region}", service.id);
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
