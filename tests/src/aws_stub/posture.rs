//! An account as scans see it: buckets with their ACL and policy, and security groups with their rules, in one region of two.
//! Everything else is refused, as to a role that may not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::Form;
use crate::http::{Request, Response};

/// The account's regions; what there is lies in the first.
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A bucket.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Whether its ACL lets everybody read.
    pub public: bool,
    /// Its policy.
    pub policy: Option<String>,
}

/// A rule of a security group for traffic in, over TCP.
#[derive(Clone, Debug)]
pub struct GroupRule {
    /// `sgr-…`
    pub id: String,
    /// The port.
    pub port: u16,
    /// Who gets in.
    pub range: String,
}

/// The account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Its buckets, by name.
    pub buckets: BTreeMap<String, Bucket>,
    /// Its security groups, by id; each is in use.
    pub groups: BTreeMap<String, Vec<GroupRule>>,
    /// Operations that are refused.
    pub refused: BTreeSet<String>,
    /// Whether every list is empty, whatever there is.
    pub empty: bool,
}

const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>by the stub</Message></Error>";

fn xml(status: u16, body: impl Into<String>) -> Response {
    Response::new(status, "text/xml", body)
}

/// The region that the request is signed for: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn region(request: &Request) -> &str {
    let credential = request.header("authorization").and_then(|text| text.split("Credential=").nth(1));
    credential.and_then(|text| text.split('/').nth(2)).unwrap_or_default()
}

impl Account {
    /// The answer of EC2 to a query; nothing for what it does not know.
    pub(super) fn ec2(&self, action: &str, request: &Request, _: &Form) -> Option<Response> {
        if !matches!(
            action,
            "DescribeRegions"
                | "DescribeSecurityGroups"
                | "DescribeSecurityGroupRules"
                | "DescribeNetworkInterfaces"
                | "DescribeVpcs"
        ) {
            return None;
        }
        if self.refused.contains(action) {
            let body = "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>by the stub</Message></Error></Errors></Response>";
            return Some(xml(403, body));
        }
        let here = region(request) == REGIONS[0] && !self.empty;
        let mut items = String::new();
        let list = match action {
            "DescribeRegions" => {
                for name in REGIONS {
                    let _ = write!(items, "<item><regionName>{name}</regionName></item>");
                }
                "regionInfo"
            }
            "DescribeVpcs" => {
                if here {
                    items.push_str("<item><vpcId>vpc-1</vpcId><ownerId>111122223333</ownerId><isDefault>false</isDefault></item>");
                }
                "vpcSet"
            }
            "DescribeSecurityGroups" => {
                for group in self.groups.keys().filter(|_| here) {
                    let _ = write!(
                        items,
                        "<item><groupId>{group}</groupId><groupName>{group}</groupName><vpcId>vpc-1</vpcId>\
                         <ownerId>111122223333</ownerId></item>"
                    );
                }
                "securityGroupInfo"
            }
            "DescribeSecurityGroupRules" => {
                for (group, rule) in
                    self.groups.iter().flat_map(|(group, rules)| rules.iter().map(move |rule| (group, rule)))
                {
                    if here {
                        let GroupRule { id, port, range } = rule;
                        let _ = write!(
                            items,
                            "<item><securityGroupRuleId>{id}</securityGroupRuleId><groupId>{group}</groupId>\
                             <isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>{port}</fromPort>\
                             <toPort>{port}</toPort><cidrIpv4>{range}</cidrIpv4></item>"
                        );
                    }
                }
                "securityGroupRuleSet"
            }
            _ => {
                for group in self.groups.keys().filter(|_| here) {
                    let _ = write!(
                        items,
                        "<item><networkInterfaceId>eni-{group}</networkInterfaceId><vpcId>vpc-1</vpcId><subnetId>subnet-1</subnetId>\
                         <groupSet><item><groupId>{group}</groupId></item></groupSet></item>"
                    );
                }
                "networkInterfaceSet"
            }
        };
        Some(xml(200, format!("<{action}Response><{list}>{items}</{list}></{action}Response>")))
    }

    /// The answer of S3 to a request without a body.
    pub(super) fn s3(&self, request: &Request) -> Response {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        if path.starts_with("/v20180820/") {
            // No account-wide block was ever set.
            return xml(404, "<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>");
        }
        let name = path.trim_matches('/');
        let operation = match (name, query.split(['&', '=']).next().unwrap_or_default()) {
            ("", "max-buckets") => "ListBuckets",
            (_, "acl") => "GetBucketAcl",
            (_, "policy") => "GetBucketPolicy",
            (_, "publicAccessBlock") => "GetPublicAccessBlock",
            (_, "ownershipControls") => "GetBucketOwnershipControls",
            _ => return xml(403, DENIED),
        };
        if self.refused.contains(operation) {
            return xml(403, DENIED);
        }
        if operation == "ListBuckets" {
            let mut items = String::new();
            for name in self.buckets.keys().filter(|_| !self.empty) {
                let _ = write!(
                    items,
                    "<Bucket><Name>{name}</Name><BucketRegion>{}</BucketRegion></Bucket>",
                    REGIONS[0]
                );
            }
            return xml(
                200,
                format!("<ListAllMyBucketsResult><Buckets>{items}</Buckets></ListAllMyBucketsResult>"),
            );
        }
        let Some(bucket) = self.buckets.get(name) else {
            return xml(404, "<Error><Code>NoSuchBucket</Code></Error>");
        };
        match operation {
            "GetBucketAcl" => {
                let everybody = "<Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>";
                let grants = if bucket.public { everybody } else { "" };
                xml(
                    200,
                    format!(
                        "<AccessControlPolicy><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
                    ),
                )
            }
            "GetBucketPolicy" => match &bucket.policy {
                Some(policy) => Response::new(200, "application/json", policy.clone()),
                None => xml(404, "<Error><Code>NoSuchBucketPolicy</Code></Error>"),
            },
            "GetPublicAccessBlock" => {
                xml(404, "<Error><Code>NoSuchPublicAccessBlockConfiguration</Code></Error>")
            }
            _ => xml(
                200,
                "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
            ),
        }
    }
}
