//! The services that are asked: protocol, version, host, and how many calls may be under way at once.

use keepwatch_base::partition::Partition;

/// How a service is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// JSON with the operation in a header; the version of JSON, and what the operation's name is led by.
    Json(&'static str, &'static str),
    /// Form fields, answered in XML.
    Query,
    /// The same as EC2 has it.
    Ec2,
    /// Paths, answered in JSON.
    RestJson,
    /// Paths, answered in XML.
    RestXml,
}

/// Where a service has its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hosts {
    /// One in each region.
    Regional,
    /// One in the partition's home region.
    Home,
    /// One in the partition, without a region in its name where the partition is `aws`.
    Partition,
    /// One in the partition, led by `global` in `aws` and `aws-cn`, which have several behind it.
    Global,
}

/// A service.
#[derive(Debug)]
pub(crate) struct Service {
    /// Its name here and in `models.json`.
    pub(crate) id: &'static str,
    pub(crate) protocol: Protocol,
    pub(crate) version: &'static str,
    /// What its hosts begin with.
    pub(crate) host: &'static str,
    /// Its name in signatures.
    pub(crate) signs_as: &'static str,
    pub(crate) hosts: Hosts,
    /// How many calls may be under way at once, in a region. The account's own work goes first: these are far below what the
    /// services allow.
    pub(crate) ceiling: usize,
}

const fn regional(
    id: &'static str,
    protocol: Protocol,
    version: &'static str,
    host: &'static str,
    signs_as: &'static str,
    ceiling: usize,
) -> Service {
    Service { id, protocol, version, host, signs_as, hosts: Hosts::Regional, ceiling }
}

const fn at(hosts: Hosts, service: Service) -> Service {
    Service { hosts, ..service }
}

use Protocol::{Ec2, Json, Query, RestJson, RestXml};

pub(crate) static ACCESS_ANALYZER: Service =
    regional("access-analyzer", RestJson, "2019-11-01", "access-analyzer", "access-analyzer", 2);
pub(crate) static ACCOUNT: Service =
    at(Hosts::Home, regional("account", RestJson, "2021-02-01", "account", "account", 1));
pub(crate) static BACKUP: Service = regional("backup", RestJson, "2018-11-15", "backup", "backup", 2);
pub(crate) static BUDGETS: Service = at(
    Hosts::Partition,
    regional("budgets", Json("1.1", "AWSBudgetServiceGateway"), "2016-10-20", "budgets", "budgets", 2),
);
pub(crate) static CLOUDFORMATION: Service =
    regional("cloudformation", Query, "2010-05-15", "cloudformation", "cloudformation", 2);
pub(crate) static CLOUDFRONT: Service =
    at(Hosts::Partition, regional("cloudfront", RestXml, "2020-05-31", "cloudfront", "cloudfront", 4));
pub(crate) static CLOUDTRAIL: Service = regional(
    "cloudtrail",
    Json("1.1", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101"),
    "2013-11-01",
    "cloudtrail",
    "cloudtrail",
    2,
);
pub(crate) static CLOUDWATCH: Service =
    regional("cloudwatch", Query, "2010-08-01", "monitoring", "monitoring", 2);
pub(crate) static CONFIG: Service =
    regional("config", Json("1.1", "StarlingDoveService"), "2014-11-12", "config", "config", 2);
pub(crate) static DMS: Service =
    regional("dms", Json("1.1", "AmazonDMSv20160101"), "2016-01-01", "dms", "dms", 2);
pub(crate) static DYNAMODB: Service =
    regional("dynamodb", Json("1.0", "DynamoDB_20120810"), "2012-08-10", "dynamodb", "dynamodb", 2);
pub(crate) static EC2: Service = regional("ec2", Ec2, "2016-11-15", "ec2", "ec2", 5);
pub(crate) static ES: Service = regional("es", RestJson, "2021-01-01", "es", "es", 2);
pub(crate) static EVENTS: Service =
    regional("events", Json("1.1", "AWSEvents"), "2015-10-07", "events", "events", 4);
pub(crate) static GUARDDUTY: Service =
    regional("guardduty", RestJson, "2017-11-28", "guardduty", "guardduty", 2);
pub(crate) static HEALTH: Service = at(
    Hosts::Global,
    regional("health", Json("1.1", "AWSHealth_20160804"), "2016-08-04", "health", "health", 1),
);
pub(crate) static KMS: Service = regional("kms", Json("1.1", "TrentService"), "2014-11-01", "kms", "kms", 8);
pub(crate) static LAMBDA: Service = regional("lambda", RestJson, "2015-03-31", "lambda", "lambda", 2);
pub(crate) static LOGS: Service =
    regional("logs", Json("1.1", "Logs_20140328"), "2014-03-28", "logs", "logs", 2);
pub(crate) static ORGANIZATIONS: Service = at(
    Hosts::Home,
    regional(
        "organizations",
        Json("1.1", "AWSOrganizationsV20161128"),
        "2016-11-28",
        "organizations",
        "organizations",
        2,
    ),
);
pub(crate) static RDS: Service = regional("rds", Query, "2014-10-31", "rds", "rds", 4);
pub(crate) static S3: Service = regional("s3", RestXml, "2006-03-01", "s3", "s3", 16);
pub(crate) static S3CONTROL: Service = regional("s3control", RestXml, "2018-08-20", "s3-control", "s3", 1);
pub(crate) static SAGEMAKER: Service =
    regional("sagemaker", Json("1.1", "SageMaker"), "2017-07-24", "api.sagemaker", "sagemaker", 4);
pub(crate) static SECURITYHUB: Service =
    regional("securityhub", RestJson, "2018-10-26", "securityhub", "securityhub", 1);
pub(crate) static SERVICEQUOTAS: Service = regional(
    "servicequotas",
    Json("1.1", "ServiceQuotasV20190624"),
    "2019-06-24",
    "servicequotas",
    "servicequotas",
    2,
);
pub(crate) static SNS: Service = regional("sns", Query, "2010-03-31", "sns", "sns", 4);
pub(crate) static SQS: Service = regional("sqs", Json("1.0", "AmazonSQS"), "2012-11-05", "sqs", "sqs", 4);
pub(crate) static SSM: Service = regional("ssm", Json("1.1", "AmazonSSM"), "2014-11-06", "ssm", "ssm", 2);
pub(crate) static SSO: Service =
    regional("sso", Json("1.1", "SWBExternalService"), "2020-07-20", "sso", "sso", 1);
pub(crate) static STS: Service = regional("sts", Query, "2011-06-15", "sts", "sts", 1);

/// Its endpoint is in the partition's home region alone (AWS Support user guide, "Endpoint").
pub(crate) static SUPPORT: Service =
    regional("support", Json("1.1", "AWSSupport_20130415"), "2013-04-15", "support", "support", 1);

/// Where a call goes, and the region that its signature names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) signing_region: String,
}

impl Service {
    /// Its endpoint for a region (or for the account, seen from that region).
    pub(crate) fn endpoint(&self, region: &str) -> Endpoint {
        let partition = Partition::of_region(region);
        let (suffix, home) = (partition.dns_suffix, partition.home_region);
        let in_region = |region: &str| Endpoint {
            url: format!("https://{}.{region}.{suffix}", self.host),
            signing_region: region.to_owned(),
        };
        match self.hosts {
            Hosts::Regional => in_region(region),
            Hosts::Home => in_region(home),
            Hosts::Partition
                if partition.name == "aws" || (partition.name == "aws-cn" && self.id == "budgets") =>
            {
                let url = format!("https://{}.{suffix}", self.host);
                Endpoint { url, signing_region: home.to_owned() }
            }
            Hosts::Global if matches!(partition.name, "aws" | "aws-cn") => Endpoint {
                url: format!("https://global.{}.{suffix}", self.host),
                signing_region: home.to_owned(),
            },
            Hosts::Partition | Hosts::Global => in_region(home),
        }
    }
}
