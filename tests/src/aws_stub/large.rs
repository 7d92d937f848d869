//! A large account as scans see it: users, roles and policies, buckets, and what lies in seventeen regions, three of them busy.
//!
//! Nothing is stored: each answer is made from the number of the resource, with pages as long as AWS's and items about as long
//! as AWS's, for what an answer weighs is what is measured. Answers take time, and IAM may have a rate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use keepwatch_aws::runtime::now;
use keepwatch_base::time::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::Form;
use crate::http::{Request, Response};
use crate::lock;

/// The regions that are on in every account (Account Management reference, "Enable or disable AWS Regions"); the first three are
/// busy.
pub const REGIONS: [&str; 17] = [
    "us-east-1",
    "eu-west-1",
    "eu-central-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-north-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
];

/// How many of them have more than AWS put there.
const BUSY: usize = 3;

const ACCOUNT: &str = "111122223333";

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// IAM users. Roles are half as many, customer managed policies a third, groups a twentieth.
    pub users: usize,
    /// Buckets.
    pub buckets: usize,
    /// Security groups, instances, functions in each busy region; of rules, volumes, snapshots and network interfaces there are
    /// twice to four times as many.
    pub in_region: usize,
}

/// What was asked so far.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Calls by service and operation, those included that were throttled.
    pub calls: BTreeMap<String, usize>,
    /// Calls by region.
    pub regions: BTreeMap<String, usize>,
    /// Calls that were throttled.
    pub throttled: usize,
    /// Bytes of all answers.
    pub bytes: usize,
    /// The longest answer: its bytes, and the operation.
    pub longest: (usize, String),
    /// When the first call came.
    pub first: Option<Instant>,
    /// The most calls that were under way at once.
    pub at_once: usize,
    under_way: usize,
    /// The same for each host: AWS has one for each service and region, and each has connections of its own.
    hosts: BTreeMap<(String, String), (usize, usize)>,
}

impl Asked {
    /// How many calls there were.
    pub fn total(&self) -> usize {
        self.calls.values().sum()
    }

    /// How many connections AWS's hosts would have had in all, and how many hosts there are.
    pub fn connections(&self) -> (usize, usize) {
        (self.hosts.values().map(|(_, most)| most).sum(), self.hosts.len())
    }
}

/// Calls that IAM still allows.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The account.
#[derive(Debug)]
pub struct Large {
    size: Size,
    latency: Duration,
    /// How many calls a second IAM allows; it gives as many at once after a pause.
    iam_rate: Option<f64>,
    bucket: Mutex<Bucket>,
    asked: Mutex<Asked>,
}

impl Large {
    /// An account of this size, whose answers take so long.
    pub fn new(size: Size, latency: Duration, iam_rate: Option<f64>) -> Large {
        let bucket = Mutex::new(Bucket { tokens: iam_rate.unwrap_or_default(), at: Instant::now() });
        Large { size, latency, iam_rate, bucket, asked: Mutex::default() }
    }

    /// What was asked since the last time that this was called.
    pub fn take_asked(&self) -> Asked {
        std::mem::take(&mut lock(&self.asked))
    }

    /// The answer to a call about the account; nothing for calls of the functions' own tables and queues.
    pub(super) fn answer(&self, request: &Request) -> Option<Response> {
        let credential = request.header("authorization")?.split("Credential=").nth(1)?;
        let mut scope = credential.split('/').skip(2);
        let (region, service) = (scope.next()?, scope.next()?);
        let call = Call::of(service, region, request)?;
        let host = (service.to_owned(), region.to_owned());
        let throttled = service == "iam" && !self.allowed();
        {
            let mut asked = lock(&self.asked);
            asked.first.get_or_insert_with(Instant::now);
            *asked.calls.entry(format!("{service}:{}", call.name)).or_default() += 1;
            *asked.regions.entry(region.to_owned()).or_default() += 1;
            asked.throttled += usize::from(throttled);
            asked.under_way += 1;
            asked.at_once = asked.at_once.max(asked.under_way);
            let (under_way, most) = asked.hosts.entry(host.clone()).or_default();
            *under_way += 1;
            *most = (*most).max(*under_way);
        }
        thread::sleep(self.latency);
        let response = match throttled {
            true => xml(
                400,
                "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>",
            ),
            false => self.told(&call),
        };
        let mut asked = lock(&self.asked);
        asked.under_way = asked.under_way.saturating_sub(1);
        if let Some((under_way, _)) = asked.hosts.get_mut(&host) {
            *under_way = under_way.saturating_sub(1);
        }
        asked.bytes += response.body.len();
        if response.body.len() > asked.longest.0 {
            asked.longest = (response.body.len(), call.name.clone());
        }
        Some(response)
    }

    fn allowed(&self) -> bool {
        let Some(rate) = self.iam_rate else { return true };
        let mut bucket = lock(&self.bucket);
        let passed = bucket.at.elapsed().as_secs_f64();
        bucket.at = Instant::now();
        bucket.tokens = (bucket.tokens + passed * rate).min(rate);
        let allowed = bucket.tokens >= 1.0;
        bucket.tokens -= f64::from(u8::from(allowed));
        allowed
    }

    fn told(&self, call: &Call) -> Response {
        match call.service.as_str() {
            "iam" => self.iam(call),
            "s3" => self.s3(call),
            "ec2" => self.ec2(call),
            "rds" => self.rds(call),
            "monitoring" => xml(200, format!("<{0}Response><{0}Result/></{0}Response>", call.name)),
            "cloudfront" => xml(200, "<DistributionList/>"),
            _ => self.json(call),
        }
    }

    fn roles(&self) -> usize {
        self.size.users / 2
    }

    fn groups(&self) -> usize {
        self.size.users.div_ceil(20)
    }

    fn policies(&self) -> usize {
        self.size.users / 3
    }

    /// How many of something lie in a region, where a busy one has so many and another one so few.
    fn here(&self, call: &Call, times: usize, else_: usize) -> usize {
        match call.is_busy() {
            true => self.size.in_region * times,
            false => else_,
        }
    }

    // --- IAM ---

    fn iam(&self, call: &Call) -> Response {
        let inner = match call.name.as_str() {
            "GetAccountSummary" => {
                let entry = |(key, value): (&str, usize)| {
                    format!("<entry><key>{key}</key><value>{value}</value></entry>")
                };
                let all = [
                    ("AccountMFAEnabled", 1),
                    ("AccountPasswordPresent", 1),
                    ("AccountAccessKeysPresent", 0),
                    ("Users", self.size.users),
                ];
                format!("<SummaryMap>{}</SummaryMap>", all.map(entry).concat())
            }
            "GenerateCredentialReport" => "<State>COMPLETE</State>".to_owned(),
            "GetCredentialReport" => {
                format!(
                    "<Content>{}</Content><GeneratedTime>{}</GeneratedTime>",
                    base64(self.report().as_bytes()),
                    now()
                )
            }
            "GetAccountAuthorizationDetails" => self.authorization(call),
            "ListVirtualMFADevices" => {
                let page = call.page(self.size.users / 2, 100);
                let mut items = String::new();
                for number in page.items {
                    let user = user(number * 2);
                    let _ = write!(
                        items,
                        "<member><SerialNumber>arn:aws:iam::{ACCOUNT}:mfa/{user}</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate>\
                         <User><Path>/</Path><UserName>{user}</UserName><UserId>AIDA{number:016}</UserId><Arn>{}</Arn>\
                         <CreateDate>2025-01-01T00:00:00Z</CreateDate></User></member>",
                        arn("user", &user)
                    );
                }
                format!("<VirtualMFADevices>{items}</VirtualMFADevices>{}", more(page.next))
            }
            "ListMFADevices" => {
                let user = call.form("UserName");
                format!(
                    "<IsTruncated>false</IsTruncated><MFADevices><member><UserName>{user}</UserName><SerialNumber>arn:aws:iam::{ACCOUNT}:mfa/{user}</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate></member></MFADevices>"
                )
            }
            "ListAccessKeys" => {
                let user = call.form("UserName");
                let number: usize =
                    user.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default();
                format!(
                    "<IsTruncated>false</IsTruncated><AccessKeyMetadata><member><UserName>{user}</UserName><AccessKeyId>AKIA{number:016}</AccessKeyId><Status>Active</Status><CreateDate>{}</CreateDate></member></AccessKeyMetadata>",
                    days_ago(key_age(number))
                )
            }
            "ListSAMLProviders" => "<SAMLProviderList/>".to_owned(),
            "ListOpenIDConnectProviders" => "<OpenIDConnectProviderList/>".to_owned(),
            "GetAccountPasswordPolicy" => return iam_error(404, "NoSuchEntity"),
            "ListOrganizationsFeatures" => {
                return iam_error(400, "AccountNotManagementOrDelegatedAdministratorException");
            }
            _ => return iam_error(403, "AccessDenied"),
        };
        xml(
            200,
            format!(
                "<{0}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{0}Result>{inner}</{0}Result></{0}Response>",
                call.name
            ),
        )
    }

    /// The credential report. Every second user has a password, and every third of those no MFA; every second has a key.
    fn report(&self) -> String {
        let mut text = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,\
            mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,\
            access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,\
            access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,\
            cert_2_last_rotated\n".to_owned();
        let _ = writeln!(
            text,
            "<root_account>,arn:aws:iam::{ACCOUNT}:root,2020-01-01T00:00:00+00:00,not_supported,2026-01-01T00:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
        );
        for number in 0..self.size.users {
            let (name, made) = (user(number), days_ago(300));
            let password = match number % 2 {
                0 => format!("true,{},{},N/A,{}", days_ago(3), days_ago(60), number % 6 != 0),
                _ => "false,N/A,N/A,N/A,false".to_owned(),
            };
            let key = match number % 4 {
                0 | 1 => format!("true,{},{},us-east-1,s3", days_ago(key_age(number)), days_ago(1)),
                _ => "false,N/A,N/A,N/A,N/A".to_owned(),
            };
            let _ = writeln!(
                text,
                "{name},{},{made},{password},{key},false,N/A,N/A,N/A,N/A,false,N/A,false,N/A",
                arn("user", &name)
            );
        }
        text
    }

    /// Users, then groups, roles and policies, in one list, whose pages are as long as was asked for.
    fn authorization(&self, call: &Call) -> String {
        let counts = [self.size.users, self.groups(), self.roles(), self.policies()];
        let longest = call.form("MaxItems").parse().unwrap_or(100);
        let page = call.page(counts.iter().sum(), longest);
        let mut lists = [const { String::new() }; 4];
        for item in page.items {
            let (mut kind, mut number) = (0, item);
            while number >= counts[kind] {
                number -= counts[kind];
                kind += 1;
            }
            lists[kind] += &match kind {
                0 => self.user(number),
                1 => group(number),
                2 => role(number),
                _ => policy(number),
            };
        }
        let [users, groups, roles, policies] = lists;
        format!(
            "<UserDetailList>{users}</UserDetailList><GroupDetailList>{groups}</GroupDetailList><RoleDetailList>{roles}</RoleDetailList>\
             <Policies>{policies}</Policies>{}",
            more(page.next)
        )
    }

    /// A user in three groups. Every tenth has an inline policy, every fiftieth is an administrator.
    fn user(&self, number: usize) -> String {
        let name = user(number);
        let mut groups = String::new();
        for group in 0..3 {
            let _ = write!(groups, "<member>{}</member>", group_name((number + 7 * group) % self.groups()));
        }
        let inline = match number % 10 {
            3 => format!(
                "<member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member>",
                document(number, 3)
            ),
            _ => String::new(),
        };
        let managed = if number.is_multiple_of(50) {
            attached("AdministratorAccess", "arn:aws:iam::aws:policy/AdministratorAccess")
        } else {
            String::new()
        };
        format!(
            "<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{number:016}</UserId><Arn>{}</Arn>\
             <CreateDate>2025-01-01T00:00:00Z</CreateDate><GroupList>{groups}</GroupList><UserPolicyList>{inline}</UserPolicyList>\
             <AttachedManagedPolicies>{managed}</AttachedManagedPolicies><Tags><member><Key>team</Key><Value>team-{}</Value></member>\
             <member><Key>cost-center</Key><Value>{}</Value></member></Tags></member>",
            arn("user", &name),
            number % 17,
            number % 97
        )
    }

    // --- S3 ---

    fn s3(&self, call: &Call) -> Response {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        if path.starts_with("/v20180820/") {
            return s3_error("NoSuchPublicAccessBlockConfiguration");
        }
        let name = path.trim_matches('/');
        let number: usize = name.rsplit('-').next().and_then(|text| text.parse().ok()).unwrap_or_default();
        if name.is_empty() {
            let longest = self.size.buckets;
            let mut items = String::new();
            for number in 0..longest {
                let region = REGIONS[number % BUSY];
                let _ = write!(
                    items,
                    "<Bucket><Name>bucket-of-{ACCOUNT}-{number}</Name><CreationDate>2025-01-01T00:00:00.000Z</CreationDate><BucketRegion>{region}</BucketRegion></Bucket>"
                );
            }
            return xml(
                200,
                format!("<ListAllMyBucketsResult><Buckets>{items}</Buckets></ListAllMyBucketsResult>"),
            );
        }
        match query.split(['&', '=']).next().unwrap_or_default() {
            "publicAccessBlock" if number.is_multiple_of(4) => {
                s3_error("NoSuchPublicAccessBlockConfiguration")
            }
            "publicAccessBlock" => xml(
                200,
                "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
            ),
            "policy" if number.is_multiple_of(2) => {
                Response::new(200, "application/json", bucket_policy(name))
            }
            "policy" => s3_error("NoSuchBucketPolicy"),
            "acl" => xml(
                200,
                "<AccessControlPolicy><Owner><ID>0123456789abcdef</ID></Owner><AccessControlList><Grant><Grantee><ID>0123456789abcdef</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>",
            ),
            "ownershipControls" => xml(
                200,
                "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
            ),
            "encryption" => xml(
                200,
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
            ),
            "versioning" if number.is_multiple_of(3) => {
                xml(200, "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
            }
            "versioning" => xml(200, "<VersioningConfiguration/>"),
            "logging" => xml(200, "<BucketLoggingStatus/>"),
            _ => s3_error("NotImplemented"),
        }
    }

    // --- EC2 ---

    fn ec2(&self, call: &Call) -> Response {
        let (list, count, item): (&str, usize, fn(&Call, usize) -> String) = match call.name.as_str() {
            "DescribeRegions" => ("regionInfo", REGIONS.len(), |_, number| {
                format!(
                    "<item><regionName>{}</regionName><optInStatus>opt-in-not-required</optInStatus></item>",
                    REGIONS[number]
                )
            }),
            "DescribeVpcs" => ("vpcSet", if call.is_busy() { 4 } else { 1 }, |_, number| {
                format!(
                    "<item><vpcId>vpc-{number:017}</vpcId><ownerId>{ACCOUNT}</ownerId><isDefault>{}</isDefault><cidrBlock>10.0.0.0/16</cidrBlock></item>",
                    number == 0
                )
            }),
            "DescribeSecurityGroups" => ("securityGroupInfo", self.here(call, 1, 1), security_group),
            "DescribeSecurityGroupRules" => {
                ("securityGroupRuleSet", self.here(call, 4, 2), security_group_rule)
            }
            "DescribeNetworkInterfaces" => ("networkInterfaceSet", self.here(call, 2, 0), interface),
            "DescribeInstances" => ("reservationSet", self.here(call, 1, 0), instance),
            "DescribeVolumes" => ("volumeSet", self.here(call, 2, 0), volume),
            "DescribeSnapshots" if call.form("RestorableBy.1").is_empty() => {
                ("snapshotSet", self.here(call, 4, 0), snapshot)
            }
            "DescribeSnapshots" => ("snapshotSet", 0, snapshot),
            "DescribeFlowLogs" => ("flowLogSet", 0, snapshot),
            "GetEbsEncryptionByDefault" => {
                return xml(200, "<R><ebsEncryptionByDefault>true</ebsEncryptionByDefault></R>");
            }
            "GetSnapshotBlockPublicAccessState" => {
                return xml(200, "<R><state>block-new-sharing</state></R>");
            }
            _ => {
                return xml(
                    403,
                    "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>by the stub</Message></Error></Errors></Response>",
                );
            }
        };
        let longest = call.form("MaxResults").parse().unwrap_or(1_000);
        let page = call.page(count, longest);
        let items: String = page.items.map(|number| item(call, number)).collect();
        let next = page.next.map(|next| format!("<nextToken>{next}</nextToken>")).unwrap_or_default();
        xml(
            200,
            format!(
                "<{0}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><{list}>{items}</{list}>{next}</{0}Response>",
                call.name
            ),
        )
    }

    // --- RDS ---

    fn rds(&self, call: &Call) -> Response {
        let count = self.here(call, 1, 0).div_ceil(5);
        let (lists, item): (&str, fn(&Call, usize) -> String) = match call.name.as_str() {
            "DescribeDBInstances" => ("DBInstances", database),
            "DescribeDBSnapshots" => ("DBSnapshots", |call, number| {
                let id = format!("snapshot-{number:05}");
                format!(
                    "<DBSnapshot><DBSnapshotIdentifier>{id}</DBSnapshotIdentifier><DBSnapshotArn>arn:aws:rds:{}:{ACCOUNT}:snapshot:{id}</DBSnapshotArn><Encrypted>true</Encrypted>{}</DBSnapshot>",
                    call.region,
                    filling("SnapshotTag", 8)
                )
            }),
            "DescribeDBSnapshotAttributes" => {
                return xml(
                    200,
                    "<R><DescribeDBSnapshotAttributesResult><DBSnapshotAttributesResult><DBSnapshotAttributes><DBSnapshotAttribute><AttributeName>restore</AttributeName><AttributeValues/></DBSnapshotAttribute></DBSnapshotAttributes></DBSnapshotAttributesResult></DescribeDBSnapshotAttributesResult></R>",
                );
            }
            _ => return xml(200, format!("<{0}Response><{0}Result/></{0}Response>", call.name)),
        };
        let page = call.page(count, 100);
        let items: String = page.items.map(|number| item(call, number)).collect();
        let next = page.next.map(|next| format!("<Marker>{next}</Marker>")).unwrap_or_default();
        xml(
            200,
            format!(
                "<{0}Response><{0}Result><{lists}>{items}</{lists}>{next}</{0}Result></{0}Response>",
                call.name
            ),
        )
    }

    // --- what answers in JSON ---

    fn json(&self, call: &Call) -> Response {
        let region = &call.region;
        let list = |name: &str, token: &str, count: usize, longest: usize, item: &dyn Fn(usize) -> Value| {
            let page = call.page(count, longest);
            let mut body = json!({name: page.items.map(item).collect::<Vec<_>>()});
            if let Some(next) = page.next {
                body[token] = json!(next.to_string());
            }
            body
        };
        let key_id = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
        let body = match call.name.as_str() {
            // A page has fifty functions (Lambda API reference, ListFunctions).
            "ListFunctions" => {
                list("Functions", "NextMarker", self.here(call, 1, 0), 50, &|number| function(region, number))
            }
            "ListKeys" => list(
                "Keys",
                "NextMarker",
                self.here(call, 1, 0).div_ceil(4) + 2,
                1_000,
                &|number| json!({"KeyId": key_id(number), "KeyArn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", key_id(number))}),
            ),
            "ListAliases" => list(
                "Aliases",
                "NextMarker",
                2,
                100,
                &|number| json!({"AliasName": format!("alias/aws/{}", ["ebs", "lambda"][number]), "TargetKeyId": key_id(number)}),
            ),
            "DescribeKey" => {
                let id = call.body["KeyId"].as_str().unwrap_or_default();
                json!({"KeyMetadata": {"KeyId": id, "Arn": format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}"), "KeyState": "Enabled", "KeyManager": "CUSTOMER", "Description": "of an application", "KeyUsage": "ENCRYPT_DECRYPT"}})
            }
            "DescribeTrails" => {
                json!({"trailList": [{"Name": "main", "S3BucketName": format!("bucket-of-{ACCOUNT}-0"), "IncludeGlobalServiceEvents": true, "IsMultiRegionTrail": true, "HomeRegion": "us-east-1", "TrailARN": format!("arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"), "LogFileValidationEnabled": true, "IsOrganizationTrail": false}]})
            }
            "GetTrailStatus" => json!({"IsLogging": true}),
            "GetEventSelectors" => {
                json!({"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": true}]})
            }
            "GetInsightSelectors" => json!({"InsightSelectors": []}),
            "ListRules" => list(
                "Rules",
                "NextToken",
                self.here(call, 1, 2),
                100,
                &|number| json!({"Name": format!("rule-{number}"), "Arn": format!("arn:aws:events:{region}:{ACCOUNT}:rule/rule-{number}"), "State": "ENABLED", "EventPattern": "{\"source\": [\"aws.ec2\"], \"detail-type\": [\"EC2 Instance State-change Notification\"]}"}),
            ),
            "ListServiceQuotas" => {
                let service = call.body["ServiceCode"].as_str().unwrap_or_default();
                let count = if service == "ec2" { 160 } else { 40 };
                list("Quotas", "NextToken", count, 100, &|number| quota(service, number))
            }
            "GET /accounts" if call.service == "securityhub" => {
                json!({"HubArn": format!("arn:aws:securityhub:{region}:{ACCOUNT}:hub/default")})
            }
            "DescribeOrganization" | "ListAccounts" => return refused("AWSOrganizationsNotInUseException"),
            "GetAlternateContact" => return refused("ResourceNotFoundException"),
            // An empty list.
            _ => json!({}),
        };
        Response::new(200, "application/x-amz-json-1.1", body.to_string())
    }
}

/// A call about the account.
struct Call {
    service: String,
    region: String,
    name: String,
    path: String,
    form: Form,
    body: Value,
}

/// The items of a page, and the token of the next one.
struct Page {
    items: Range<usize>,
    next: Option<usize>,
}

impl Call {
    fn of(service: &str, region: &str, request: &Request) -> Option<Call> {
        let target = request.header("x-amz-target").and_then(|target| target.rsplit_once('.'));
        let own = matches!(service, "dynamodb" | "sqs" | "sns" | "sts");
        let name = match target {
            // The functions' own business, not the account's state.
            Some((_, "LookupEvents" | "StartLogging")) => return None,
            Some((_, operation)) => operation.to_owned(),
            None => String::new(),
        };
        if own {
            return None;
        }
        let form = if target.is_none() && !request.body.is_empty() {
            super::form(&request.body)
        } else {
            Form::new()
        };
        let path = request.path.split('?').next().unwrap_or_default();
        let name = match (form.get("Action"), service) {
            _ if !name.is_empty() => name,
            (Some(action), _) => action.clone(),
            (None, "s3") => format!(
                "GET {}",
                request
                    .path
                    .split('?')
                    .nth(1)
                    .unwrap_or_default()
                    .split(['=', '&'])
                    .next()
                    .unwrap_or_default()
            ),
            (None, "lambda") => "ListFunctions".to_owned(),
            (None, "account") => "GetAlternateContact".to_owned(),
            (None, _) => format!("GET {path}"),
        };
        let body = if form.is_empty() {
            serde_json::from_str(&request.body).unwrap_or_default()
        } else {
            Value::Null
        };
        Some(Call {
            service: service.to_owned(),
            region: region.to_owned(),
            name,
            path: request.path.clone(),
            form,
            body,
        })
    }

    fn form(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    fn is_busy(&self) -> bool {
        REGIONS[..BUSY].contains(&self.region.as_str())
    }

    /// A page of so many: its token is the number of its first item.
    fn page(&self, count: usize, longest: usize) -> Page {
        let query = || {
            self.path
                .split_once('?')
                .and_then(|(_, query)| query.split('&').find_map(|pair| pair.strip_prefix("Marker=")))
        };
        let in_body = ["NextToken", "Marker", "nextToken"].iter().find_map(|name| self.body[*name].as_str());
        let in_form =
            ["NextToken", "Marker"].iter().find_map(|name| self.form.get(*name).map(String::as_str));
        let first: usize =
            in_body.or(in_form).or_else(query).and_then(|token| token.parse().ok()).unwrap_or(0);
        let end = count.min(first + longest);
        Page { items: first.min(end)..end, next: (end < count).then_some(end) }
    }
}

fn xml(status: u16, body: impl Into<String>) -> Response {
    Response::new(status, "text/xml", body)
}

fn iam_error(status: u16, code: &str) -> Response {
    xml(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>by the stub</Message></Error></ErrorResponse>"
        ),
    )
}

fn s3_error(code: &str) -> Response {
    xml(404, format!("<Error><Code>{code}</Code></Error>"))
}

fn refused(code: &str) -> Response {
    Response::new(
        400,
        "application/x-amz-json-1.1",
        json!({"__type": code, "message": "by the stub"}).to_string(),
    )
}

fn more(next: Option<usize>) -> String {
    match next {
        Some(next) => format!("<IsTruncated>true</IsTruncated><Marker>{next}</Marker>"),
        None => "<IsTruncated>false</IsTruncated>".to_owned(),
    }
}

/// As RFC 4648 has it.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn days_ago(days: u64) -> Timestamp {
    now().minus(Duration::from_secs(days * 86_400))
}

fn user(number: usize) -> String {
    format!("person.number-{number:05}")
}

/// Every eighth user has an old key.
fn key_age(number: usize) -> u64 {
    if number % 8 < 2 { 200 } else { 30 }
}

fn group_name(number: usize) -> String {
    format!("group-of-people-{number:03}")
}

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}")
}

fn attached(name: &str, arn: &str) -> String {
    format!("<member><PolicyName>{name}</PolicyName><PolicyArn>{arn}</PolicyArn></member>")
}

/// A policy of so many statements of some 250 characters, encoded as IAM does.
fn document(number: usize, statements: usize) -> String {
    let statement = |part: usize| {
        json!({
            "Sid": format!("Statement{part}"),
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "dynamodb:GetItem", "dynamodb:Query", "sqs:SendMessage"],
            "Resource": [format!("arn:aws:s3:::bucket-{number}-{part}/*"), format!("arn:aws:dynamodb:*:{ACCOUNT}:table/table-{number}")],
        })
    };
    encoded(
        &json!({"Version": "2012-10-17", "Statement": (0..statements).map(statement).collect::<Vec<_>>()}),
    )
}

fn encoded(document: &Value) -> String {
    utf8_percent_encode(&document.to_string(), NON_ALPHANUMERIC).to_string()
}

fn group(number: usize) -> String {
    let name = group_name(number);
    format!(
        "<member><Path>/</Path><GroupName>{name}</GroupName><GroupId>AGPA{number:016}</GroupId><Arn>{}</Arn><CreateDate>2025-01-01T00:00:00Z</CreateDate>\
         <GroupPolicyList><member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member></GroupPolicyList>\
         <AttachedManagedPolicies>{}</AttachedManagedPolicies></member>",
        arn("group", &name),
        document(number, 4),
        attached(&policy_name(number), &arn("policy", &policy_name(number)))
    )
}

fn role(number: usize) -> String {
    let name = format!("role-of-application-{number:05}");
    let trust = encoded(
        &json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}]}),
    );
    let used = days_ago(if number.is_multiple_of(5) { 200 } else { 2 });
    format!(
        "<member><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA{number:016}</RoleId><Arn>{}</Arn><CreateDate>2025-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument><InstanceProfileList><member><InstanceProfileName>{name}</InstanceProfileName></member></InstanceProfileList>\
         <RolePolicyList><member><PolicyName>own</PolicyName><PolicyDocument>{}</PolicyDocument></member></RolePolicyList>\
         <AttachedManagedPolicies>{}</AttachedManagedPolicies><RoleLastUsed><LastUsedDate>{used}</LastUsedDate><Region>us-east-1</Region></RoleLastUsed></member>",
        arn("role", &name),
        document(number, 5),
        attached(&policy_name(number / 2), &arn("policy", &policy_name(number / 2)))
    )
}

fn policy_name(number: usize) -> String {
    format!("policy-of-application-{number:05}")
}

/// A customer managed policy: IAM tells all its versions with their text, of which there are five at most.
fn policy(number: usize) -> String {
    let name = policy_name(number);
    let mut versions = String::new();
    for version in 1..=3 {
        let _ = write!(
            versions,
            "<member><Document>{}</Document><VersionId>v{version}</VersionId><IsDefaultVersion>{}</IsDefaultVersion><CreateDate>2025-01-01T00:00:00Z</CreateDate></member>",
            document(number, 10),
            version == 3
        );
    }
    format!(
        "<member><PolicyName>{name}</PolicyName><PolicyId>ANPA{number:016}</PolicyId><Arn>{}</Arn><Path>/</Path><DefaultVersionId>v3</DefaultVersionId>\
         <AttachmentCount>2</AttachmentCount><IsAttachable>true</IsAttachable><PolicyVersionList>{versions}</PolicyVersionList></member>",
        arn("policy", &name)
    )
}

fn bucket_policy(name: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "OnlyTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [format!("arn:aws:s3:::{name}"), format!("arn:aws:s3:::{name}/*")], "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {"Sid": "Application", "Effect": "Allow", "Principal": {"AWS": arn("role", "role-of-application-00001")}, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": format!("arn:aws:s3:::{name}/*")},
    ]}).to_string()
}

/// Parts of an answer that nobody reads, so many of some 90 characters: AWS's items are long.
fn filling(name: &str, parts: usize) -> String {
    let part = |part| {
        format!("<item><key>{name}-{part}</key><value>a value of some length, number {part}</value></item>")
    };
    format!("<filling>{}</filling>", (0..parts).map(part).collect::<String>())
}

/// The tags of a resource.
fn tags(number: usize) -> String {
    format!(
        "<tagSet><item><key>Name</key><value>resource-{number}</value></item><item><key>team</key><value>team-{}</value></item><item><key>environment</key><value>production</value></item></tagSet>",
        number % 17
    )
}

fn group_id(number: usize) -> String {
    format!("sg-{number:017}")
}

/// Every twentieth group lets everybody in by SSH.
fn range(number: usize) -> &'static str {
    if number.is_multiple_of(20) { "0.0.0.0/0" } else { "10.0.0.0/8" }
}

fn security_group(_: &Call, number: usize) -> String {
    let name = if number == 0 { "default".to_owned() } else { format!("group-{number}") };
    format!(
        "<item><ownerId>{ACCOUNT}</ownerId><groupId>{}</groupId><groupName>{name}</groupName><groupDescription>of an application</groupDescription><vpcId>vpc-00000000000000000</vpcId>\
         <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>22</fromPort><toPort>22</toPort><groups/><ipRanges><item><cidrIp>{}</cidrIp></item></ipRanges></item>\
         <item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups/><ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item><item><cidrIp>172.16.0.0/12</cidrIp></item></ipRanges></item></ipPermissions>\
         <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges></item></ipPermissionsEgress>{}</item>",
        group_id(number),
        range(number),
        tags(number)
    )
}

fn security_group_rule(_: &Call, number: usize) -> String {
    let (group, part) = (number / 4, number % 4);
    let (egress, protocol, port, range) = match part {
        0 => (false, "tcp", 22, range(group)),
        1 => (false, "tcp", 443, "10.0.0.0/8"),
        2 => (false, "tcp", 443, "172.16.0.0/12"),
        _ => (true, "-1", -1, "0.0.0.0/0"),
    };
    format!(
        "<item><securityGroupRuleId>sgr-{number:017}</securityGroupRuleId><groupId>{}</groupId><groupOwnerId>{ACCOUNT}</groupOwnerId><isEgress>{egress}</isEgress>\
         <ipProtocol>{protocol}</ipProtocol><fromPort>{port}</fromPort><toPort>{port}</toPort><cidrIpv4>{range}</cidrIpv4><description>of an application</description><tagSet/></item>",
        group_id(group)
    )
}

fn interface(_: &Call, number: usize) -> String {
    format!(
        "<item><networkInterfaceId>eni-{number:017}</networkInterfaceId><subnetId>subnet-{:017}</subnetId><vpcId>vpc-00000000000000000</vpcId>\
         <groupSet><item><groupId>{1}</groupId><groupName>group</groupName></item></groupSet>{2}{3}</item>",
        number % 6,
        group_id(number / 2),
        tags(number),
        filling("interface", 10)
    )
}

fn instance(call: &Call, number: usize) -> String {
    let profile = match number % 10 {
        0 => String::new(),
        _ => format!(
            "<iamInstanceProfile><arn>{}</arn><id>AIPA{number:016}</id></iamInstanceProfile>",
            arn("instance-profile", "application")
        ),
    };
    format!(
        "<item><reservationId>r-{number:017}</reservationId><ownerId>{ACCOUNT}</ownerId><instancesSet><item><instanceId>i-{number:017}</instanceId>\
         <instanceState><code>16</code><name>running</name></instanceState><placement><availabilityZone>{}a</availabilityZone></placement><vpcId>vpc-00000000000000000</vpcId>{profile}{}{}</item></instancesSet></item>",
        call.region,
        tags(number),
        filling("instance", 45)
    )
}

fn volume(_: &Call, number: usize) -> String {
    format!(
        "<item><volumeId>vol-{number:017}</volumeId><size>8</size><encrypted>{}</encrypted><attachmentSet><item><volumeId>vol-{number:017}</volumeId><instanceId>i-{:017}</instanceId><device>/dev/xvda</device><status>attached</status></item></attachmentSet>{}</item>",
        !number.is_multiple_of(10),
        number / 2,
        tags(number)
    )
}

fn snapshot(_: &Call, number: usize) -> String {
    format!(
        "<item><snapshotId>snap-{number:017}</snapshotId><volumeId>vol-{:017}</volumeId><status>completed</status><startTime>{}</startTime><ownerId>{ACCOUNT}</ownerId><encrypted>true</encrypted>{}</item>",
        number / 2,
        days_ago(if number.is_multiple_of(2) { 1 } else { 8 }),
        tags(number)
    )
}

fn database(call: &Call, number: usize) -> String {
    let id = format!("database-{number:05}");
    format!(
        "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceArn>arn:aws:rds:{}:{ACCOUNT}:db:{id}</DBInstanceArn><Engine>postgres</Engine>\
         <BackupRetentionPeriod>{}</BackupRetentionPeriod>{}</DBInstance>",
        call.region,
        if number.is_multiple_of(4) { 0 } else { 7 },
        filling("database", 50)
    )
}

fn function(region: &str, number: usize) -> Value {
    let variables: BTreeMap<String, String> = (0..10)
        .map(|part| {
            (format!("VARIABLE_{part}"), format!("https://service-{part}.example.com/of/function/{number}"))
        })
        .collect();
    json!({
        "FunctionArn": format!("arn:aws:lambda:{region}:{ACCOUNT}:function:function-{number}"),
        "FunctionName": format!("function-{number}"),
        "Runtime": if number.is_multiple_of(15) { "python3.9" } else { "python3.13" },
        "PackageType": "Zip",
        "Handler": "handler.handle",
        "Role": arn("role", &format!("role-of-application-{number:05}")),
        "Description": "does what the application needs, whenever something comes",
        "Environment": {"Variables": variables},
        "CodeSha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Layers": [{"Arn": format!("arn:aws:lambda:{region}:{ACCOUNT}:layer:tracing:12"), "CodeSize": 123_456}],
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": format!("/aws/lambda/function-{number}")},
    })
}

fn quota(service: &str, number: usize) -> Value {
    let mut quota = json!({
        "ServiceCode": service,
        "ServiceName": service,
        "QuotaArn": format!("arn:aws:servicequotas:us-east-1:{ACCOUNT}:{service}/L-{number:08}"),
        "QuotaCode": format!("L-{number:08}"),
        "QuotaName": format!("How many of the things of kind {number} there may be in a region"),
        "Value": 100.0,
        "Unit": "None",
        "Adjustable": true,
    });
    if number.is_multiple_of(4) {
        quota["UsageMetric"] = json!({
            "MetricNamespace": "AWS/Usage",
            "MetricName": "ResourceCount",
            "MetricDimensions": {"Class": "None", "Resource": format!("thing-{number}"), "Service": service, "Type": "Resource"},
            "MetricStatisticRecommendation": "Maximum",
        });
    }
    quota
}
