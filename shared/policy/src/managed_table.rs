//! AWS-managed policies that give more than their names say, and those that people attach most.

use std::sync::LazyLock;

use super::level::Level;

/// A policy's name, its level, the most direct ways to gain power that it opens, and the services it gives whole.
pub(super) type Row = (&'static str, Level, &'static [&'static str], &'static [&'static str]);

use Level::{FullAdmin, Ordinary, PrivilegeEscalation, ServiceAdmin};

/// Policies by the last segment of their ARN, in the alphabet's order.
pub(super) const TABLE: &[Row] = &[
    ("AWSAppRunnerFullAccess", ServiceAdmin, &["apprunner-update-service"], &["apprunner"]),
    ("AWSBatchFullAccess", ServiceAdmin, &[], &["batch"]),
    ("AWSCloudFormationFullAccess", ServiceAdmin, &["cloudformation-update-stack"], &["cloudformation"]),
    ("AWSCloudTrail_FullAccess", ServiceAdmin, &[], &["cloudtrail"]),
    ("AWSCodeBuildAdminAccess", ServiceAdmin, &["codebuild-start-build"], &["codebuild"]),
    ("AWSCodeBuildDeveloperAccess", ServiceAdmin, &["codebuild-start-build"], &[]),
    ("AWSCodePipeline_FullAccess", PrivilegeEscalation, &["passrole-codepipeline"], &["codepipeline"]),
    ("AWSConfigUserAccess", Ordinary, &[], &[]),
    ("AWSDataPipeline_FullAccess", ServiceAdmin, &[], &["datapipeline"]),
    (
        "AWSElasticBeanstalkManagedUpdatesCustomerRolePolicy",
        PrivilegeEscalation,
        &[
            "passrole-ec2",
            "passrole-autoscaling",
            "passrole-cloudformation",
            "passrole-cloudformation-change-set",
        ],
        &["elasticbeanstalk"],
    ),
    ("AWSGlueConsoleFullAccess", ServiceAdmin, &["glue-update-dev-endpoint"], &["glue"]),
    ("AWSKeyManagementServicePowerUser", Ordinary, &[], &[]),
    ("AWSLambdaExecute", ServiceAdmin, &[], &["logs"]),
    (
        "AWSLambda_FullAccess",
        PrivilegeEscalation,
        &["passrole-lambda", "passrole-lambda-update", "lambda-update-code", "lambda-update-configuration"],
        &["lambda"],
    ),
    ("AWSMarketplaceFullAccess", PrivilegeEscalation, &["passrole-ec2"], &["aws-marketplace"]),
    ("AWSMcpServiceActionsFullAccess", FullAdmin, &[], &[]),
    ("AWSOrganizationsFullAccess", ServiceAdmin, &[], &["organizations"]),
    ("AWSRoboMakerServiceRolePolicy", PrivilegeEscalation, &["passrole-lambda-update"], &[]),
    ("AWSRolesAnywhereFullAccess", PrivilegeEscalation, &["passrole-roles-anywhere"], &[]),
    (
        "AWSSSODirectoryAdministrator",
        PrivilegeEscalation,
        &["sso-create-group-membership", "sso-add-member-to-group"],
        &["identitystore", "identitystore-auth", "sso-directory"],
    ),
    (
        "AWSSSOMasterAccountAdministrator",
        PrivilegeEscalation,
        &[
            "sso-attach-managed-policy",
            "sso-attach-customer-policy",
            "sso-put-inline-policy",
            "sso-create-account-assignment",
        ],
        &["identitystore", "identitystore-auth", "sso", "sso-directory"],
    ),
    (
        "AWSSSOMemberAccountAdministrator",
        PrivilegeEscalation,
        &[
            "sso-attach-managed-policy",
            "sso-attach-customer-policy",
            "sso-put-inline-policy",
            "sso-create-account-assignment",
        ],
        &["identitystore", "identitystore-auth", "sso", "sso-directory"],
    ),
    ("AWSSecurityHubFullAccess", ServiceAdmin, &[], &["securityhub"]),
    ("AdministratorAccess", FullAdmin, &[], &[]),
    (
        "AdministratorAccess-AWSElasticBeanstalk",
        PrivilegeEscalation,
        &["passrole-ec2", "passrole-autoscaling", "passrole-cloudformation", "passrole-elasticbeanstalk"],
        &["elasticbeanstalk"],
    ),
    (
        "AdministratorAccess-Amplify",
        PrivilegeEscalation,
        &["create-policy-version", "attach-role-policy", "put-role-policy", "update-assume-role-policy"],
        &["amplify", "amplifybackend", "amplifyuibuilder", "geo", "lambda", "mobiletargeting"],
    ),
    ("AmazonDynamoDBFullAccess", ServiceAdmin, &[], &["dax", "dynamodb"]),
    (
        "AmazonDynamoDBFullAccesswithDataPipeline",
        PrivilegeEscalation,
        &["passrole-lambda", "passrole-lambda-update", "passrole-ec2", "passrole-datapipeline"],
        &["datapipeline", "dynamodb", "elasticmapreduce", "lambda"],
    ),
    (
        "AmazonEC2FullAccess",
        ServiceAdmin,
        &["ec2-modify-user-data", "ec2-launch-template"],
        &["autoscaling", "cloudwatch", "ec2", "elasticloadbalancing"],
    ),
    (
        "AmazonECS_FullAccess",
        PrivilegeEscalation,
        &["passrole-ecs", "passrole-ecs-override", "cloudformation-update-stack", "ecs-execute-command"],
        &["ecs"],
    ),
    ("AmazonEKSClusterPolicy", Ordinary, &[], &[]),
    ("AmazonEKSComputePolicy", PrivilegeEscalation, &["passrole-ec2", "passrole-ec2-spot"], &[]),
    ("AmazonEKSWorkerNodePolicy", Ordinary, &[], &[]),
    ("AmazonESCognitoAccess", PrivilegeEscalation, &["passrole-cognito"], &[]),
    (
        "AmazonElasticMapReduceFullAccess",
        PrivilegeEscalation,
        &["passrole-ec2", "passrole-ec2-spot", "passrole-cloudformation", "passrole-emr"],
        &["cloudwatch", "elasticmapreduce", "s3", "sdb"],
    ),
    (
        "AmazonEventBridgeFullAccess",
        PrivilegeEscalation,
        &["passrole-scheduler"],
        &["events", "pipes", "scheduler", "schemas"],
    ),
    ("AmazonEventBridgeSchedulerFullAccess", PrivilegeEscalation, &["passrole-scheduler"], &["scheduler"]),
    ("AmazonOpenSearchServiceCognitoAccess", PrivilegeEscalation, &["passrole-cognito"], &[]),
    ("AmazonRDSFullAccess", ServiceAdmin, &[], &["rds"]),
    (
        "AmazonRedshiftAllCommandsFullAccess",
        PrivilegeEscalation,
        &["passrole-sagemaker-training", "passrole-sagemaker-processing"],
        &[],
    ),
    ("AmazonS3FullAccess", ServiceAdmin, &[], &["s3", "s3-object-lambda"]),
    ("AmazonSSMFullAccess", ServiceAdmin, &["ssm-send-command", "ssm-start-session"], &["logs", "ssm"]),
    ("AmazonSSMManagedInstanceCore", Ordinary, &[], &[]),
    ("AmazonSageMakerCanvasDataPrepFullAccess", PrivilegeEscalation, &["passrole-sagemaker-processing"], &[]),
    (
        "AmazonSageMakerCanvasFullAccess",
        PrivilegeEscalation,
        &["passrole-sagemaker-training", "passrole-sagemaker-processing"],
        &[],
    ),
    (
        "AmazonSageMakerFullAccess",
        PrivilegeEscalation,
        &[
            "passrole-sagemaker-notebook",
            "passrole-sagemaker-training",
            "passrole-sagemaker-processing",
            "passrole-sagemaker-domain",
        ],
        &["groundtruthlabeling", "sagemaker", "sagemaker-geospatial"],
    ),
    ("AmazonSageMakerPipelinesIntegrations", PrivilegeEscalation, &["passrole-lambda", "passrole-emr"], &[]),
    ("Billing", Ordinary, &[], &[]),
    ("CloudWatchAgentServerPolicy", Ordinary, &[], &[]),
    (
        "CloudWatchEventsFullAccess",
        PrivilegeEscalation,
        &["passrole-scheduler"],
        &["events", "pipes", "scheduler", "schemas"],
    ),
    ("CloudWatchFullAccess", ServiceAdmin, &[], &["cloudwatch", "logs", "sns"]),
    (
        "DataScientist",
        PrivilegeEscalation,
        &[
            "passrole-sagemaker-notebook",
            "passrole-sagemaker-training",
            "passrole-sagemaker-processing",
            "passrole-sagemaker-domain",
        ],
        &["autoscaling", "cloudwatch", "dynamodb", "elasticfilesystem", "elasticmapreduce", "es"],
    ),
    ("DatabaseAdministrator", ServiceAdmin, &[], &["dynamodb", "elasticache", "rds", "redshift"]),
    ("EC2FastLaunchFullAccess", PrivilegeEscalation, &["passrole-ec2", "ec2-launch-template"], &[]),
    (
        "IAMFullAccess",
        PrivilegeEscalation,
        &["create-policy-version", "set-default-policy-version", "attach-user-policy", "attach-role-policy"],
        &[],
    ),
    ("IAMSelfManageServiceSpecificCredentials", Ordinary, &[], &[]),
    ("IAMUserChangePassword", Ordinary, &[], &[]),
    ("IAMUserSSHKeys", Ordinary, &[], &[]),
    (
        "NetworkAdministrator",
        ServiceAdmin,
        &[],
        &["directconnect", "elasticloadbalancing", "networkmanager", "route53", "route53domains"],
    ),
    (
        "PowerUserAccess",
        PrivilegeEscalation,
        &["assume-any-role", "assume-root", "sso-attach-managed-policy", "sso-attach-customer-policy"],
        &["*"],
    ),
    ("ReadOnlyAccess", Ordinary, &[], &[]),
    ("SecretsManagerReadWrite", ServiceAdmin, &["cloudformation-update-stack"], &["secretsmanager"]),
    ("SecurityAudit", Ordinary, &[], &[]),
    ("SupportUser", Ordinary, &[], &[]),
    (
        "SystemAdministrator",
        ServiceAdmin,
        &["ec2-modify-user-data", "ec2-launch-template", "lambda-update-code", "lambda-update-configuration"],
        &["autoscaling", "cloudwatch", "codedeploy", "codepipeline", "config", "ds"],
    ),
    ("ViewOnlyAccess", Ordinary, &[], &[]),
];

/// The policies of the table that stand under `job-function/`, as far as they matter for [`POWERFUL`].
const JOB_FUNCTIONS: [&str; 2] = ["DataScientist", "SystemAdministrator"];

/// The ARNs of the AWS-managed policies whose attachment makes their holder powerful, in AWS's main partition.
pub(super) static POWERFUL: LazyLock<Vec<String>> = LazyLock::new(|| {
    let strong = |row: &&Row| row.1 >= PrivilegeEscalation || row.0 == "SystemAdministrator";
    TABLE
        .iter()
        .filter(strong)
        .map(|(name, ..)| {
            let path = if JOB_FUNCTIONS.contains(name) { "job-function/" } else { "" };
            format!("arn:aws:iam::aws:policy/{path}{name}")
        })
        .collect()
});
