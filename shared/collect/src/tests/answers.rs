//! What AWS answers to each call, by hand, in the form of its API references. `@TOKEN@` stands where a page names the next one.

/// The answer to one call, and what the service says where the thing itself is gone.
pub(super) struct Canned {
    pub(super) call: &'static str,
    pub(super) body: &'static str,
    pub(super) gone: Option<(u16, &'static str, &'static str)>,
}

const fn says(call: &'static str, body: &'static str) -> Canned {
    Canned { call, body, gone: None }
}

const fn or_gone(call: &'static str, body: &'static str, status: u16, code: &'static str) -> Canned {
    or_says(call, body, status, code, "RecordNotFound: it is not there")
}

/// Where the words of the error count.
const fn or_says(
    call: &'static str,
    body: &'static str,
    status: u16,
    code: &'static str,
    words: &'static str,
) -> Canned {
    Canned { call, body, gone: Some((status, code, words)) }
}

/// All calls; those of services that share a name are led by the service.
pub(super) const ANSWERS: &[Canned] = &[
    says(
        "access-analyzer:ListAnalyzers",
        r#"{"analyzers": [{"arn": "arn:aws:access-analyzer:eu-west-1:111122223333:analyzer/a", "name": "a", "type": "ACCOUNT", "status": "ACTIVE", "createdAt": "2026-01-01T00:00:00Z"}]@TOKEN@}"#,
    ),
    or_gone(
        "account:GetAlternateContact",
        r#"{"AlternateContact": {"AlternateContactType": "SECURITY", "EmailAddress": "s@example.com", "Name": "S", "PhoneNumber": "1", "Title": "t"}}"#,
        404,
        "ResourceNotFoundException",
    ),
    says(
        "backup:ListBackupPlans",
        r#"{"BackupPlansList": [{"BackupPlanId": "p-1", "BackupPlanName": "daily"}]@TOKEN@}"#,
    ),
    or_gone(
        "backup:ListBackupSelections",
        r#"{"BackupSelectionsList": [{"SelectionId": "1", "SelectionName": "all"}]@TOKEN@}"#,
        400,
        "ResourceNotFoundException",
    ),
    says(
        "budgets:DescribeBudgets",
        r#"{"Budgets": [{"BudgetName": "m", "BudgetType": "COST", "TimeUnit": "MONTHLY"}]@TOKEN@}"#,
    ),
    says(
        "budgets:DescribeNotificationsForBudget",
        r#"{"Notifications": [{"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0, "ThresholdType": "PERCENTAGE"}]@TOKEN@}"#,
    ),
    says(
        "budgets:DescribeSubscribersForNotification",
        r#"{"Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@example.com"}]@TOKEN@}"#,
    ),
    says(
        "cloudfront:ListDistributions",
        "<DistributionList xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">@TOKEN@<IsTruncated>false</IsTruncated><Items><DistributionSummary><Id>E1</Id><ARN>arn:aws:cloudfront::111122223333:distribution/E1</ARN><Enabled>true</Enabled></DistributionSummary></Items></DistributionList>",
    ),
    or_gone(
        "cloudfront:GetDistributionConfig",
        "<DistributionConfig xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Logging><Enabled>false</Enabled></Logging><DefaultCacheBehavior><RealtimeLogConfigArn>arn:aws:cloudfront::111122223333:realtime-log-config/r</RealtimeLogConfigArn></DefaultCacheBehavior></DistributionConfig>",
        404,
        "NoSuchDistribution",
    ),
    says(
        "cloudtrail:DescribeTrails",
        r#"{"trailList": [{"Name": "main", "S3BucketName": "b", "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true, "HomeRegion": "eu-west-1", "TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/main", "LogFileValidationEnabled": true, "IsOrganizationTrail": false}]}"#,
    ),
    or_gone(
        "cloudtrail:GetTrailStatus",
        r#"{"IsLogging": true, "LatestDeliveryError": "NoSuchBucket", "StartLoggingTime": 1764500000.0}"#,
        400,
        "TrailNotFoundException",
    ),
    or_gone(
        "cloudtrail:GetEventSelectors",
        r#"{"AdvancedEventSelectors": [{"Name": "m", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]}]}"#,
        400,
        "TrailNotFoundException",
    ),
    or_gone(
        "cloudtrail:GetInsightSelectors",
        r#"{"InsightSelectors": [{"InsightType": "ApiCallRateInsight"}]}"#,
        400,
        "TrailNotFoundException",
    ),
    says(
        "cloudwatch:DescribeAlarms",
        "<DescribeAlarmsResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><DescribeAlarmsResult><MetricAlarms>\
         <member><AlarmArn>arn:aws:cloudwatch:us-east-1:111122223333:alarm:bill</AlarmArn><AlarmName>bill</AlarmName><ActionsEnabled>true</ActionsEnabled><AlarmActions><member>arn:aws:sns:us-east-1:111122223333:t</member></AlarmActions><StateValue>OK</StateValue><Namespace>AWS/Billing</Namespace><MetricName>EstimatedCharges</MetricName></member>\
         <member><AlarmArn>arn:aws:cloudwatch:us-east-1:111122223333:alarm:sum</AlarmArn><AlarmName>sum</AlarmName><ActionsEnabled>true</ActionsEnabled><StateValue>OK</StateValue><Metrics><member><Id>e</Id><Expression>a + b</Expression></member><member><Id>a</Id><MetricStat><Metric><Namespace>AWS/Billing</Namespace><MetricName>EstimatedCharges</MetricName></Metric></MetricStat></member></Metrics></member>\
         <member><AlarmArn>arn:aws:cloudwatch:us-east-1:111122223333:alarm:cpu</AlarmArn><AlarmName>cpu</AlarmName><ActionsEnabled>true</ActionsEnabled><StateValue>OK</StateValue><Namespace>AWS/EC2</Namespace><MetricName>CPUUtilization</MetricName></member>\
         </MetricAlarms>@TOKEN@</DescribeAlarmsResult></DescribeAlarmsResponse>",
    ),
    says(
        "cloudwatch:GetMetricData",
        "<GetMetricDataResponse xmlns=\"http://monitoring.amazonaws.com/doc/2010-08-01/\"><GetMetricDataResult>@TOKEN@<MetricDataResults><member><Id>q0</Id><StatusCode>Complete</StatusCode><Values><member>3.0</member><member>7.5</member></Values></member></MetricDataResults></GetMetricDataResult></GetMetricDataResponse>",
    ),
    says(
        "config:DescribeConfigurationRecorders",
        r#"{"ConfigurationRecorders": [{"name": "default", "roleARN": "r", "recordingGroup": {"allSupported": true, "includeGlobalResourceTypes": true}}, {"name": "AWSConfigurationRecorderForSecurityHubCSPM_x", "recordingScope": "INTERNAL", "servicePrincipal": "securityhub.amazonaws.com"}]}"#,
    ),
    says(
        "config:DescribeConfigurationRecorderStatus",
        r#"{"ConfigurationRecordersStatus": [{"name": "default", "recording": true, "lastStatus": "SUCCESS"}]}"#,
    ),
    says(
        "config:DescribeDeliveryChannels",
        r#"{"DeliveryChannels": [{"name": "default", "s3BucketName": "b"}]}"#,
    ),
    says(
        "dms:DescribeReplicationInstances",
        r#"{"ReplicationInstances": [{"ReplicationInstanceArn": "arn:aws:dms:eu-west-1:111122223333:rep:X", "ReplicationInstanceIdentifier": "m", "PubliclyAccessible": true, "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}]}]@TOKEN@}"#,
    ),
    says(
        "ec2:DescribeVolumes",
        "<DescribeVolumesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><volumeSet><item><volumeId>vol-1</volumeId><encrypted>false</encrypted><attachmentSet><item><instanceId>i-1</instanceId><status>attached</status></item></attachmentSet><tagSet><item><key>team</key><value>a &amp; b</value></item></tagSet></item></volumeSet>@TOKEN@</DescribeVolumesResponse>",
    ),
    says(
        "ec2:DescribeSnapshots",
        "<DescribeSnapshotsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>completed</status><startTime>2026-11-20T00:00:00.000Z</startTime><encrypted>false</encrypted></item></snapshotSet>@TOKEN@</DescribeSnapshotsResponse>",
    ),
    says(
        "ec2:GetEbsEncryptionByDefault",
        "<GetEbsEncryptionByDefaultResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><ebsEncryptionByDefault>true</ebsEncryptionByDefault></GetEbsEncryptionByDefaultResponse>",
    ),
    says(
        "ec2:GetSnapshotBlockPublicAccessState",
        "<GetSnapshotBlockPublicAccessStateResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><state>block-new-sharing</state></GetSnapshotBlockPublicAccessStateResponse>",
    ),
    says(
        "ec2:DescribeVpcs",
        "<DescribeVpcsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><vpcSet><item><vpcId>vpc-1</vpcId><ownerId>111122223333</ownerId><isDefault>true</isDefault></item></vpcSet>@TOKEN@</DescribeVpcsResponse>",
    ),
    says(
        "ec2:DescribeFlowLogs",
        "<DescribeFlowLogsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><flowLogSet><item><flowLogId>fl-1</flowLogId><resourceId>vpc-1</resourceId><flowLogStatus>ACTIVE</flowLogStatus><deliverLogsStatus>FAILED</deliverLogsStatus><trafficType>ALL</trafficType></item></flowLogSet>@TOKEN@</DescribeFlowLogsResponse>",
    ),
    says(
        "ec2:DescribeSecurityGroups",
        "<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><securityGroupInfo><item><groupId>sg-1</groupId><groupName>default</groupName><vpcId>vpc-1</vpcId><ownerId>111122223333</ownerId><ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges><prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds><groups><item><groupId>sg-2</groupId></item></groups></item></ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol></item></ipPermissionsEgress></item></securityGroupInfo>@TOKEN@</DescribeSecurityGroupsResponse>",
    ),
    says(
        "ec2:DescribeSecurityGroupRules",
        "<DescribeSecurityGroupRulesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId><groupId>sg-1</groupId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><cidrIpv6>::/0</cidrIpv6></item><item><securityGroupRuleId>sgr-2</securityGroupRuleId><groupId>sg-1</groupId><isEgress>true</isEgress><ipProtocol>-1</ipProtocol><prefixListId>pl-1</prefixListId></item></securityGroupRuleSet>@TOKEN@</DescribeSecurityGroupRulesResponse>",
    ),
    or_gone(
        "ec2:GetManagedPrefixListEntries",
        "<GetManagedPrefixListEntriesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r</requestId><entrySet><item><cidr>203.0.113.0/24</cidr><description>office</description></item></entrySet>@TOKEN@</GetManagedPrefixListEntriesResponse>",
        400,
        "InvalidPrefixListID.NotFound",
    ),
    says(
        "ec2:DescribeNetworkInterfaces",
        "<DescribeNetworkInterfacesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><vpcId>vpc-1</vpcId><subnetId>subnet-1</subnetId><groupSet><item><groupId>sg-1</groupId></item></groupSet></item></networkInterfaceSet>@TOKEN@</DescribeNetworkInterfacesResponse>",
    ),
    says(
        "ec2:DescribeInstances",
        "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><instanceState><code>16</code><name>running</name></instanceState><vpcId>vpc-1</vpcId><iamInstanceProfile><arn>arn:aws:iam::111122223333:instance-profile/p</arn></iamInstanceProfile></item></instancesSet></item></reservationSet>@TOKEN@</DescribeInstancesResponse>",
    ),
    says(
        "es:ListDomainNames",
        r#"{"DomainNames": [{"DomainName": "a", "EngineType": "OpenSearch"}, {"DomainName": "b"}, {"DomainName": "c"}, {"DomainName": "d"}, {"DomainName": "e"}, {"DomainName": "f"}]}"#,
    ),
    says(
        "es:DescribeDomains",
        r#"{"DomainStatusList": [{"ARN": "arn:aws:es:eu-west-1:111122223333:domain/a", "DomainName": "a", "Deleted": false, "EncryptionAtRestOptions": {"Enabled": false}}]}"#,
    ),
    says(
        "events:ListRules",
        r#"{"Rules": [{"Name": "health", "Arn": "arn:aws:events:us-east-1:111122223333:rule/health", "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.health\"]}"}]@TOKEN@}"#,
    ),
    says(
        "events:ListTargetsByRule",
        r#"{"Targets": [{"Id": "1", "Arn": "arn:aws:sns:us-east-1:111122223333:t", "RoleArn": "arn:aws:iam::111122223333:role/r", "InputTransformer": {"InputPathsMap": {"who": "$.detail.userIdentity.arn"}, "InputTemplate": "\"<who>\""}, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}, "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:111122223333:q"}}]@TOKEN@}"#,
    ),
    says("guardduty:ListDetectors", r#"{"detectorIds": ["12abc34d567e8fa901bc2d34e56789f0"]@TOKEN@}"#),
    says("guardduty:GetDetector", r#"{"status": "ENABLED", "serviceRole": "r"}"#),
    says(
        "kms:ListKeys",
        r#"{"Keys": [{"KeyId": "k-1", "KeyArn": "arn:aws:kms:eu-west-1:111122223333:key/k-1"}], "Truncated": false@TOKEN@}"#,
    ),
    says(
        "kms:ListAliases",
        r#"{"Aliases": [{"AliasName": "alias/aws/ebs", "TargetKeyId": "k-9"}, {"AliasName": "alias/own", "TargetKeyId": "k-1"}], "Truncated": false@TOKEN@}"#,
    ),
    or_gone(
        "kms:DescribeKey",
        r#"{"KeyMetadata": {"KeyId": "k-1", "Arn": "arn:aws:kms:eu-west-1:111122223333:key/k-1", "KeyState": "PendingDeletion", "DeletionDate": 1796000000.123, "KeyManager": "CUSTOMER"}}"#,
        400,
        "NotFoundException",
    ),
    says(
        "lambda:ListFunctions",
        r#"{"Functions": [{"FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f", "FunctionName": "f", "Runtime": "python3.13", "PackageType": "Zip", "VpcConfig": {"VpcId": "vpc-1"}, "Environment": {"Variables": {"K": "AKIAIOSFODNN7EXAMPLE", "SECRET": "wJalrXUtnFEMI"}}}]@TOKEN@}"#,
    ),
    says(
        "logs:DescribeDeliverySources",
        r#"{"deliverySources": [{"name": "d", "resourceArns": ["arn:aws:cloudfront::111122223333:distribution/E1"]}]@TOKEN@}"#,
    ),
    or_gone(
        "organizations:DescribeOrganization",
        r#"{"Organization": {"Id": "o-abcdefghij", "MasterAccountId": "111122223333", "FeatureSet": "ALL"}}"#,
        400,
        "AWSOrganizationsNotInUseException",
    ),
    or_gone(
        "organizations:ListAccounts",
        r#"{"Accounts": [{"Id": "111122223333", "Name": "main", "State": "ACTIVE"}]@TOKEN@}"#,
        400,
        "AWSOrganizationsNotInUseException",
    ),
    says(
        "rds:DescribeDBInstances",
        "<DescribeDBInstancesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBInstancesResult>@TOKEN@<DBInstances><DBInstance><DBInstanceArn>arn:aws:rds:eu-west-1:111122223333:db:d</DBInstanceArn><DBInstanceIdentifier>d</DBInstanceIdentifier><Engine>postgres</Engine><BackupRetentionPeriod>7</BackupRetentionPeriod></DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>",
    ),
    says(
        "rds:DescribeDBClusters",
        "<DescribeDBClustersResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBClustersResult>@TOKEN@<DBClusters><DBCluster><DBClusterArn>arn:aws:rds:eu-west-1:111122223333:cluster:c</DBClusterArn><DBClusterIdentifier>c</DBClusterIdentifier><BackupRetentionPeriod>1</BackupRetentionPeriod></DBCluster></DBClusters></DescribeDBClustersResult></DescribeDBClustersResponse>",
    ),
    says(
        "rds:DescribeDBSnapshots",
        "<DescribeDBSnapshotsResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBSnapshotsResult>@TOKEN@<DBSnapshots><DBSnapshot><DBSnapshotArn>arn:aws:rds:eu-west-1:111122223333:snapshot:s</DBSnapshotArn><DBSnapshotIdentifier>s</DBSnapshotIdentifier><Encrypted>false</Encrypted></DBSnapshot></DBSnapshots></DescribeDBSnapshotsResult></DescribeDBSnapshotsResponse>",
    ),
    or_gone(
        "rds:DescribeDBSnapshotAttributes",
        "<DescribeDBSnapshotAttributesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBSnapshotAttributesResult><DBSnapshotAttributesResult><DBSnapshotIdentifier>s</DBSnapshotIdentifier><DBSnapshotAttributes><DBSnapshotAttribute><AttributeName>restore</AttributeName><AttributeValues><AttributeValue>all</AttributeValue></AttributeValues></DBSnapshotAttribute></DBSnapshotAttributes></DBSnapshotAttributesResult></DescribeDBSnapshotAttributesResult></DescribeDBSnapshotAttributesResponse>",
        404,
        "DBSnapshotNotFound",
    ),
    says(
        "rds:DescribeDBClusterSnapshots",
        "<DescribeDBClusterSnapshotsResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBClusterSnapshotsResult>@TOKEN@<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotArn>arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:s</DBClusterSnapshotArn><DBClusterSnapshotIdentifier>s</DBClusterSnapshotIdentifier><StorageEncrypted>false</StorageEncrypted></DBClusterSnapshot></DBClusterSnapshots></DescribeDBClusterSnapshotsResult></DescribeDBClusterSnapshotsResponse>",
    ),
    or_gone(
        "rds:DescribeDBClusterSnapshotAttributes",
        "<DescribeDBClusterSnapshotAttributesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeDBClusterSnapshotAttributesResult><DBClusterSnapshotAttributesResult><DBClusterSnapshotAttributes><DBClusterSnapshotAttribute><AttributeName>restore</AttributeName><AttributeValues><AttributeValue>all</AttributeValue></AttributeValues></DBClusterSnapshotAttribute></DBClusterSnapshotAttributes></DBClusterSnapshotAttributesResult></DescribeDBClusterSnapshotAttributesResult></DescribeDBClusterSnapshotAttributesResponse>",
        404,
        "DBClusterSnapshotNotFoundFault",
    ),
    says(
        "s3:ListBuckets",
        "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Buckets><Bucket><Name>photos</Name><BucketRegion>eu-west-1</BucketRegion></Bucket><Bucket><Name>old</Name></Bucket></Buckets>@TOKEN@</ListAllMyBucketsResult>",
    ),
    says(
        "s3:GetBucketLocation",
        "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">EU</LocationConstraint>",
    ),
    or_gone(
        "s3:GetPublicAccessBlock",
        "<PublicAccessBlockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        404,
        "NoSuchBucket",
    ),
    or_gone("s3:GetBucketPolicy", r#"{"Version": "2012-10-17", "Statement": []}"#, 404, "NoSuchBucket"),
    or_gone(
        "s3:GetBucketAcl",
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>o</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>",
        404,
        "NoSuchBucket",
    ),
    or_gone(
        "s3:GetBucketOwnershipControls",
        "<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        404,
        "NoSuchBucket",
    ),
    or_gone(
        "s3:GetBucketEncryption",
        "<ServerSideEncryptionConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms:dsse</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:eu-west-1:444455556666:key/k</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        404,
        "NoSuchBucket",
    ),
    or_gone(
        "s3:GetBucketVersioning",
        "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Suspended</Status></VersioningConfiguration>",
        404,
        "NoSuchBucket",
    ),
    or_gone(
        "s3:GetBucketLogging",
        "<BucketLoggingStatus xmlns=\"http://doc.s3.amazonaws.com/2006-03-01\"><LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
        404,
        "NoSuchBucket",
    ),
    or_gone(
        "s3control:GetPublicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
        404,
        "NoSuchPublicAccessBlockConfiguration",
    ),
    says(
        "sagemaker:ListNotebookInstances",
        r#"{"NotebookInstances": [{"NotebookInstanceName": "n", "NotebookInstanceArn": "arn:aws:sagemaker:eu-west-1:111122223333:notebook-instance/n", "NotebookInstanceStatus": "InService"}]@TOKEN@}"#,
    ),
    or_gone(
        "sagemaker:DescribeNotebookInstance",
        r#"{"NotebookInstanceName": "n", "DirectInternetAccess": "Enabled", "RootAccess": "Enabled"}"#,
        400,
        "ValidationException",
    ),
    or_says(
        "securityhub:DescribeHub",
        r#"{"HubArn": "arn:aws:securityhub:eu-west-1:111122223333:hub/default"}"#,
        401,
        "InvalidAccessException",
        "Account 111122223333 is not subscribed to AWS Security Hub",
    ),
    says(
        "servicequotas:ListServiceQuotas",
        r#"{"Quotas": [{"QuotaCode": "L-1216C47A", "QuotaName": "Running On-Demand instances", "Value": 5.0, "UsageMetric": {"MetricNamespace": "AWS/Usage", "MetricName": "ResourceCount", "MetricDimensions": {"Class": "Standard/OnDemand", "Service": "EC2"}, "MetricStatisticRecommendation": "Maximum"}}]@TOKEN@}"#,
    ),
    says(
        "ssm:DescribeInstanceInformation",
        r#"{"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": "Online"}]@TOKEN@}"#,
    ),
    says(
        "sso:ListInstances",
        r#"{"Instances": [{"InstanceArn": "arn:aws:sso:::instance/ssoins-1"}]@TOKEN@}"#,
    ),
    says(
        "sts:GetCallerIdentity",
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/scan</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
    ),
    says(
        "ec2:DescribeRegions",
        "<DescribeRegionsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><regionInfo><item><regionName>eu-west-1</regionName><optInStatus>opt-in-not-required</optInStatus></item><item><regionName>ap-east-1</regionName><optInStatus>not-opted-in</optInStatus></item><item><regionName>af-south-1</regionName><optInStatus>opted-in</optInStatus></item></regionInfo></DescribeRegionsResponse>",
    ),
    // IAM, through its SDK crate.
    says(
        "iam:GetAccountSummary",
        "<GetAccountSummaryResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetAccountSummaryResult><SummaryMap><entry><key>AccountMFAEnabled</key><value>1</value></entry><entry><key>AccountPasswordPresent</key><value>1</value></entry><entry><key>AccountAccessKeysPresent</key><value>0</value></entry><entry><key>Users</key><value>3</value></entry></SummaryMap></GetAccountSummaryResult></GetAccountSummaryResponse>",
    ),
    says(
        "iam:GenerateCredentialReport",
        "<GenerateCredentialReportResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GenerateCredentialReportResult><State>COMPLETE</State></GenerateCredentialReportResult></GenerateCredentialReportResponse>",
    ),
    says(
        "iam:GetCredentialReport",
        "<GetCredentialReportResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetCredentialReportResult><Content>dXNlcixhcm4sdXNlcl9jcmVhdGlvbl90aW1lLHBhc3N3b3JkX2VuYWJsZWQscGFzc3dvcmRfbGFzdF91c2VkLHBhc3N3b3JkX2xhc3RfY2hhbmdlZCxtZmFfYWN0aXZlLGFjY2Vzc19rZXlfMV9hY3RpdmUsYWNjZXNzX2tleV8xX2xhc3Rfcm90YXRlZCxhY2Nlc3Nfa2V5XzFfbGFzdF91c2VkX2RhdGUsYWNjZXNzX2tleV8yX2FjdGl2ZSxhY2Nlc3Nfa2V5XzJfbGFzdF9yb3RhdGVkLGFjY2Vzc19rZXlfMl9sYXN0X3VzZWRfZGF0ZQphLGFybjphd3M6aWFtOjoxMTExMjIyMjMzMzM6dXNlci9hLDIwMjYtMDEtMDFUMDA6MDA6MDArMDA6MDAsZmFsc2UsTi9BLE4vQSxmYWxzZSxmYWxzZSxOL0EsTi9BLGZhbHNlLE4vQSxOL0EK</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>2026-11-22T08:00:00Z</GeneratedTime></GetCredentialReportResult></GetCredentialReportResponse>",
    ),
    says(
        "iam:GetAccountAuthorizationDetails",
        "<GetAccountAuthorizationDetailsResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetAccountAuthorizationDetailsResult>@TOKEN@<UserDetailList><member><Arn>arn:aws:iam::111122223333:user/a</Arn><UserName>a</UserName><UserId>AIDA</UserId><CreateDate>2026-01-01T00:00:00Z</CreateDate></member></UserDetailList><Policies><member><Arn>arn:aws:iam::111122223333:policy/p</Arn><AttachmentCount>1</AttachmentCount><PolicyVersionList><member><VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion><Document>old</Document></member><member><VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion><Document>%7B%7D</Document></member></PolicyVersionList></member></Policies></GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>",
    ),
    or_gone(
        "iam:GetAccountPasswordPolicy",
        "<GetAccountPasswordPolicyResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetAccountPasswordPolicyResult><PasswordPolicy><MinimumPasswordLength>14</MinimumPasswordLength><RequireSymbols>true</RequireSymbols><MaxPasswordAge>0</MaxPasswordAge></PasswordPolicy></GetAccountPasswordPolicyResult></GetAccountPasswordPolicyResponse>",
        404,
        "NoSuchEntity",
    ),
    says(
        "iam:ListVirtualMFADevices",
        "<ListVirtualMFADevicesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListVirtualMFADevicesResult>@TOKEN@<VirtualMFADevices><member><SerialNumber>arn:aws:iam::111122223333:mfa/a</SerialNumber><User><Path>/</Path><UserName>a</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::111122223333:user/a</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></User></member></VirtualMFADevices></ListVirtualMFADevicesResult></ListVirtualMFADevicesResponse>",
    ),
    or_gone(
        "iam:ListMFADevices",
        "<ListMFADevicesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListMFADevicesResult>@TOKEN@<MFADevices><member><UserName>a</UserName><SerialNumber>GAHT12345678</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate></member></MFADevices></ListMFADevicesResult></ListMFADevicesResponse>",
        404,
        "NoSuchEntity",
    ),
    or_gone(
        "iam:ListAccessKeys",
        "<ListAccessKeysResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListAccessKeysResult>@TOKEN@<AccessKeyMetadata><member><UserName>a</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><Status>Active</Status><CreateDate>2026-01-01T00:00:00Z</CreateDate></member></AccessKeyMetadata></ListAccessKeysResult></ListAccessKeysResponse>",
        404,
        "NoSuchEntity",
    ),
    says(
        "iam:ListSAMLProviders",
        "<ListSAMLProvidersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListSAMLProvidersResult><SAMLProviderList><member><Arn>arn:aws:iam::111122223333:saml-provider/s</Arn></member></SAMLProviderList></ListSAMLProvidersResult></ListSAMLProvidersResponse>",
    ),
    says(
        "iam:ListOpenIDConnectProviders",
        "<ListOpenIDConnectProvidersResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListOpenIDConnectProvidersResult><OpenIDConnectProviderList><member><Arn>arn:aws:iam::111122223333:oidc-provider/o</Arn></member></OpenIDConnectProviderList></ListOpenIDConnectProvidersResult></ListOpenIDConnectProvidersResponse>",
    ),
    or_gone(
        "iam:ListOrganizationsFeatures",
        "<ListOrganizationsFeaturesResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListOrganizationsFeaturesResult><OrganizationId>o-abcdefghij</OrganizationId><EnabledFeatures><member>RootCredentialsManagement</member></EnabledFeatures></ListOrganizationsFeaturesResult></ListOrganizationsFeaturesResponse>",
        400,
        "AccountNotManagementOrDelegatedAdministratorException",
    ),
    says(
        "cloudformation:DescribeStacks",
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult><Stacks><member><StackName>keepwatch</StackName><StackStatus>UPDATE_COMPLETE</StackStatus><Parameters><member><ParameterKey>AlertEmail</ParameterKey><ParameterValue>a@example.com</ParameterValue></member><member><ParameterKey>KeyArn</ParameterKey></member></Parameters><Outputs><member><OutputKey>Version</OutputKey><OutputValue>0.1.0</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>",
    ),
    says(
        "cloudformation:ListStackResources",
        "<ListStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><ListStackResourcesResult>@TOKEN@<StackResourceSummaries><member><LogicalResourceId>AlertTopic</LogicalResourceId><PhysicalResourceId>arn:aws:sns:eu-west-1:111122223333:keepwatch-AlertTopic-1A</PhysicalResourceId><ResourceType>AWS::SNS::Topic</ResourceType></member><member><LogicalResourceId>OpsMail</LogicalResourceId><ResourceType>AWS::SNS::Subscription</ResourceType></member></StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>",
    ),
    says(
        "cloudtrail:LookupEvents",
        r#"{"Events": [{"EventName": "StartLogging", "CloudTrailEvent": "{\"eventName\": \"StartLogging\"}"}]@TOKEN@}"#,
    ),
    or_gone("cloudtrail:StartLogging", "{}", 400, "TrailNotFoundException"),
    says(
        "dynamodb:GetItem",
        r#"{"Item": {"entry": {"S": "forwarders"}, "version": {"N": "3"}, "kept": {"M": {"eu-central-1": {"M": {"version": {"S": "0123456789abcdef"}, "at": {"S": "2026-11-22T11:45:00Z"}}}}}}}"#,
    ),
    says("health:DescribeEvents", r#"{"events": []@TOKEN@}"#),
    says("lambda:GetFunctionConcurrency", r#"{"ReservedConcurrentExecutions": 0}"#),
    says(
        "lambda:ListEventSourceMappings",
        r#"{"EventSourceMappings": [{"UUID": "m-1", "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:q", "State": "Disabled"}]@TOKEN@}"#,
    ),
    says(
        "sns:ListSubscriptionsByTopic",
        "<ListSubscriptionsByTopicResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><ListSubscriptionsByTopicResult>@TOKEN@<Subscriptions><member><SubscriptionArn>arn:aws:sns:eu-west-1:111122223333:t:1</SubscriptionArn><Protocol>email</Protocol><Endpoint>a@example.com</Endpoint></member><member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Protocol>email</Protocol><Endpoint>b@example.com</Endpoint></member></Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>",
    ),
    or_gone(
        "sns:GetSubscriptionAttributes",
        "<GetSubscriptionAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><GetSubscriptionAttributesResult><Attributes><entry><key>PendingConfirmation</key><value>false</value></entry><entry><key>ConfirmationWasAuthenticated</key><value>true</value></entry></Attributes></GetSubscriptionAttributesResult></GetSubscriptionAttributesResponse>",
        404,
        "NotFound",
    ),
    says(
        "sqs:GetQueueAttributes",
        r#"{"Attributes": {"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "0"}}"#,
    ),
    or_gone(
        "support:DescribeSeverityLevels",
        r#"{"severityLevels": [{"code": "low", "name": "Low"}]}"#,
        400,
        "SubscriptionRequiredException",
    ),
];
