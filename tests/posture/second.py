"""Seeds a second account behind cloud.py, of edge cases that seed.py has not, and writes the truth about it.

    python second.py --url http://127.0.0.1:PORT --out truth.json

A member account of an organization: root has no credentials, nobody has a password, S3 blocks all public access for the
whole account, two trails together record everything, and a second region is switched on that nobody uses. The truth was
written from the practices' descriptions before any scanner had seen the account; see seed.py for its words.
"""

import argparse
import io
import json
import urllib.request
import zipfile

import boto3
from botocore.config import Config

HOME, IDLE = "us-east-1", "eu-west-1"
OUTSIDE = "999988887777"

parser = argparse.ArgumentParser()
parser.add_argument("--url", required=True)
parser.add_argument("--out", required=True)
args = parser.parse_args()

SESSION = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=HOME)  # noqa: S106
TRUTH = []
STATE = {
    # No password, no key, no MFA: what Organizations makes.
    "root": {
        "password": False,
        "mfa": 0,
        "virtual_mfa": False,
        "keys": 0,
        "password_last_used_days": None,
        "key1_last_used_days": None,
    },
    "users": {},
    "roles": {},
    "snapshots": {HOME: {}},
}
EXTRA = {
    "analyzers": {
        HOME: [
            {
                "arn": f"arn:aws:access-analyzer:{HOME}:111122223333:analyzer/o",
                "name": "o",
                "type": "ORGANIZATION",
                "status": "ACTIVE",
                "createdAt": "2026-01-01T00:00:00Z",
            }
        ]
    },
    "selections": {
        HOME: [
            {
                "SelectionId": "00000000-0000-0000-0000-000000000001",
                "SelectionName": "all",
                "BackupPlanId": "p",
                "IamRoleArn": "arn:aws:iam::111122223333:role/app",
            }
        ]
    },
    # Whatever is shared with everybody is not any more.
    "snapshot_block": {HOME: "block-all-sharing"},
}


def client(service, region=HOME):
    config = Config(retries={"max_attempts": 2, "mode": "standard"}, read_timeout=120)
    made = SESSION.client(service, endpoint_url=args.url, region_name=region, config=config)
    # S3 Control's host begins with the account's number, which no name server knows here.
    made.meta.events.register("before-send.s3-control", lambda request, **_: back(request))
    return made


def back(request):
    request.url = request.url.replace(f"//{account}.", "//")


def post(path, data):
    request = urllib.request.Request(args.url + path, json.dumps(data).encode(), method="POST")  # noqa: S310
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return answer.read()


def truth(practice, resource, verdict, why, region="global", alt=()):
    line = {"practice": practice, "resource": resource, "region": region, "verdict": verdict, "why": why}
    TRUTH.append({**line, "alt": list(alt)})


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


post("/moto-api/reset", {})
post("/_bench/deny", {"rules": []})
post("/_bench/latency", {"ms": 0})
account = client("sts").get_caller_identity()["Account"]
root = f"arn:aws:iam::{account}:root"
iam = client("iam")


def user_arn(name):
    return f"arn:aws:iam::{account}:user/{name}"


def role_arn(name):
    return f"arn:aws:iam::{account}:role/{name}"


# --- root and the account ---------------------------------------------------------------------------------------------
truth("P01", root, "pass", "root has no key")
truth("P02", root, "na", "root has neither password nor key")
truth("P03", root, "na", "root has neither password nor key")
truth("P04", root, "pass", "root was never used", alt=["na"])
truth("P07", root, "info", "no password policy, and nobody has a password")
truth("P08", root, "fail", "no password policy, so no age")
truth("P09", root, "info", "no reuse prevention")
truth("P15", root, "info", "administrators are counted", alt=["pass", "fail"])


# --- users ------------------------------------------------------------------------------------------------------------
def user(name, path="/"):
    iam.create_user(UserName=name, Path=path)
    STATE["users"][name] = {"created": 300, "keys": []}


def key(name, created, used, active=True):
    made = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    if not active:
        iam.update_access_key(UserName=name, AccessKeyId=made, Status="Inactive")
    STATE["users"][name]["keys"].append({"created": created, "used": used})
    return f"{user_arn(name)}#{made}"


user("rotator")
old, new = key("rotator", 100, 1), key("rotator", 3, None)
truth("P17", old, "fail", "100 days old, though its successor is there")
truth("P17", new, "pass", "3 days old")
truth("P18", old, "pass", "used yesterday")
truth("P18", new, "pass", "never used, and three days old only")
truth("P10", user_arn("rotator"), "pass", "two keys for three days are a rotation", alt=["na", "info"])

user("both-off")
one, two = key("both-off", 400, 390, active=False), key("both-off", 400, None, active=False)
for gone in (one, two):
    truth("P17", gone, "pass", "switched off", alt=["na"])
    truth("P18", gone, "info", "switched off: delete it", alt=["na"])
truth("P10", user_arn("both-off"), "pass", "no key is active", alt=["na", "info"])

STAR = allow("*")
WITHOUT_MFA = {"Effect": "Deny", "NotAction": ["iam:*VirtualMFADevice", "sts:GetSessionToken"], "Resource": "*"}
user("guarded")
key("guarded", 10, 1)
condition = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
iam.put_user_policy(
    UserName="guarded", PolicyName="mfa", PolicyDocument=document(STAR, {**WITHOUT_MFA, "Condition": condition})
)
truth("P14", user_arn("guarded"), "pass", "nothing without MFA, long-lived keys included")
truth("P27", f"{user_arn('guarded')}#mfa", "fail", "Action * on Resource *; the Deny is conditional")
truth("P28", user_arn("guarded"), "fail", "an inline policy")
truth("P32", user_arn("guarded"), "fail", "an administrator with an active key")
user("weakly-guarded")
key("weakly-guarded", 10, 1)
condition = {"Bool": {"aws:MultiFactorAuthPresent": "false"}}
iam.put_user_policy(
    UserName="weakly-guarded", PolicyName="mfa", PolicyDocument=document(STAR, {**WITHOUT_MFA, "Condition": condition})
)
truth("P14", user_arn("weakly-guarded"), "fail", "Bool does not meet long-lived keys", alt=["info"])

user("pathed", path="/ops/eu/")
iam.put_user_policy(UserName="pathed", PolicyName="read", PolicyDocument=document(allow("s3:Get*", "arn:aws:s3:::a/*")))
truth("P28", user_arn("pathed"), "fail", "an inline policy; the user has a path")
truth("P31", user_arn("pathed"), "fail", "an inline policy on a user", alt=["info"])

# Power comes from two groups together: neither alone makes an administrator.
user("two-groups")
key("two-groups", 10, 1)
for group, statement in (("makers", allow("iam:CreatePolicyVersion")), ("readers", allow("s3:Get*"))):
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=document(statement))
    iam.add_user_to_group(GroupName=group, UserName="two-groups")
truth("P32", user_arn("two-groups"), "fail", "iam:CreatePolicyVersion on * makes an administrator")
truth("P28", user_arn("two-groups"), "pass", "by groups only")


# --- roles and policies -----------------------------------------------------------------------------------------------
def role(name, principal, created, used, action="sts:AssumeRole", condition=None):
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition:
        statement["Condition"] = condition
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(statement))
    STATE["roles"][name] = {"created": created, "used": used}


role("app", {"Service": "ec2.amazonaws.com"}, 400, 200)
truth("P26", role_arn("app"), "pass", "a service")
truth("P35", role_arn("app"), "info", "unused for 200 days", alt=["fail"])
role("own-account", {"AWS": account}, 100, 5)
truth("P26", role_arn("own-account"), "pass", "the account itself")
truth("P35", role_arn("own-account"), "pass", "used five days ago")
role("listed", {"AWS": [account, OUTSIDE]}, 50, None)
truth("P26", role_arn("listed"), "fail", "another account among the list, no external id")
truth("P35", role_arn("listed"), "pass", "fifty days old")
role("one-role", {"AWS": f"arn:aws:iam::{OUTSIDE}:role/deploy"}, 50, 1)
truth("P26", role_arn("one-role"), "fail", "a role of another account, no external id")
iam.create_open_id_connect_provider(
    Url="https://token.actions.githubusercontent.com",
    ThumbprintList=["6938fd4d98bab03faadb97b34396831e3780aea1"],
    ClientIDList=["sts.amazonaws.com"],
)
SUBJECT = "token.actions.githubusercontent.com:sub"
github = {"Federated": f"arn:aws:iam::{account}:oidc-provider/token.actions.githubusercontent.com"}
role("any-repo", github, 10, 1, "sts:AssumeRoleWithWebIdentity", {"StringLike": {SUBJECT: "repo:*"}})
truth("P26", role_arn("any-repo"), "fail", "the pattern lets in every repository")

POLICIES = [
    ("not-resource", {"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::logs/*"}, "P27", "fail"),
    ("pass-role", allow("iam:PassRole"), "P33", "fail"),
    ("put-lower-case", allow("IAM:put*"), "P33", "fail"),
    ("iam-read", allow(["iam:Get*", "iam:List*"]), "P33", "pass"),
    ("one-bucket", allow("s3:*", ["arn:aws:s3:::a", "arn:aws:s3:::a/*"]), "P29", "pass"),
    ("kms-all", allow(["kms:*"]), "P29", "fail"),
]
for name, statement, practice, verdict in POLICIES:
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document(statement))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="app", PolicyArn=arn)
    truth(practice, arn, verdict, name, alt=["na"] if verdict == "pass" else ())
arn = iam.create_policy(PolicyName="as-boundary", PolicyDocument=document(STAR))["Policy"]["Arn"]
iam.put_role_permissions_boundary(RoleName="app", PermissionsBoundary=arn)
truth("P27", arn, "info", "a boundary only, attached to nobody")
truth("P16", root, "pass", "an OIDC provider exists", alt=["info"])

# --- S3 ---------------------------------------------------------------------------------------------------------------
s3 = client("s3")
EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


def tls(bucket, resources, condition, principal="*"):
    statement = {"Effect": "Deny", "Principal": principal, "Action": "s3:*", "Condition": condition}
    return {**statement, "Resource": [f"arn:aws:s3:::{bucket}{end}" for end in resources]}


INSECURE = {"Bool": {"aws:SecureTransport": "false"}}
OLD_TLS = {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
BUCKETS = {
    # What the policy says, and whether P34 passes.
    "open-policy": ([{**EVERYBODY, "Resource": "arn:aws:s3:::open-policy/*"}], False),
    "tls-version": ([tls("tls-version", ("", "/*"), OLD_TLS)], True),
    "tls-split": ([tls("tls-split", ("",), INSECURE), tls("tls-split", ("/*",), INSECURE)], True),
    "tls-aws": ([tls("tls-aws", ("", "/*"), INSECURE, {"AWS": "*"})], True),
    "tls-objects": ([tls("tls-objects", ("/*",), INSECURE)], False),
    "tls-one-user": ([tls("tls-one-user", ("", "/*"), INSECURE, {"AWS": user_arn("rotator")})], False),
    "open-acl": (None, False),
}
for name, (statements, has_tls) in BUCKETS.items():
    arn = f"arn:aws:s3:::{name}"
    s3.create_bucket(Bucket=name)
    if statements:
        s3.put_bucket_policy(Bucket=name, Policy=document(*statements))
    truth("P34", arn, "pass" if has_tls else "fail", "TLS", HOME, alt=() if has_tls else ["info"])
    truth("P37", arn, "pass", "the account blocks everything", HOME)
    truth("P40", arn, "pass", "the account blocks everything", HOME)
s3.put_bucket_acl(Bucket="open-acl", ACL="public-read")
ENCRYPTIONS = [
    ("dsse", "aws:kms:dsse", None, "pass"),
    ("own-key", "aws:kms", f"arn:aws:kms:{HOME}:{account}:key/0f1e2d3c", "pass"),
    ("foreign-key", "aws:kms", f"arn:aws:kms:{HOME}:{OUTSIDE}:key/0f1e2d3c", "fail"),
]
for name, algorithm, kms_key, verdict in ENCRYPTIONS:
    s3.create_bucket(Bucket=name)
    default = {"SSEAlgorithm": algorithm, **({"KMSMasterKeyID": kms_key} if kms_key else {})}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=rules)
    truth("P38", f"arn:aws:s3:::{name}", verdict, f"{algorithm} {kms_key}", HOME)
client("s3control").put_public_access_block(
    AccountId=account,
    PublicAccessBlockConfiguration={
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    },
)
truth("P36", root, "pass", "all four flags")
s3.create_bucket(Bucket="trail-logs")
s3.create_bucket(Bucket="logs-of-logs")
s3.put_bucket_acl(Bucket="logs-of-logs", ACL="log-delivery-write")
target = {"LoggingEnabled": {"TargetBucket": "logs-of-logs", "TargetPrefix": "a/"}}
s3.put_bucket_logging(Bucket="dsse", BucketLoggingStatus=target)
truth("P64", "arn:aws:s3:::dsse", "pass", "logs", HOME)
truth("P64", "arn:aws:s3:::logs-of-logs", "na", "holds the logs of others", HOME)
truth("P64", "arn:aws:s3:::trail-logs", "fail", "holds a trail and writes no logs", HOME)

# --- network ----------------------------------------------------------------------------------------------------------
ec2 = client("ec2")


def ec2_arn(kind, name, region=HOME):
    return f"arn:aws:ec2:{region}:{account}:{kind}/{name}"


def flow_log(resource, kind, traffic):
    ec2.create_flow_logs(
        ResourceIds=[resource],
        ResourceType=kind,
        TrafficType=traffic,
        LogDestinationType="s3",
        LogDestination="arn:aws:s3:::trail-logs",
    )


for octet, (kind, verdict, why) in enumerate(
    [
        ("REJECT", "pass", "what was refused is logged"),
        ("ACCEPT", "fail", "what was refused is not logged"),
        ("subnets", "pass", "every subnet is logged"),
    ]
):
    vpc = ec2.create_vpc(CidrBlock=f"10.{octet}.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.{octet}.{part}.0/24")["Subnet"]["SubnetId"] for part in (0, 1)
    ]
    # A VPC with nothing in it is another matter.
    for subnet in subnets:
        ec2.create_network_interface(SubnetId=subnet)
    if kind == "subnets":
        for subnet in subnets:
            flow_log(subnet, "Subnet", "ALL")
    else:
        flow_log(vpc, "VPC", kind)
    truth("P50", ec2_arn("vpc", vpc), verdict, why, HOME)

wide = ec2.create_managed_prefix_list(
    PrefixListName="wide", MaxEntries=2, AddressFamily="IPv4", Entries=[{"Cidr": "0.0.0.0/0"}, {"Cidr": "10.0.0.0/8"}]
)["PrefixList"]["PrefixListId"]
office = ec2.create_managed_prefix_list(
    PrefixListName="office", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "203.0.113.0/24"}]
)["PrefixList"]["PrefixListId"]
other = ec2.create_security_group(GroupName="other", Description="x", VpcId=vpc)["GroupId"]
PORTS = {"FromPort": 22, "ToPort": 22}
WORLD = {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
GROUPS = [
    ("ping", [{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, **WORLD}], "pass"),
    ("all-tcp", [{"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, **WORLD}], "fail"),
    ("group", [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}], "pass"),
    ("wide-list", [{"IpProtocol": "tcp", **PORTS, "PrefixListIds": [{"PrefixListId": wide}]}], "fail"),
    ("office-list", [{"IpProtocol": "tcp", **PORTS, "PrefixListIds": [{"PrefixListId": office}]}], "pass"),
    ("inside", [{"IpProtocol": "tcp", **PORTS, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}], "pass"),
    ("odd-port", [{"IpProtocol": "tcp", "FromPort": 8443, "ToPort": 8443, **WORLD}], "info"),
    (
        "web-and-postgres",
        [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **WORLD} for port in (443, 5432)],
        "fail",
    ),
]
for name, permissions, verdict in GROUPS:
    group = ec2.create_security_group(GroupName=name, Description="x", VpcId=vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions)
    ec2.create_network_interface(SubnetId=subnets[0], Groups=[group])
    truth("P52", ec2_arn("security-group", group), verdict, name, HOME)

# --- compute, disks, databases, keys ----------------------------------------------------------------------------------
instance = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnets[0])
instance = instance["Instances"][0]["InstanceId"]
ec2.stop_instances(InstanceIds=[instance])
truth("P25", ec2_arn("instance", instance), "fail", "stopped, without a role", HOME)
loose = ec2.create_volume(AvailabilityZone=f"{HOME}a", Size=8, Encrypted=False)["VolumeId"]
truth("P41", ec2_arn("volume", loose), "pass", "attached to nothing", HOME, alt=["info", "na"])
snapshot = ec2.create_snapshot(VolumeId=loose)["SnapshotId"]
STATE["snapshots"][HOME][snapshot] = 5
ec2.modify_snapshot_attribute(
    SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
)
truth("P44", ec2_arn("snapshot", snapshot), "info", "shared with everybody, and the region blocks it", HOME)
ec2.enable_ebs_encryption_by_default()
truth("P42", f"region/{HOME}", "pass", "on", HOME)
truth("P42", f"region/{IDLE}", "info", "off where nobody is", IDLE)

rds = client("rds")


def database(name, days, **more):
    rds.create_db_instance(
        DBInstanceIdentifier=name,
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="u",
        MasterUserPassword="password1",
        BackupRetentionPeriod=days,
        **more,
    )


database("main", 14, Engine="postgres")
truth("P46", f"arn:aws:rds:{HOME}:{account}:db:main", "pass", "14 days", HOME)
rds.create_db_instance_read_replica(DBInstanceIdentifier="replica", SourceDBInstanceIdentifier="main")
truth("P46", f"arn:aws:rds:{HOME}:{account}:db:replica", "na", "a replica", HOME, alt=["pass"])
rds.create_db_cluster(
    DBClusterIdentifier="aurora",
    Engine="aurora-postgresql",
    MasterUsername="u",
    MasterUserPassword="password1",
    BackupRetentionPeriod=1,
)
truth("P46", f"arn:aws:rds:{HOME}:{account}:cluster:aurora", "fail", "one day", HOME)
rds.create_db_cluster_snapshot(DBClusterIdentifier="aurora", DBClusterSnapshotIdentifier="shared")
rds.modify_db_cluster_snapshot_attribute(
    DBClusterSnapshotIdentifier="shared", AttributeName="restore", ValuesToAdd=["all"]
)
truth("P45", f"arn:aws:rds:{HOME}:{account}:cluster-snapshot:shared", "fail", "everybody", HOME)
rds.create_db_cluster_snapshot(DBClusterIdentifier="aurora", DBClusterSnapshotIdentifier="with-one")
rds.modify_db_cluster_snapshot_attribute(
    DBClusterSnapshotIdentifier="with-one", AttributeName="restore", ValuesToAdd=[OUTSIDE]
)
truth("P45", f"arn:aws:rds:{HOME}:{account}:cluster-snapshot:with-one", "pass", "one account", HOME, alt=["info"])

kms = client("kms")
off = kms.create_key()["KeyMetadata"]
kms.disable_key(KeyId=off["KeyId"])
truth("P49", off["Arn"], "pass", "switched off, and not going", HOME, alt=["info"])

archive = io.BytesIO()
with zipfile.ZipFile(archive, "w") as file:
    file.writestr("a.py", "def h(event, context): pass")
functions = client("lambda")
for runtime, verdict in (("python3.10", "fail"), ("java21", "pass"), ("ruby3.2", "fail"), ("dotnet8", "fail")):
    name = runtime.replace(".", "-")
    functions.create_function(
        FunctionName=name,
        Runtime=runtime,
        Role=role_arn("app"),
        Handler="a.h",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"AWS_KEY": "ASIAIOSFODNN7EXAMPLE" if runtime == "java21" else "AKIA-none"}},
    )
    arn = f"arn:aws:lambda:{HOME}:{account}:function:{name}"
    truth("P55", arn, verdict, runtime, HOME)
    truth("P22", arn, "fail" if runtime == "java21" else "pass", "a temporary key's id in the environment", HOME)

# --- what watches -----------------------------------------------------------------------------------------------------
trails = client("cloudtrail")
for name, way in (("reads", "ReadOnly"), ("writes", "WriteOnly")):
    trails.create_trail(
        Name=name,
        S3BucketName="trail-logs",
        IsMultiRegionTrail=True,
        IncludeGlobalServiceEvents=True,
        EnableLogFileValidation=True,
        KmsKeyId=off["Arn"],
    )
    trails.start_logging(Name=name)
    trails.put_event_selectors(TrailName=name, EventSelectors=[{"ReadWriteType": way, "IncludeManagementEvents": True}])
    arn = f"arn:aws:cloudtrail:{HOME}:{account}:trail/{name}"
    truth("P58", arn, "pass", "KMS", HOME)
    truth("P59", arn, "pass", "validation", HOME)
truth("P57", root, "pass", "two trails together record all")

client("guardduty").create_detector(Enable=True)
truth("P63", f"region/{HOME}", "pass", "enabled", HOME)
truth("P63", f"region/{IDLE}", "fail", "no detector, and every region counts", IDLE, alt=["info"])
truth("P30", f"region/{HOME}", "pass", "the organization's analyzer", HOME)
truth("P30", f"region/{IDLE}", "info", "nobody is there", IDLE, alt=["na"])
config = client("config")
config.put_configuration_recorder(
    ConfigurationRecorder={
        "name": "mine",
        "roleARN": role_arn("app"),
        "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
    }
)
config.put_delivery_channel(DeliveryChannel={"name": "mine", "s3BucketName": "trail-logs"})
config.start_configuration_recorder(ConfigurationRecorderName="mine")
truth("P62", f"region/{HOME}", "pass", "a recorder of another name records", HOME)
backup = client("backup")
backup.create_backup_vault(BackupVaultName="v", EncryptionKeyArn=off["Arn"])
plan = {"RuleName": "r", "TargetBackupVaultName": "v", "ScheduleExpression": "cron(0 5 * * ? *)"}
backup.create_backup_plan(BackupPlan={"BackupPlanName": "p", "Rules": [plan]})
truth("P47", f"region/{HOME}", "pass", "a plan with a selection", HOME)

# An alarm for one linked account, and a budget that is about use and not about money.
client("budgets").create_budget(
    AccountId=account,
    Budget={
        "BudgetName": "hours",
        "BudgetType": "USAGE",
        "TimeUnit": "MONTHLY",
        "BudgetLimit": {"Amount": "10", "Unit": "HRS"},
    },
)
alarms = client("cloudwatch")
alarms.put_metric_alarm(
    AlarmName="bill-of-one",
    Namespace="AWS/Billing",
    MetricName="EstimatedCharges",
    Dimensions=[{"Name": "Currency", "Value": "USD"}, {"Name": "LinkedAccount", "Value": account}],
    Statistic="Maximum",
    Period=21600,
    EvaluationPeriods=1,
    Threshold=10,
    ComparisonOperator="GreaterThanThreshold",
    AlarmActions=[f"arn:aws:sns:{HOME}:{account}:t"],
)
alarms.set_alarm_state(AlarmName="bill-of-one", StateValue="OK", StateReason="measured")
truth("P66", root, "pass", "an alarm that tells somebody and gets data")
client("organizations").create_organization(FeatureSet="ALL")
truth("P69", root, "pass", "an organization")
client("account").put_alternate_contact(
    AlternateContactType="SECURITY", EmailAddress="s@example.com", Name="S", PhoneNumber="1", Title="t"
)
truth("P70", root, "pass", "a security contact")
events = client("events")
events.put_rule(Name="health", EventPattern=json.dumps({"source": ["aws.health"]}), State="DISABLED")
events.put_targets(Rule="health", Targets=[{"Id": "1", "Arn": f"arn:aws:sns:{HOME}:{account}:t"}])
truth("P67", root, "fail", "the rule is switched off", alt=["info"])

post("/_bench/state", STATE)
post("/_bench/extra", EXTRA)
post("/_bench/reset-calls", {})
with open(args.out, "w", encoding="utf-8") as out:
    json.dump(TRUTH, out)
