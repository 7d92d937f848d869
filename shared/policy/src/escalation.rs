//! The ways in which permissions that are not "administrator" make their holder one.
//!
//! Facts from the public research of Rhino Security Labs (2018), Bishop Fox's IAM Vulnerable, DataDog's pathfinding.cloud
//! (read in November 2026) and the lists of Prowler and PMapper, each held against AWS's service authorization reference; what
//! takes a role by `iam:PassRole` follows from the services' own guides. The wording is our own.

use super::path::{Path, Target, others, own, pass, same, weak};

const EC2: &[&str] = &["ec2.amazonaws.com"];
const LAMBDA: &[&str] = &["lambda.amazonaws.com"];
const STACKS: &[&str] = &["cloudformation.amazonaws.com"];
const GLUE: &[&str] = &["glue.amazonaws.com"];
const SAGEMAKER: &[&str] = &["sagemaker.amazonaws.com"];
const TASKS: &[&str] = &["ecs-tasks.amazonaws.com"];
const AGENTS: &[&str] = &["bedrock-agentcore.amazonaws.com"];
const WRITE_ROLE: &[&str] = &["iam:AttachRolePolicy", "iam:PutRolePolicy"];
const WRITE_USER: &[&str] = &["iam:AttachUserPolicy", "iam:PutUserPolicy"];
const JOIN: &[&str] = &["iam:AddUserToGroup"];
const PROJECTS: &[&str] = &["codebuild.amazonaws.com"];
const SYSTEMS_MANAGER: &[&str] = &["ssm.amazonaws.com"];
const STATES: &[&str] = &["states.amazonaws.com"];
const INVOKE: &[&str] = &[
    "lambda:InvokeFunction",
    "lambda:InvokeAsync",
    // At an edge location, for whoever asks for a page.
    "cloudfront:CreateDistribution",
    "cloudfront:UpdateDistribution",
    "lambda:CreateEventSourceMapping",
    "lambda:AddPermission",
    "lambda:CreateFunctionUrlConfig",
];
const BUILD: &[&str] = &["codebuild:StartBuild", "codebuild:StartBuildBatch", "codebuild:CreateWebhook"];
const JOB: &[&str] = &["glue:StartJobRun", "glue:CreateTrigger"];

/// Every known way, the most direct first.
pub const PATHS: &[Path] = &[
    // To change what IAM says.
    own("create-policy-version", &["iam:CreatePolicyVersion"], "rewrite managed policies"),
    own(
        "set-default-policy-version",
        &["iam:SetDefaultPolicyVersion"],
        "bring back any older version of a policy",
    ),
    own("attach-user-policy", &["iam:AttachUserPolicy"], "attach AdministratorAccess to a user"),
    own("attach-role-policy", &["iam:AttachRolePolicy"], "attach AdministratorAccess to a role"),
    own("attach-group-policy", &["iam:AttachGroupPolicy"], "attach AdministratorAccess to a group"),
    own("put-user-policy", &["iam:PutUserPolicy"], "write any policy into a user"),
    own("put-role-policy", &["iam:PutRolePolicy"], "write any policy into a role"),
    own("put-group-policy", &["iam:PutGroupPolicy"], "write any policy into a group"),
    own("add-user-to-group", &["iam:AddUserToGroup"], "join any group"),
    others("update-assume-role-policy", &["iam:UpdateAssumeRolePolicy"], "make any role trust it"),
    // To become somebody else.
    others("create-access-key", &["iam:CreateAccessKey"], "make an access key for any user"),
    others("create-login-profile", &["iam:CreateLoginProfile"], "set a password for any user without one"),
    others("update-login-profile", &["iam:UpdateLoginProfile"], "change any user's password"),
    others(
        "update-saml-provider",
        &["iam:UpdateSAMLProvider"],
        "sign in as any role that trusts the SAML provider",
    ),
    others("assume-any-role", &["sts:AssumeRole"], "assume every role that trusts the account"),
    others("assume-root", &["sts:AssumeRoot"], "act as root of the organization's accounts"),
    // To do both to one and the same role or user. Whoever makes a role writes its trust policy as well.
    same("create-role", &["iam:CreateRole"], WRITE_ROLE, "make an administrator role and assume it"),
    same(
        "take-over-role",
        &["iam:UpdateAssumeRolePolicy"],
        WRITE_ROLE,
        "make that role administrator and assume it",
    ),
    same(
        "rewrite-and-assume-role",
        &["sts:AssumeRole"],
        WRITE_ROLE,
        "make that role administrator and assume it",
    ),
    same(
        "take-over-user",
        &["iam:CreateAccessKey"],
        WRITE_USER,
        "make that user administrator and use its key",
    ),
    same(
        "take-over-user-by-password",
        &["iam:CreateLoginProfile"],
        WRITE_USER,
        "make that user administrator and sign in as it",
    ),
    same(
        "take-over-user-by-new-password",
        &["iam:UpdateLoginProfile"],
        WRITE_USER,
        "make that user administrator and sign in as it",
    ),
    same(
        "create-group-member",
        &["iam:CreateUser", "iam:CreateAccessKey"],
        JOIN,
        "make a member of that group and use its key",
    ),
    same(
        "create-group-member-with-password",
        &["iam:CreateUser", "iam:CreateLoginProfile"],
        JOIN,
        "make a member of that group and sign in as it",
    ),
    Path {
        target: Target::SamePassed,
        ..same(
            "rewrite-and-pass-role",
            &["iam:PassRole"],
            WRITE_ROLE,
            "run code as a role that it makes administrator",
        )
    },
    // To take off one's own limits.
    own(
        "delete-user-permissions-boundary",
        &["iam:DeleteUserPermissionsBoundary"],
        "take off a user's boundary",
    ),
    own(
        "delete-role-permissions-boundary",
        &["iam:DeleteRolePermissionsBoundary"],
        "take off a role's boundary",
    ),
    own("put-user-permissions-boundary", &["iam:PutUserPermissionsBoundary"], "replace a user's boundary"),
    own("put-role-permissions-boundary", &["iam:PutRolePermissionsBoundary"], "replace a role's boundary"),
    // Identity Center.
    others(
        "sso-attach-managed-policy",
        &["sso:AttachManagedPolicyToPermissionSet"],
        "attach AdministratorAccess to a permission set",
    ),
    others(
        "sso-attach-customer-policy",
        &["sso:AttachCustomerManagedPolicyReferenceToPermissionSet"],
        "attach any customer policy to a permission set",
    ),
    others(
        "sso-put-inline-policy",
        &["sso:PutInlinePolicyToPermissionSet"],
        "write any policy into a permission set",
    ),
    others(
        "sso-create-account-assignment",
        &["sso:CreateAccountAssignment"],
        "assign any permission set to anybody",
    ),
    others(
        "sso-create-group-membership",
        &["identitystore:CreateGroupMembership"],
        "join any group of Identity Center",
    ),
    others(
        "sso-add-member-to-group",
        &["sso-directory:AddMemberToGroup"],
        "join any group of Identity Center",
    ),
    others(
        "sso-reset-password",
        &["sso-directory:UpdatePassword"],
        "set the password of anybody in Identity Center",
    ),
    others(
        "sso-lift-boundary",
        &["sso:DeletePermissionsBoundaryFromPermissionSet"],
        "take the boundary off a permission set",
    ),
    others(
        "sso-replace-boundary",
        &["sso:PutPermissionsBoundaryToPermissionSet"],
        "replace the boundary of a permission set",
    ),
    // To hand a stronger role to a service, and use it there.
    pass("passrole-lambda", LAMBDA, &["lambda:CreateFunction"], INVOKE),
    pass(
        "passrole-lambda-update",
        LAMBDA,
        &["lambda:UpdateFunctionConfiguration"],
        &["lambda:UpdateFunctionCode", "lambda:InvokeFunction"],
    ),
    pass("passrole-ec2", EC2, &["ec2:RunInstances"], &[]),
    pass(
        "passrole-ec2-spot",
        EC2,
        &[],
        &["ec2:RequestSpotInstances", "ec2:RequestSpotFleet", "ec2:CreateFleet"],
    ),
    pass(
        "passrole-ec2-associate",
        EC2,
        &[],
        &["ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"],
    ),
    pass(
        "passrole-autoscaling-update",
        EC2,
        &["autoscaling:UpdateAutoScalingGroup"],
        &[
            "autoscaling:CreateLaunchConfiguration",
            "ec2:CreateLaunchTemplate",
            "ec2:CreateLaunchTemplateVersion",
        ],
    ),
    // The instance that has the profile gets the role's credentials.
    pass("passrole-instance-profile", EC2, &["iam:AddRoleToInstanceProfile"], &[]),
    pass(
        "passrole-autoscaling",
        EC2,
        &["autoscaling:CreateAutoScalingGroup"],
        &[
            "autoscaling:CreateLaunchConfiguration",
            "ec2:CreateLaunchTemplate",
            "ec2:CreateLaunchTemplateVersion",
        ],
    ),
    pass(
        "passrole-cloudformation",
        STACKS,
        &[],
        &["cloudformation:CreateStack", "cloudformation:UpdateStack"],
    ),
    pass(
        "passrole-cloudformation-change-set",
        STACKS,
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        &[],
    ),
    pass(
        "passrole-cloudformation-stack-set",
        STACKS,
        &[],
        &["cloudformation:CreateStackSet", "cloudformation:UpdateStackSet"],
    ),
    pass("passrole-glue-dev-endpoint", GLUE, &["glue:CreateDevEndpoint"], &[]),
    pass("passrole-glue-create-job", GLUE, &["glue:CreateJob"], JOB),
    pass("passrole-glue-update-job", GLUE, &["glue:UpdateJob"], JOB),
    pass("passrole-glue-session", GLUE, &["glue:CreateSession", "glue:RunStatement"], &[]),
    pass(
        "passrole-datapipeline",
        &["datapipeline.amazonaws.com", "ec2.amazonaws.com"],
        &["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"],
        &[],
    ),
    pass("passrole-sagemaker-notebook", SAGEMAKER, &["sagemaker:CreateNotebookInstance"], &[]),
    pass("passrole-sagemaker-training", SAGEMAKER, &["sagemaker:CreateTrainingJob"], &[]),
    pass("passrole-sagemaker-processing", SAGEMAKER, &["sagemaker:CreateProcessingJob"], &[]),
    pass(
        "passrole-sagemaker-domain",
        SAGEMAKER,
        &["sagemaker:CreatePresignedDomainUrl"],
        &["sagemaker:CreateDomain", "sagemaker:CreateUserProfile", "sagemaker:UpdateUserProfile"],
    ),
    pass("passrole-sagemaker-tuning", SAGEMAKER, &["sagemaker:CreateHyperParameterTuningJob"], &[]),
    // Own code runs where a model answers, or where a job has it answer.
    pass(
        "passrole-sagemaker-model",
        SAGEMAKER,
        &["sagemaker:CreateModel"],
        &["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:CreateTransformJob"],
    ),
    pass(
        "passrole-sagemaker-pipeline",
        SAGEMAKER,
        &["sagemaker:StartPipelineExecution"],
        &["sagemaker:CreatePipeline", "sagemaker:UpdatePipeline"],
    ),
    pass("passrole-sagemaker-cluster", SAGEMAKER, &["sagemaker:CreateCluster"], &[]),
    pass("passrole-codebuild", PROJECTS, &["codebuild:CreateProject"], BUILD),
    pass("passrole-codebuild-update", PROJECTS, &["codebuild:UpdateProject"], BUILD),
    pass(
        "passrole-amplify",
        &["amplify.amazonaws.com"],
        &["amplify:StartJob"],
        &["amplify:CreateApp", "amplify:UpdateApp"],
    ),
    pass("passrole-braket", &["braket.amazonaws.com"], &["braket:CreateJob"], &[]),
    pass("passrole-omics", &["omics.amazonaws.com"], &["omics:CreateWorkflow", "omics:StartRun"], &[]),
    pass(
        "passrole-imagebuilder",
        EC2,
        &["imagebuilder:CreateComponent"],
        &["imagebuilder:CreateInfrastructureConfiguration", "imagebuilder:UpdateInfrastructureConfiguration"],
    ),
    pass(
        "passrole-mwaa",
        &["airflow.amazonaws.com", "airflow-env.amazonaws.com"],
        &[],
        &["airflow:CreateEnvironment", "airflow:UpdateEnvironment"],
    ),
    pass(
        "passrole-iot-role-alias",
        &["credentials.iot.amazonaws.com"],
        &[],
        &["iot:CreateRoleAlias", "iot:UpdateRoleAlias"],
    ),
    pass(
        "passrole-eks-pod-identity",
        &["pods.eks.amazonaws.com"],
        &[],
        &["eks:CreatePodIdentityAssociation", "eks:UpdatePodIdentityAssociation"],
    ),
    pass(
        "passrole-appsync",
        &["appsync.amazonaws.com"],
        &["appsync:CreateResolver"],
        &["appsync:CreateDataSource", "appsync:UpdateDataSource"],
    ),
    pass(
        "passrole-cloudcontrol",
        &["cloudformation.amazonaws.com", "cloudcontrolapi.amazonaws.com"],
        &[],
        &["cloudformation:CreateResource", "cloudformation:UpdateResource"],
    ),
    pass(
        "passrole-servicecatalog",
        &["servicecatalog.amazonaws.com"],
        &["servicecatalog:ProvisionProduct"],
        &["servicecatalog:CreateConstraint", "servicecatalog:UpdateConstraint"],
    ),
    pass(
        "passrole-athena-spark",
        &["athena.amazonaws.com"],
        &["athena:StartSession"],
        &["athena:CreateWorkGroup", "athena:UpdateWorkGroup"],
    ),
    pass(
        "passrole-ecs",
        TASKS,
        &["ecs:RegisterTaskDefinition"],
        &["ecs:RunTask", "ecs:StartTask", "ecs:CreateService", "ecs:UpdateService", "ecs:CreateTaskSet"],
    ),
    // A task's role can be replaced when it is started.
    pass("passrole-ecs-override", TASKS, &[], &["ecs:RunTask", "ecs:StartTask"]),
    pass("passrole-batch", TASKS, &["batch:RegisterJobDefinition", "batch:SubmitJob"], &[]),
    pass(
        "passrole-states",
        STATES,
        &[],
        &["states:CreateStateMachine", "states:UpdateStateMachine", "states:TestState"],
    ),
    pass(
        "passrole-scheduler",
        &["scheduler.amazonaws.com"],
        &[],
        &["scheduler:CreateSchedule", "scheduler:UpdateSchedule"],
    ),
    pass(
        "passrole-ssm-automation",
        SYSTEMS_MANAGER,
        &[],
        &[
            "ssm:StartAutomationExecution",
            "ssm:CreateAssociation",
            "ssm:UpdateAssociation",
            "ssm:RegisterTaskWithMaintenanceWindow",
            "ssm:UpdateMaintenanceWindowTask",
            "config:PutRemediationConfigurations",
        ],
    ),
    // A machine of one's own gets the role's credentials.
    pass("passrole-ssm-activation", SYSTEMS_MANAGER, &["ssm:CreateActivation"], &[]),
    pass(
        "passrole-apprunner",
        &["tasks.apprunner.amazonaws.com"],
        &[],
        &["apprunner:CreateService", "apprunner:UpdateService"],
    ),
    pass(
        "passrole-bedrock-code-interpreter",
        AGENTS,
        &["bedrock-agentcore:CreateCodeInterpreter"],
        &["bedrock-agentcore:InvokeCodeInterpreter"],
    ),
    pass(
        "passrole-bedrock-agent-runtime",
        AGENTS,
        &[],
        &["bedrock-agentcore:CreateAgentRuntime", "bedrock-agentcore:UpdateAgentRuntime"],
    ),
    pass(
        "passrole-bedrock-harness",
        AGENTS,
        &[],
        &["bedrock-agentcore:CreateHarness", "bedrock-agentcore:UpdateHarness"],
    ),
    pass(
        "passrole-bedrock-browser",
        AGENTS,
        &["bedrock-agentcore:CreateBrowser", "bedrock-agentcore:StartBrowserSession"],
        &[
            "bedrock-agentcore:ConnectBrowserAutomationStream",
            "bedrock-agentcore:ConnectBrowserLiveViewStream",
        ],
    ),
    pass(
        "passrole-emr",
        &["elasticmapreduce.amazonaws.com", "ec2.amazonaws.com"],
        &["elasticmapreduce:RunJobFlow"],
        &[],
    ),
    pass("passrole-emr-serverless", &["emr-serverless.amazonaws.com"], &["emr-serverless:StartJobRun"], &[]),
    pass(
        "passrole-elasticbeanstalk",
        EC2,
        &[],
        &["elasticbeanstalk:CreateEnvironment", "elasticbeanstalk:UpdateEnvironment"],
    ),
    pass(
        "passrole-codepipeline",
        &["codepipeline.amazonaws.com"],
        &[],
        &["codepipeline:CreatePipeline", "codepipeline:UpdatePipeline"],
    ),
    pass("passrole-codestar", &["codestar.amazonaws.com"], &["codestar:CreateProject"], &[]),
    pass(
        "passrole-gamelift",
        &["gamelift.amazonaws.com"],
        &["gamelift:CreateBuild", "gamelift:CreateFleet"],
        &[],
    ),
    pass(
        "passrole-cognito",
        &["cognito-identity.amazonaws.com"],
        &["cognito-identity:SetIdentityPoolRoles"],
        &[],
    ),
    pass(
        "passrole-roles-anywhere",
        &["rolesanywhere.amazonaws.com"],
        &["rolesanywhere:CreateTrustAnchor", "rolesanywhere:CreateProfile"],
        &[],
    ),
    pass(
        "passrole-kinesis-analytics",
        &["kinesisanalytics.amazonaws.com"],
        &["kinesisanalytics:CreateApplication", "kinesisanalytics:StartApplication"],
        &[],
    ),
    pass(
        "passrole-fis",
        &["fis.amazonaws.com"],
        &["fis:CreateExperimentTemplate", "fis:StartExperiment"],
        &[],
    ),
    // To use what somebody else has set up with a stronger role.
    weak("ssm-send-command", &["ssm:SendCommand"], &[], "run commands on any managed instance as its role"),
    weak("ssm-start-session", &["ssm:StartSession"], &[], "open a shell on any managed instance as its role"),
    weak(
        "ec2-instance-connect",
        &["ec2-instance-connect:SendSSHPublicKey"],
        &[],
        "open a shell on any reachable instance as its role",
    ),
    weak(
        "ec2-modify-user-data",
        &["ec2:ModifyInstanceAttribute", "ec2:StopInstances", "ec2:StartInstances"],
        &[],
        "run code on any instance as its role",
    ),
    weak(
        "ec2-launch-template",
        &["ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate"],
        &[],
        "change what new instances run as their role",
    ),
    weak(
        "lambda-update-code",
        &["lambda:UpdateFunctionCode"],
        &[],
        "replace any function's code and act as its role",
    ),
    weak(
        "lambda-update-configuration",
        &["lambda:UpdateFunctionConfiguration"],
        &[],
        "add a layer to any function and act as its role",
    ),
    weak(
        "cloudformation-update-stack",
        &[],
        &["cloudformation:UpdateStack", "cloudformation:ExecuteChangeSet"],
        "change any stack with the stack's own role",
    ),
    weak("glue-update-dev-endpoint", &["glue:UpdateDevEndpoint"], &[], "enter any Glue endpoint as its role"),
    weak(
        "apprunner-update-service",
        &["apprunner:UpdateService"],
        &[],
        "change what any App Runner service runs",
    ),
    weak(
        "codebuild-start-build",
        &[],
        &["codebuild:StartBuild", "codebuild:StartBuildBatch"],
        "run its own build commands as any project's role",
    ),
    weak("ecs-execute-command", &["ecs:ExecuteCommand"], &[], "open a shell in any task as its role"),
    weak(
        "sagemaker-presigned-url",
        &["sagemaker:CreatePresignedNotebookInstanceUrl"],
        &[],
        "enter any notebook as its role",
    ),
    weak(
        "bedrock-invoke-code-interpreter",
        &["bedrock-agentcore:StartCodeInterpreterSession", "bedrock-agentcore:InvokeCodeInterpreter"],
        &[],
        "run code in any code interpreter as its role",
    ),
    weak(
        "ssm-association",
        &[],
        &["ssm:CreateAssociation", "ssm:UpdateAssociation"],
        "run commands on any managed instance as its role",
    ),
    weak("batch-submit-job", &["batch:SubmitJob"], &[], "run its own commands as any job's role"),
    weak(
        "codebuild-sandbox",
        &["codebuild:StartSandbox"],
        &["codebuild:StartSandboxConnection", "codebuild:StartCommandExecution"],
        "open a shell as any project's role",
    ),
    weak(
        "codedeploy-create-deployment",
        &["codedeploy:CreateDeployment"],
        &[],
        "deploy its own revision to any instance, function or service",
    ),
    weak(
        "states-update-state-machine",
        &["states:UpdateStateMachine"],
        &[],
        "have any state machine do what it likes as its role",
    ),
    weak(
        "emr-add-steps",
        &["elasticmapreduce:AddJobFlowSteps"],
        &[],
        "run code on any EMR cluster as its role",
    ),
    weak("glue-update-code", &["glue:RunStatement"], &[], "run code in any Glue session as its role"),
    weak(
        "sagemaker-lifecycle-config",
        &["sagemaker:UpdateNotebookInstance", "sagemaker:StartNotebookInstance"],
        &[
            "sagemaker:CreateNotebookInstanceLifecycleConfig",
            "sagemaker:UpdateNotebookInstanceLifecycleConfig",
        ],
        "run code on any notebook as its role",
    ),
    weak(
        "bedrock-invoke-agent-command",
        &["bedrock-agentcore:InvokeAgentRuntimeCommand"],
        &[],
        "run commands in any agent runtime as its role",
    ),
    weak(
        "bedrock-browser-session",
        &["bedrock-agentcore:StartBrowserSession"],
        &[
            "bedrock-agentcore:ConnectBrowserAutomationStream",
            "bedrock-agentcore:ConnectBrowserLiveViewStream",
        ],
        "steer any browser tool, whose machine has its role",
    ),
    weak(
        "tag-principal",
        &[],
        &["iam:TagUser", "iam:TagRole"],
        "tag any user or role, where tags may decide who may do what",
    ),
    // What keeps it from more may hang there as a Deny.
    weak("detach-user-policy", &["iam:DetachUserPolicy"], &[], "take a policy that denies off a user"),
    weak("delete-user-policy", &["iam:DeleteUserPolicy"], &[], "delete an inline policy that denies"),
    weak("detach-role-policy", &["iam:DetachRolePolicy"], &[], "take a policy that denies off a role"),
    weak(
        "delete-role-policy",
        &["iam:DeleteRolePolicy"],
        &[],
        "delete an inline policy of a role that denies",
    ),
    weak(
        "remove-user-from-group",
        &["iam:RemoveUserFromGroup"],
        &[],
        "take a user out of a group whose policy denies",
    ),
    weak(
        "reset-service-specific-credential",
        &["iam:ResetServiceSpecificCredential"],
        &[],
        "take over the service credentials of any user",
    ),
    weak("create-saml-provider", &["iam:CreateSAMLProvider"], &[], "add an identity provider"),
    weak("create-oidc-provider", &["iam:CreateOpenIDConnectProvider"], &[], "add an identity provider"),
    weak(
        "create-service-specific-credential",
        &["iam:CreateServiceSpecificCredential"],
        &[],
        "make service credentials for any user",
    ),
    weak(
        "eks-access-entry",
        &["eks:CreateAccessEntry", "eks:AssociateAccessPolicy"],
        &[],
        "administer any EKS cluster",
    ),
];
