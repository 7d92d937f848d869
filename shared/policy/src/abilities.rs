//! What the actions of a resource's policy let their callers do with the resource.
//!
//! The words are for people; the [`Reach`] decides how bad it is. An action that is not in the table is named as it is
//! written. Actions: service authorization reference, "Actions, resources, and condition keys".

use keepwatch_base::wildcard;
use serde::Serialize;

/// How far actions reach, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// They put something in, send something, have it run, or see names alone.
    Use,
    /// They change or take away what is there.
    Write,
    /// They read what is there.
    Read,
    /// They decide who else comes.
    Own,
}

use Reach::{Own, Read, Use, Write};

/// An action, how far it reaches, and what it lets its callers do.
type Row = (&'static str, Reach, &'static str);

/// What telling actions let their callers do.
#[rustfmt::skip]
const ABILITIES: &[Row] = &[
    ("s3:GetObject", Read, "read its objects"),
    ("s3:PutObject", Use, "write objects"),
    ("s3:DeleteObject", Write, "delete objects"),
    ("s3:ListBucket", Use, "list it"),
    ("s3:PutBucketPolicy", Own, "rewrite its policy"),
    ("sns:Subscribe", Read, "subscribe to it"),
    ("sns:Publish", Use, "publish to it"),
    ("sns:SetTopicAttributes", Own, "rewrite its policy"),
    ("sqs:ReceiveMessage", Read, "read its messages"),
    ("sqs:SendMessage", Use, "send messages to it"),
    ("sqs:PurgeQueue", Write, "empty it"),
    ("sqs:SetQueueAttributes", Own, "rewrite its policy"),
    ("kms:Decrypt", Read, "decrypt with it"),
    ("kms:GenerateDataKey", Use, "encrypt with it"),
    ("kms:CreateGrant", Own, "grant others its use"),
    ("kms:PutKeyPolicy", Own, "rewrite its policy"),
    ("ecr:BatchGetImage", Read, "pull its images"),
    ("ecr:PutImage", Write, "push images"),
    ("secretsmanager:GetSecretValue", Read, "read it"),
    ("secretsmanager:PutSecretValue", Write, "overwrite it"),
    ("lambda:InvokeFunction", Use, "invoke it"),
    ("lambda:InvokeFunctionUrl", Use, "call its URL"),
    ("lambda:UpdateFunctionCode", Own, "replace its code"),
    ("es:ESHttpGet", Read, "read its data"),
    ("es:ESHttpPost", Write, "write its data"),
    ("es:UpdateDomainConfig", Own, "reconfigure it"),
    ("glacier:InitiateJob", Read, "read its archives"),
    ("glacier:UploadArchive", Use, "write archives"),
    ("glue:GetTable", Read, "read its tables' definitions"),
    ("logs:PutSubscriptionFilter", Use, "stream logs to it"),
    ("logs:PutLogEvents", Use, "write to its logs"),
    ("logs:CreateDelivery", Use, "have logs delivered to it"),
    ("dynamodb:GetItem", Read, "read its items"),
    ("dynamodb:Query", Read, "query it"),
    ("dynamodb:Scan", Read, "read all of it"),
    ("dynamodb:GetRecords", Read, "read its changes"),
    ("dynamodb:PutItem", Write, "write items"),
    ("dynamodb:DeleteItem", Write, "delete items"),
    ("dynamodb:PutResourcePolicy", Own, "rewrite its policy"),
    ("backup:CopyIntoBackupVault", Use, "copy backups into it"),
    ("backup:StartRestoreJob", Read, "restore its backups"),
    ("s3express:CreateSession", Read, "read and write its objects"),
    ("s3express:PutBucketPolicy", Own, "rewrite its policy"),
    ("s3tables:GetTableData", Read, "read its tables"),
    ("s3tables:PutTableData", Write, "write its tables"),
    ("s3tables:DeleteTable", Write, "delete its tables"),
    ("s3tables:PutTableBucketPolicy", Own, "rewrite its policy"),
    ("s3vectors:GetVectors", Read, "read its vectors"),
    ("s3vectors:QueryVectors", Read, "search it"),
    ("s3vectors:PutVectors", Write, "write vectors"),
    ("s3-object-lambda:GetObject", Read, "read objects through it"),
    ("s3-object-lambda:PutObject", Write, "write objects through it"),
    ("s3-outposts:GetObject", Read, "read its objects"),
    ("s3-outposts:PutObject", Use, "write objects"),
    ("s3files:ClientMount", Read, "mount it and read its files"),
    ("s3files:ClientWrite", Write, "write its files"),
    ("elasticfilesystem:ClientMount", Read, "mount it and read its files"),
    ("elasticfilesystem:ClientWrite", Write, "write its files"),
    ("elasticfilesystem:ClientRootAccess", Own, "be root on it"),
    ("events:PutEvents", Use, "send events to it"),
    ("events:PutRule", Read, "make rules on it that take its events"),
    ("schemas:DescribeSchema", Read, "read its schemas"),
    ("ses:SendEmail", Write, "send mail in its name"),
    ("ses:SendRawEmail", Write, "send any mail in its name"),
    ("codeartifact:ReadFromRepository", Read, "read its packages"),
    ("codeartifact:GetAuthorizationToken", Read, "get tokens for it"),
    ("codeartifact:PublishPackageVersion", Write, "publish packages in it"),
    ("codeartifact:PutRepositoryPermissionsPolicy", Own, "rewrite its policy"),
    ("codeartifact:PutDomainPermissionsPolicy", Own, "rewrite its policy"),
    ("kinesis:GetRecords", Read, "read its records"),
    ("kinesis:SubscribeToShard", Read, "subscribe to its records"),
    ("kinesis:PutRecord", Use, "put records into it"),
    ("acm-pca:IssueCertificate", Write, "have it issue certificates"),
    ("acm-pca:RevokeCertificate", Write, "revoke its certificates"),
    ("kafka:CreateVpcConnection", Use, "connect a VPC of theirs to it"),
    ("kafka-cluster:ReadData", Read, "read its topics"),
    ("kafka-cluster:WriteData", Write, "write to its topics"),
    ("kafka-cluster:AlterCluster", Own, "reconfigure it"),
    ("execute-api:Invoke", Use, "call it"),
    ("execute-api:ManageConnections", Write, "send messages to its callers"),
    ("redshift:CreateInboundIntegration", Use, "replicate data into it"),
    ("redshift:AuthorizeInboundIntegration", Use, "let data be replicated into it"),
    ("redshift-serverless:RestoreFromSnapshot", Read, "restore it as their own"),
    ("aoss:ReadDocument", Read, "read its documents"),
    ("aoss:WriteDocument", Write, "write its documents"),
    ("osis:Ingest", Use, "send data through it"),
    ("cloudtrail:StartQuery", Read, "query its events"),
    ("cloudtrail:GetQueryResults", Read, "read what queries found"),
    ("cloudtrail-data:PutAuditEvents", Use, "write events into it"),
    ("bedrock:CreateModelCopyJob", Read, "copy it"),
    ("bedrock:Retrieve", Read, "search its documents"),
    ("bedrock:InvokeModel", Use, "invoke it"),
    ("bedrock-agentcore:InvokeAgentRuntime", Use, "invoke it"),
    ("bedrock-agentcore:InvokeGateway", Use, "call its tools"),
    ("comprehend:ImportModel", Read, "copy it"),
    ("rekognition:CopyProjectVersion", Read, "copy its models"),
    ("sagemaker:DescribeModelPackage", Read, "use its models"),
    ("sagemaker:CreateModelPackage", Write, "put models into it"),
    ("codebuild:BatchGetBuilds", Read, "read its builds"),
    ("codebuild:BatchGetProjects", Read, "read how it builds"),
    ("imagebuilder:GetImage", Read, "use it"),
    ("imagebuilder:GetComponent", Read, "read it"),
    ("ssm:GetParameter", Read, "read it"),
    ("ssm:GetParameters", Read, "read it with others"),
    ("vpc-lattice-svcs:Invoke", Use, "call it"),
    ("vpc-lattice:CreateServiceNetworkVpcAssociation", Use, "connect a VPC of theirs to it"),
    ("dsql:DbConnect", Read, "connect to it"),
    ("dsql:DbConnectAdmin", Own, "connect to it as its administrator"),
    ("oam:CreateLink", Use, "send it their telemetry"),
    ("rum:PutRumEvents", Use, "send events to it"),
    ("xray:PutTraceSegments", Use, "write traces"),
    ("aps:QueryMetrics", Read, "read its metrics"),
    ("aps:RemoteWrite", Use, "write metrics into it"),
    ("mediastore:GetObject", Read, "read its objects"),
    ("mediastore:PutObject", Write, "write objects"),
    ("mediapackagev2:GetObject", Read, "play it"),
    ("mediapackagev2:PutObject", Use, "send content to it"),
    ("mediatailor:GetManifest", Read, "play it"),
    ("ecr-public:PutImage", Write, "push images that everybody pulls"),
    ("omics:GetReadSet", Read, "read its sequences"),
    ("payment-cryptography:EncryptData", Use, "encrypt with it"),
    ("payment-cryptography:DecryptData", Read, "decrypt with it"),
    ("lex:RecognizeText", Use, "talk to it"),
];

/// Services that reach into other resources by a role of their customer's alone. To name one of them in a resource's policy
/// gives nobody what he could read.
const BY_ROLE: [&str; 7] = [
    "apigateway.amazonaws.com",
    "batch.amazonaws.com",
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "secretsmanager.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
];

/// Whether the actions are all that there is with a resource of the services (`kms`, or `kafka|kafka-cluster` where a policy
/// speaks of several).
pub(crate) fn is_everything(services: &str, actions: &[String]) -> bool {
    services.split('|').all(|service| fits(actions, &format!("{service}:~~~~~")))
}

/// What the actions let their callers do, in words that follow "can", each once.
pub(crate) fn told(services: &str, actions: &[String]) -> Vec<&'static str> {
    let mut told: Vec<_> = matching(services, actions).map(|(.., words)| *words).collect();
    told.dedup();
    told
}

/// How far the actions reach; nothing where they are not known.
pub(crate) fn reach(services: &str, actions: &[String]) -> Option<Reach> {
    match is_everything(services, actions) {
        true => Some(Own),
        false => matching(services, actions).map(|(_, reach, _)| *reach).max(),
    }
}

/// How far the actions reach where an AWS service is the one that is let in, and comes for whichever account asks it to.
/// Nothing where no account gains by it: a look at settings, actions of another service.
pub(crate) fn lent(service: &str, services: &str, actions: &[String]) -> Option<Reach> {
    let reach = match reach(services, actions) {
        Some(reach) => reach,
        // Nobody knows what they do.
        None if known(services).next().is_none() => Use,
        None => return None,
    };
    // A key alone shows nothing: the service needs the data as well, and has it from its owner.
    let by_role = BY_ROLE.contains(&service) || (service == "lambda.amazonaws.com" && services != "ecr");
    if services == "kms" || by_role { Some(reach.min(Use)) } else { Some(reach) }
}

fn matching<'a>(services: &'a str, actions: &'a [String]) -> impl Iterator<Item = &'static Row> + 'a {
    known(services).filter(|(action, ..)| fits(actions, action))
}

fn known(services: &str) -> impl Iterator<Item = &'static Row> {
    let of = move |action: &str| services.split('|').any(|one| action.split(':').next() == Some(one));
    ABILITIES.iter().filter(move |(action, ..)| of(action))
}

fn fits(actions: &[String], action: &str) -> bool {
    actions.iter().any(|pattern| wildcard::matches_ignore_ascii_case(pattern, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_actions_do() {
        for (services, action, words, expected) in [
            ("s3", "s3:Get*", "read its objects", Some(Read)),
            ("s3", "s3:GetObject", "read its objects", Some(Read)),
            (
                "kafka|kafka-cluster",
                "kafka-cluster:*",
                "read its topics, write to its topics, reconfigure it",
                Some(Own),
            ),
            ("s3", "lambda:InvokeFunction", "", None),
            ("kms", "kms:DescribeKey", "", None),
        ] {
            let actions = [action.to_owned()];
            assert_eq!(told(services, &actions).join(", "), words, "{services} {action}");
            assert_eq!(reach(services, &actions), expected, "{services} {action}");
            assert!(!is_everything(services, &actions));
        }
        for services in ["s3", "kafka|kafka-cluster", "newservice"] {
            assert!(is_everything(services, &["*".to_owned()]));
            assert_eq!(reach(services, &["*".to_owned()]), Some(Own));
        }
    }

    #[test]
    fn no_action_stands_twice() {
        let mut actions: Vec<&str> = ABILITIES.iter().map(|(action, ..)| *action).collect();
        actions.sort_unstable();
        actions.dedup();
        assert_eq!(actions.len(), ABILITIES.len());
    }

    #[test]
    fn a_service_lends_what_its_customers_gain_by() {
        let lent =
            |service: &str, services: &str, action: &str| lent(service, services, &[action.to_owned()]);
        for (service, services, action, expected) in [
            ("cloudfront.amazonaws.com", "s3", "s3:GetObject", Some(Read)),
            ("cloudtrail.amazonaws.com", "s3", "s3:PutObject", Some(Use)),
            ("config.amazonaws.com", "s3", "s3:ListBucket", Some(Use)),
            ("cloudtrail.amazonaws.com", "s3", "s3:GetBucketAcl", None),
            ("cloudtrail.amazonaws.com", "kms", "kms:DescribeKey", None),
            ("cloudwatch.amazonaws.com", "kms", "kms:Decrypt", Some(Use)),
            ("apigateway.amazonaws.com", "sqs", "SQS:ReceiveMessage", Some(Use)),
            ("lambda.amazonaws.com", "s3", "s3:GetObject", Some(Use)),
            ("lambda.amazonaws.com", "ecr", "ecr:BatchGetImage", Some(Read)),
            ("ec2.amazonaws.com", "s3", "lambda:InvokeFunction", None),
            ("new.amazonaws.com", "newservice", "newservice:Take", Some(Use)),
        ] {
            assert_eq!(lent(service, services, action), expected, "{service} {action}");
        }
    }
}
