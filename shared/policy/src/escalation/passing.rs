//! Paths that hand a stronger role to a service and use it there: `iam:PassRole` and what sets the service to work.

use crate::path::PathKind::{ChangesPolicy, RunsCode};
use crate::path::PathSource::{Aws, Pathfinding, Pmapper, Prowler, Rhino};
use crate::path::{Path, act, pass, weak};

const EC2: &[&str] = &["ec2.amazonaws.com"];
const LAMBDA: &[&str] = &["lambda.amazonaws.com"];
const STACKS: &[&str] = &["cloudformation.amazonaws.com"];
const GLUE: &[&str] = &["glue.amazonaws.com"];
const SAGEMAKER: &[&str] = &["sagemaker.amazonaws.com"];
const TASKS: &[&str] = &["ecs-tasks.amazonaws.com"];
const AGENTS: &[&str] = &["bedrock-agentcore.amazonaws.com"];
const PROJECTS: &[&str] = &["codebuild.amazonaws.com"];
const SYSTEMS_MANAGER: &[&str] = &["ssm.amazonaws.com"];
const GAMELIFT: &[&str] = &["gamelift.amazonaws.com"];
const ROLES_ANYWHERE: &[&str] = &["rolesanywhere.amazonaws.com"];
const APPSTREAM: &[&str] = &["appstream.amazonaws.com"];

/// What sets a function to work.
const INVOKE: &[&str] = &[
    "lambda:InvokeFunction",
    "lambda:InvokeAsync",
    // At an edge location, for whoever asks for a page.
    "cloudfront:CreateDistribution",
    "cloudfront:UpdateDistribution",
    "lambda:CreateEventSourceMapping",
    "lambda:AddPermission",
    "lambda:PutResourcePolicy",
    "lambda:CreateFunctionUrlConfig",
];
const BUILD: &[&str] = &["codebuild:StartBuild", "codebuild:StartBuildBatch", "codebuild:CreateWebhook"];
const JOB: &[&str] = &["glue:StartJobRun", "glue:CreateTrigger"];
/// What writes the user data of instances.
const LAUNCH: &[&str] =
    &["autoscaling:CreateLaunchConfiguration", "ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion"];
const LAUNCH_TEMPLATE: &[&str] = &["ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion"];
const CONNECT: &[&str] =
    &["bedrock-agentcore:ConnectBrowserAutomationStream", "bedrock-agentcore:ConnectBrowserLiveViewStream"];
const TRUST_ANCHOR: &[&str] = &["rolesanywhere:CreateTrustAnchor", "rolesanywhere:UpdateTrustAnchor"];

/// Compute first, then data, then the rest.
pub(super) const PATHS: &[Path] = &[
    pass(Pathfinding, "passrole-lambda", LAMBDA, &["lambda:CreateFunction"], INVOKE),
    pass(
        Pmapper,
        "passrole-lambda-update",
        LAMBDA,
        &["lambda:UpdateFunctionConfiguration"],
        &["lambda:UpdateFunctionCode", "lambda:InvokeFunction"],
    ),
    pass(
        Aws,
        "passrole-lambda-microvm",
        LAMBDA,
        &["lambda:RunMicrovm"],
        &["lambda:CreateMicrovmImage", "lambda:UpdateMicrovmImage", "lambda:CreateMicrovmShellAuthToken"],
    ),
    pass(Pathfinding, "passrole-ec2", EC2, &["ec2:RunInstances"], &[]),
    pass(
        Pathfinding,
        "passrole-ec2-spot",
        EC2,
        &[],
        &["ec2:RequestSpotInstances", "ec2:RequestSpotFleet", "ec2:CreateFleet"],
    ),
    pass(
        Pmapper,
        "passrole-ec2-associate",
        EC2,
        &[],
        &["ec2:AssociateIamInstanceProfile", "ec2:ReplaceIamInstanceProfileAssociation"],
    ),
    pass(Prowler, "passrole-autoscaling-update", EC2, &["autoscaling:UpdateAutoScalingGroup"], LAUNCH),
    // The instance that has the profile gets the role's credentials.
    pass(Pmapper, "passrole-instance-profile", EC2, &["iam:AddRoleToInstanceProfile"], &[]),
    pass(Prowler, "passrole-autoscaling", EC2, &["autoscaling:CreateAutoScalingGroup"], LAUNCH),
    pass(
        Aws,
        "passrole-eks-nodegroup",
        &["eks.amazonaws.com", "ec2.amazonaws.com"],
        &["eks:CreateNodegroup"],
        LAUNCH_TEMPLATE,
    ),
    pass(
        Pathfinding,
        "passrole-cloudformation",
        STACKS,
        &[],
        &["cloudformation:CreateStack", "cloudformation:UpdateStack"],
    ),
    pass(
        Pmapper,
        "passrole-cloudformation-change-set",
        STACKS,
        &["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"],
        &[],
    ),
    pass(
        Pathfinding,
        "passrole-cloudformation-stack-set",
        STACKS,
        &[],
        &["cloudformation:CreateStackSet", "cloudformation:UpdateStackSet"],
    ),
    // The handlers of an extension of one's own.
    pass(
        Aws,
        "passrole-cloudformation-extension",
        &["resources.cloudformation.amazonaws.com"],
        &["cloudformation:RegisterType"],
        &[
            "cloudformation:CreateStack",
            "cloudformation:UpdateStack",
            "cloudformation:CreateResource",
            "cloudformation:TestType",
        ],
    ),
    // A template in a repository of one's own.
    pass(
        Aws,
        "passrole-cloudformation-git-sync",
        &["cloudformation.sync.codeconnections.amazonaws.com"],
        &[],
        &[
            "codeconnections:CreateSyncConfiguration",
            "codeconnections:UpdateSyncConfiguration",
            "codestar-connections:CreateSyncConfiguration",
            "codestar-connections:UpdateSyncConfiguration",
        ],
    ),
    pass(Pathfinding, "passrole-glue-dev-endpoint", GLUE, &["glue:CreateDevEndpoint"], &[]),
    pass(Pathfinding, "passrole-glue-create-job", GLUE, &["glue:CreateJob"], JOB),
    pass(Pathfinding, "passrole-glue-update-job", GLUE, &["glue:UpdateJob"], JOB),
    pass(Pathfinding, "passrole-glue-session", GLUE, &["glue:CreateSession", "glue:RunStatement"], &[]),
    pass(
        Pathfinding,
        "passrole-datapipeline",
        &["datapipeline.amazonaws.com", "ec2.amazonaws.com"],
        &["datapipeline:CreatePipeline", "datapipeline:PutPipelineDefinition"],
        &[],
    ),
    pass(Pathfinding, "passrole-sagemaker-notebook", SAGEMAKER, &["sagemaker:CreateNotebookInstance"], &[]),
    pass(
        Aws,
        "passrole-sagemaker-notebook-update",
        SAGEMAKER,
        &["sagemaker:UpdateNotebookInstance"],
        &[
            "sagemaker:CreatePresignedNotebookInstanceUrl",
            "sagemaker:CreateNotebookInstanceLifecycleConfig",
            "sagemaker:UpdateNotebookInstanceLifecycleConfig",
        ],
    ),
    pass(Pathfinding, "passrole-sagemaker-training", SAGEMAKER, &["sagemaker:CreateTrainingJob"], &[]),
    pass(Pathfinding, "passrole-sagemaker-processing", SAGEMAKER, &["sagemaker:CreateProcessingJob"], &[]),
    pass(
        Aws,
        "passrole-sagemaker-domain",
        SAGEMAKER,
        &["sagemaker:CreatePresignedDomainUrl"],
        &[
            "sagemaker:CreateDomain",
            "sagemaker:UpdateDomain",
            "sagemaker:CreateUserProfile",
            "sagemaker:UpdateUserProfile",
        ],
    ),
    pass(Aws, "passrole-sagemaker-tuning", SAGEMAKER, &["sagemaker:CreateHyperParameterTuningJob"], &[]),
    // Own code runs where a model answers, or where a job has it answer.
    pass(
        Aws,
        "passrole-sagemaker-model",
        SAGEMAKER,
        &["sagemaker:CreateModel"],
        &["sagemaker:CreateEndpoint", "sagemaker:UpdateEndpoint", "sagemaker:CreateTransformJob"],
    ),
    pass(
        Aws,
        "passrole-sagemaker-inference-component",
        SAGEMAKER,
        &["sagemaker:CreateEndpointConfig", "sagemaker:CreateInferenceComponent"],
        &[],
    ),
    pass(
        Aws,
        "passrole-sagemaker-pipeline",
        SAGEMAKER,
        &["sagemaker:StartPipelineExecution"],
        &["sagemaker:CreatePipeline", "sagemaker:UpdatePipeline"],
    ),
    pass(Aws, "passrole-sagemaker-cluster", SAGEMAKER, &["sagemaker:CreateCluster"], &[]),
    // A processing job of one's own image, again and again.
    pass(
        Aws,
        "passrole-sagemaker-monitoring",
        SAGEMAKER,
        &[],
        &["sagemaker:CreateMonitoringSchedule", "sagemaker:UpdateMonitoringSchedule"],
    ),
    // Jobs that try out what is offered to others.
    pass(
        Aws,
        "passrole-sagemaker-validation",
        SAGEMAKER,
        &[],
        &["sagemaker:CreateAlgorithm", "sagemaker:CreateModelPackage"],
    ),
    pass(Pathfinding, "passrole-codebuild", PROJECTS, &["codebuild:CreateProject"], BUILD),
    pass(Pmapper, "passrole-codebuild-update", PROJECTS, &["codebuild:UpdateProject"], BUILD),
    // A repository of one's own is built at every push.
    pass(
        Pathfinding,
        "passrole-amplify",
        &["amplify.amazonaws.com"],
        &[],
        &["amplify:CreateApp", "amplify:UpdateApp", "amplify:CreateBranch", "amplify:UpdateBranch"],
    ),
    pass(Pathfinding, "passrole-braket", &["braket.amazonaws.com"], &["braket:CreateJob"], &[]),
    pass(
        Pathfinding,
        "passrole-omics",
        &["omics.amazonaws.com"],
        &["omics:StartRun"],
        &["omics:CreateWorkflow", "omics:CreateWorkflowVersion"],
    ),
    pass(
        Pathfinding,
        "passrole-imagebuilder",
        EC2,
        &["imagebuilder:CreateComponent"],
        &["imagebuilder:CreateInfrastructureConfiguration", "imagebuilder:UpdateInfrastructureConfiguration"],
    ),
    pass(
        Aws,
        "passrole-mwaa",
        &["airflow.amazonaws.com", "airflow-env.amazonaws.com"],
        &[],
        &["airflow:CreateEnvironment", "airflow:UpdateEnvironment"],
    ),
    act(
        Aws,
        "passrole-mwaa-serverless",
        &["airflow-serverless.amazonaws.com"],
        &[],
        &["airflow-serverless:CreateWorkflow", "airflow-serverless:UpdateWorkflow"],
    ),
    pass(
        Aws,
        "passrole-iot-role-alias",
        &["credentials.iot.amazonaws.com"],
        &[],
        &["iot:CreateRoleAlias", "iot:UpdateRoleAlias"],
    ),
    pass(
        Aws,
        "passrole-eks-pod-identity",
        &["pods.eks.amazonaws.com"],
        &[],
        &["eks:CreatePodIdentityAssociation", "eks:UpdatePodIdentityAssociation"],
    ),
    // Controllers that make of Kubernetes objects what they describe in AWS.
    act(
        Aws,
        "passrole-eks-capability",
        &["capabilities.eks.amazonaws.com"],
        &[],
        &["eks:CreateCapability", "eks:UpdateCapability"],
    ),
    act(
        Aws,
        "passrole-appsync",
        &["appsync.amazonaws.com"],
        &["appsync:CreateResolver"],
        &["appsync:CreateDataSource", "appsync:UpdateDataSource"],
    ),
    act(
        Aws,
        "passrole-apigateway",
        &["apigateway.amazonaws.com"],
        &["apigateway:POST"],
        &["apigateway:PUT", "apigateway:PATCH"],
    ),
    act(
        Aws,
        "passrole-cloudcontrol",
        &["cloudformation.amazonaws.com", "cloudcontrolapi.amazonaws.com"],
        &[],
        &["cloudformation:CreateResource", "cloudformation:UpdateResource"],
    ),
    pass(
        Aws,
        "passrole-servicecatalog",
        &["servicecatalog.amazonaws.com"],
        &["servicecatalog:ProvisionProduct"],
        &["servicecatalog:CreateConstraint", "servicecatalog:UpdateConstraint"],
    ),
    pass(
        Aws,
        "passrole-athena-spark",
        &["athena.amazonaws.com"],
        &["athena:StartSession"],
        &["athena:CreateWorkGroup", "athena:UpdateWorkGroup"],
    ),
    pass(
        Pathfinding,
        "passrole-ecs",
        TASKS,
        &["ecs:RegisterTaskDefinition"],
        &["ecs:RunTask", "ecs:StartTask", "ecs:CreateService", "ecs:UpdateService", "ecs:CreateTaskSet"],
    ),
    // A task's role can be replaced when it is started.
    pass(Pathfinding, "passrole-ecs-override", TASKS, &[], &["ecs:RunTask", "ecs:StartTask"]),
    pass(
        Aws,
        "passrole-ecs-express",
        TASKS,
        &[],
        &["ecs:CreateExpressGatewayService", "ecs:UpdateExpressGatewayService"],
    ),
    pass(Pathfinding, "passrole-batch", TASKS, &["batch:RegisterJobDefinition", "batch:SubmitJob"], &[]),
    act(
        Pathfinding,
        "passrole-states",
        &["states.amazonaws.com"],
        &[],
        &["states:CreateStateMachine", "states:UpdateStateMachine", "states:TestState"],
    ),
    act(
        Pathfinding,
        "passrole-scheduler",
        &["scheduler.amazonaws.com"],
        &[],
        &["scheduler:CreateSchedule", "scheduler:UpdateSchedule"],
    ),
    pass(
        Pathfinding,
        "passrole-ssm-automation",
        SYSTEMS_MANAGER,
        &[],
        &[
            "ssm:StartAutomationExecution",
            "ssm:CreateAssociation",
            "ssm:UpdateAssociation",
            "ssm:RegisterTaskWithMaintenanceWindow",
            "ssm:UpdateMaintenanceWindowTask",
            "ssm:StartChangeRequestExecution",
            "config:PutRemediationConfigurations",
            "config:PutConformancePack",
        ],
    ),
    // A machine of one's own, or one that is managed already, gets the role's credentials.
    pass(
        Aws,
        "passrole-ssm-activation",
        SYSTEMS_MANAGER,
        &[],
        &["ssm:CreateActivation", "ssm:UpdateManagedInstanceRole", "ssm:UpdateServiceSetting"],
    ),
    pass(
        Aws,
        "passrole-ssm-incidents",
        &["ssm-incidents.amazonaws.com", "ssm.amazonaws.com"],
        &["ssm-incidents:StartIncident"],
        &["ssm-incidents:CreateResponsePlan", "ssm-incidents:UpdateResponsePlan"],
    ),
    pass(
        Pathfinding,
        "passrole-apprunner",
        &["tasks.apprunner.amazonaws.com"],
        &[],
        &["apprunner:CreateService", "apprunner:UpdateService"],
    ),
    pass(
        Pathfinding,
        "passrole-bedrock-code-interpreter",
        AGENTS,
        &["bedrock-agentcore:CreateCodeInterpreter"],
        &["bedrock-agentcore:InvokeCodeInterpreter"],
    ),
    pass(
        Pathfinding,
        "passrole-bedrock-agent-runtime",
        AGENTS,
        &[],
        &["bedrock-agentcore:CreateAgentRuntime", "bedrock-agentcore:UpdateAgentRuntime"],
    ),
    pass(
        Pathfinding,
        "passrole-bedrock-harness",
        AGENTS,
        &[],
        &["bedrock-agentcore:CreateHarness", "bedrock-agentcore:UpdateHarness"],
    ),
    pass(
        Pathfinding,
        "passrole-bedrock-browser",
        AGENTS,
        &["bedrock-agentcore:CreateBrowser", "bedrock-agentcore:StartBrowserSession"],
        CONNECT,
    ),
    // A model of any service of AWS is a tool, called with the gateway's role.
    act(
        Aws,
        "passrole-bedrock-gateway",
        AGENTS,
        &["bedrock-agentcore:CreateGatewayTarget"],
        &["bedrock-agentcore:CreateGateway", "bedrock-agentcore:UpdateGateway"],
    ),
    pass(
        Pathfinding,
        "passrole-emr",
        &["elasticmapreduce.amazonaws.com", "ec2.amazonaws.com"],
        &["elasticmapreduce:RunJobFlow"],
        &[],
    ),
    pass(
        Pathfinding,
        "passrole-emr-serverless",
        &["emr-serverless.amazonaws.com"],
        &[],
        &[
            "emr-serverless:StartJobRun",
            "emr-serverless:StartSession",
            "emr-serverless:AccessLivyEndpoints",
            "emr-serverless:AccessInteractiveEndpoints",
        ],
    ),
    pass(
        Aws,
        "passrole-kafka-connect",
        &["kafkaconnect.amazonaws.com"],
        &["kafkaconnect:CreateCustomPlugin", "kafkaconnect:CreateConnector"],
        &[],
    ),
    pass(
        Aws,
        "passrole-elasticbeanstalk",
        EC2,
        &[],
        &["elasticbeanstalk:CreateEnvironment", "elasticbeanstalk:UpdateEnvironment"],
    ),
    pass(
        Aws,
        "passrole-codepipeline",
        &["codepipeline.amazonaws.com"],
        &[],
        &["codepipeline:CreatePipeline", "codepipeline:UpdatePipeline"],
    ),
    pass(Rhino, "passrole-codestar", &["codestar.amazonaws.com"], &["codestar:CreateProject"], &[]),
    // A workflow of a space that the connection belongs to.
    pass(
        Aws,
        "passrole-codecatalyst",
        &["codecatalyst.amazonaws.com", "codecatalyst-runner.amazonaws.com"],
        &["codecatalyst:AssociateIamRoleToConnection"],
        &[],
    ),
    // The canary's function is made with its author's own rights.
    pass(Aws, "passrole-synthetics", LAMBDA, &["synthetics:CreateCanary", "lambda:CreateFunction"], &[]),
    pass(
        Pathfinding,
        "passrole-gamelift",
        GAMELIFT,
        &["gamelift:CreateFleet"],
        &["gamelift:CreateBuild", "gamelift:CreateScript"],
    ),
    pass(
        Aws,
        "passrole-gamelift-container",
        GAMELIFT,
        &["gamelift:CreateContainerFleet"],
        &["gamelift:CreateContainerGroupDefinition", "gamelift:UpdateContainerGroupDefinition"],
    ),
    pass(
        Aws,
        "passrole-device-farm",
        &["devicefarm.amazonaws.com"],
        &["devicefarm:ScheduleRun"],
        &["devicefarm:CreateProject", "devicefarm:UpdateProject"],
    ),
    pass(
        Aws,
        "passrole-deadline",
        &["credentials.deadline.amazonaws.com"],
        &["deadline:AssumeQueueRoleForUser"],
        &["deadline:CreateQueue", "deadline:UpdateQueue"],
    ),
    pass(
        Aws,
        "passrole-appstream-image-builder",
        APPSTREAM,
        &["appstream:CreateImageBuilder", "appstream:CreateImageBuilderStreamingURL"],
        &[],
    ),
    pass(
        Aws,
        "passrole-appstream-fleet",
        APPSTREAM,
        &["appstream:CreateStreamingURL"],
        &["appstream:CreateFleet", "appstream:UpdateFleet"],
    ),
    pass(
        Pathfinding,
        "passrole-cognito",
        &["cognito-identity.amazonaws.com"],
        &["cognito-identity:SetIdentityPoolRoles"],
        &[],
    ),
    pass(Aws, "passrole-roles-anywhere", ROLES_ANYWHERE, &["rolesanywhere:CreateProfile"], TRUST_ANCHOR),
    pass(
        Aws,
        "passrole-roles-anywhere-update",
        ROLES_ANYWHERE,
        &["rolesanywhere:UpdateProfile"],
        TRUST_ANCHOR,
    ),
    // The console, for users of a directory.
    pass(
        Aws,
        "passrole-directory",
        &["ds.amazonaws.com"],
        &["ds:EnableRoleAccess"],
        &["ds:ResetUserPassword", "ds-data:AddGroupMember"],
    ),
    pass(
        Pathfinding,
        "passrole-kinesis-analytics",
        &["kinesisanalytics.amazonaws.com"],
        &["kinesisanalytics:StartApplication"],
        &["kinesisanalytics:CreateApplication", "kinesisanalytics:UpdateApplication"],
    ),
    pass(
        Aws,
        "passrole-fis",
        &["fis.amazonaws.com"],
        &["fis:StartExperiment"],
        &["fis:CreateExperimentTemplate", "fis:UpdateExperimentTemplate"],
    ),
    // Services that do with the role only what they are made for.
    Path {
        passes: &["events.amazonaws.com"],
        ..weak(
            RunsCode,
            Aws,
            "passrole-events-target",
            &["events:PutTargets"],
            &[],
            "start tasks, jobs and commands as any role that EventBridge may take",
        )
    },
    Path {
        passes: &["pipes.amazonaws.com"],
        ..weak(
            RunsCode,
            Aws,
            "passrole-pipes",
            &[],
            &["pipes:CreatePipe", "pipes:UpdatePipe"],
            "start tasks and jobs as any role that EventBridge Pipes may take",
        )
    },
    Path {
        passes: &["budgets.amazonaws.com"],
        ..weak(
            ChangesPolicy,
            Aws,
            "passrole-budgets",
            &[],
            &["budgets:CreateBudgetAction", "budgets:UpdateBudgetAction"],
            "have a budget attach a policy to any user, group or role",
        )
    },
    Path {
        passes: &["transfer.amazonaws.com"],
        ..weak(
            RunsCode,
            Aws,
            "passrole-transfer",
            &[],
            &["transfer:CreateUser", "transfer:UpdateUser", "transfer:CreateAccess", "transfer:UpdateAccess"],
            "read and write files as any role that Transfer Family may take",
        )
    },
];
