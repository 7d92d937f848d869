"""Seeds the bench's account behind cloud.py, good and bad, and writes what a right scanner must say of it.

    python seed.py --url http://127.0.0.1:PORT --users 10 --buckets 10 --regions us-east-1 --out truth.json

The truth is written from what is seeded here, practice by practice, and from no scanner's answer. A truth's verdict is
fail, pass, na (does not apply), info (worth a line, never a failure) or unknown; `alt` names what is right as well.
"""

import argparse
import io
import json
import socket
import urllib.request
import zipfile

import boto3
from botocore.config import Config

p = argparse.ArgumentParser()
p.add_argument("--url", required=True)
p.add_argument("--users", type=int, default=10)
p.add_argument("--buckets", type=int, default=10)
p.add_argument("--regions", default="us-east-1")
p.add_argument("--per-region", type=int, default=None, help="groups, volumes, snapshots in each region")
p.add_argument("--out", required=True)
p.add_argument("--good", action="store_true", help="only the good kinds")
a = p.parse_args()
REGIONS = a.regions.split(",")
HOME = REGIONS[0]
N = a.per_region if a.per_region is not None else max(8, a.users // 5)
_gai = socket.getaddrinfo
socket.getaddrinfo = lambda h, *x, **k: _gai(
    "127.0.0.1" if isinstance(h, str) and h.endswith((".localhost", ".127.0.0.1")) else h, *x, **k
)
CFG = Config(retries={"max_attempts": 2, "mode": "standard"}, max_pool_connections=8, read_timeout=120)
S = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=HOME)  # noqa: S106
_clients = {}


USER_KINDS = [
    "person",
    "no-mfa",
    "never-signed-in",
    "service",
    "old-key",
    "never-used-key",
    "inactive-key",
    "admin-two-keys",
    "unused-key",
    "admin-person",
]
BUCKET_KINDS = [
    "good",
    "private",
    "public-policy",
    "policy-restricted",
    "acl-public",
    "acl-ignored",
    "split-bpa",
    "plain",
]


def c(s, r=HOME, url=None):
    if (s, r) not in _clients:
        _clients[s, r] = S.client(s, endpoint_url=url or a.url, region_name=r, config=CFG)
    return _clients[s, r]


def post(path, data=None):
    request = urllib.request.Request(a.url + path, json.dumps(data or {}).encode(), method="POST")  # noqa: S310
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return answer.read()


post("/moto-api/reset")
post("/_bench/deny", {"rules": []})
post("/_bench/throttle", {})
post("/_bench/latency", {"ms": 0})
ACC = c("sts").get_caller_identity()["Account"]
iam = c("iam")
TRUTH = []
EXTRA = {
    "analyzers": {},
    "selections": {},
    "snapshot_block": {},
    "quotas": {},
    "subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@b.example"}] if a.good else [],
}
STATE = {"root": {}, "users": {}, "roles": {}, "snapshots": {}}


def truth(pr, resource, verdict, why, region="global", alt=()):
    TRUTH.append(
        {
            "practice": pr,
            "resource": resource,
            "region": region,
            "verdict": verdict,
            "why": why,
            **({"alt": list(alt)} if alt else {}),
        }
    )


def doc(*st):
    return json.dumps({"Version": "2012-10-17", "Statement": list(st)})


def allow(action, resource="*", **k):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **k}


STAR = doc(allow("*"))


def uarn(n):
    return f"arn:aws:iam::{ACC}:user/{n}"


def rarn(n):
    return f"arn:aws:iam::{ACC}:role/{n}"


# --- groups and managed policies --------------------------------------------------------------------------------------
for g in ("developers", "admins", "auditors"):
    iam.create_group(GroupName=g)
iam.attach_group_policy(GroupName="admins", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
iam.attach_group_policy(GroupName="auditors", PolicyArn="arn:aws:iam::aws:policy/SecurityAudit")
iam.put_group_policy(
    GroupName="developers",
    PolicyName="read",
    PolicyDocument=doc(allow(["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::app-data", "arn:aws:s3:::app-data/*"])),
)
iam.create_role(
    RoleName="holder",
    AssumeRolePolicyDocument=doc(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ),
)
POLICIES = [  # name, document, attached, P27 verdict, why
    ("ok-read", doc(allow(["s3:Get*", "s3:List*"], "arn:aws:s3:::app-data*")), True, "pass", "narrow"),
    ("star", STAR, True, "fail", "Action * Resource *"),
    ("star-unattached", STAR, False, "info", "attached to nobody"),
    ("star-list", doc(allow(["ec2:Describe*", "*"], ["*"])), True, "fail", "* among a list of actions"),
    ("star-colon", doc(allow("*:*", ["arn:aws:s3:::x", "*"])), True, "fail", "*:* and a resource list that contains *"),
    (
        "star-notaction",
        doc({"Effect": "Allow", "NotAction": ["aws-portal:*"], "Resource": "*"}),
        True,
        "fail",
        "NotAction leaves nearly everything",
    ),
    (
        "star-denied",
        doc(allow("*"), {"Effect": "Deny", "Action": "*", "Resource": "*"}),
        True,
        "pass",
        "an unconditional Deny takes all of it away",
    ),
    (
        "star-condition",
        doc(allow("*", "*", Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})),
        True,
        "fail",
        "lower severity, condition shown",
    ),
    (
        "poweruser-like",
        doc({"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*", "sts:*"], "Resource": "*"}),
        True,
        "pass",
        "NotAction takes iam, organizations, sts away",
    ),
    ("s3-all", doc(allow("s3:*")), True, "pass", "service-wide, P29"),
    ("iam-all", doc(allow("iam:*")), True, "pass", "P33"),
]
if a.good:
    POLICIES = POLICIES[:1]
for name, d, attached, verdict, why in POLICIES:
    arn = iam.create_policy(PolicyName=name, PolicyDocument=d)["Policy"]["Arn"]
    if attached:
        iam.attach_role_policy(RoleName="holder", PolicyArn=arn)
    truth("P27", arn, verdict, why)
    if attached and name in ("s3-all", "iam-all"):
        truth("P29", arn, "fail", "service:* on *")
    if attached and name == "iam-all":
        truth("P33", arn, "fail", "iam:* on *")
if not a.good:
    old = iam.create_policy(PolicyName="was-star", PolicyDocument=STAR)["Policy"]["Arn"]
    iam.create_policy_version(
        PolicyArn=old, PolicyDocument=doc(allow("s3:GetObject", "arn:aws:s3:::x/*")), SetAsDefault=True
    )
    iam.attach_role_policy(RoleName="holder", PolicyArn=old)
    truth("P27", old, "pass", "only the default version counts")


# --- users: ten kinds, in turn ----------------------------------------------------------------------------------------
def user(n, created=300):
    iam.create_user(UserName=n)
    STATE["users"][n] = {"created": created, "keys": []}


def password(n, used, changed=30):
    iam.create_login_profile(UserName=n, Password="Abcdef1!xyzabcdef")  # noqa: S106
    STATE["users"][n].update(password_used=used, password_changed=changed)


def mfa(n):
    s = iam.create_virtual_mfa_device(VirtualMFADeviceName=n)["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(UserName=n, SerialNumber=s, AuthenticationCode1="123456", AuthenticationCode2="234567")


KEYS = {}


def key(n, created, used, active=True):
    k = iam.create_access_key(UserName=n)["AccessKey"]["AccessKeyId"]
    KEYS.setdefault(n, []).append(k)
    if not active:
        iam.update_access_key(UserName=n, AccessKeyId=k, Status="Inactive")
    STATE["users"][n]["keys"].append({"created": created, "used": used})
    return k


def keyres(n, i):
    return f"{uarn(n)}#{KEYS[n][i]}"


def clean(n, *skip):  # what every well-behaved user passes
    for pr in ("P11", "P19", "P28", "P32"):
        if pr not in skip:
            truth(pr, uarn(n), "pass", "well-behaved")


kinds = [0, 3] if a.good else list(range(10))
for i in range(a.users):
    kind = kinds[i % len(kinds)]
    n = f"u{i:04d}-{USER_KINDS[kind]}"
    user(n)
    if kind in (0, 1, 3, 4, 5, 6, 8):
        iam.add_user_to_group(UserName=n, GroupName="developers")
    if kind == 0:
        password(n, 5)
        mfa(n)
        clean(n)
    if kind == 1:
        password(n, 3)
        truth("P11", uarn(n), "fail", "password, no MFA")
        clean(n, "P11")
    if kind == 2:
        password(n, None, 200)
        mfa(n)
        iam.add_user_to_group(UserName=n, GroupName="auditors")
        truth("P19", uarn(n), "fail", "password set 200 days ago, never used")
        clean(n, "P19")
    if kind == 3:
        key(n, 30, 1)
        truth("P17", keyres(n, 0), "pass", "30 days old")
        truth("P18", keyres(n, 0), "pass", "used yesterday")
        truth("P12", uarn(n), "info", "no password, no MFA: off by default", alt=["pass", "na"])
        clean(n)
    if kind == 4:
        key(n, 200, 1)
        truth("P17", keyres(n, 0), "fail", "200 days old")
        truth("P18", keyres(n, 0), "pass", "used yesterday")
        clean(n)
    if kind == 5:
        key(n, 120, None)
        truth("P17", keyres(n, 0), "fail", "120 days old")
        truth("P18", keyres(n, 0), "fail", "120 days old and never used")
        clean(n)
    if kind == 6:
        key(n, 400, 300, active=False)
        truth("P17", keyres(n, 0), "pass", "inactive", alt=["na"])
        truth("P18", keyres(n, 0), "info", "inactive: delete it", alt=["pass", "na"])
        clean(n)
    if kind == 7:
        key(n, 40, 2)
        key(n, 20, 1)
        iam.put_user_policy(UserName=n, PolicyName="all", PolicyDocument=STAR)
        for j in (0, 1):
            truth("P17", keyres(n, j), "pass", "young")
            truth("P18", keyres(n, j), "pass", "in use")
        truth("P10", uarn(n), "fail", "two active keys for 20 days")
        truth("P27", f"{uarn(n)}#all", "fail", "inline Action * Resource *")
        truth("P28", uarn(n), "fail", "inline policy on the user")
        truth("P32", uarn(n), "fail", "administrator with active keys")
        truth("P11", uarn(n), "na", "no password", alt=["pass"])
    if kind == 8:
        password(n, 2)
        mfa(n)
        key(n, 60, None)
        truth("P21", keyres(n, 0), "fail", "signs in, key of 60 days never used")
        truth("P17", keyres(n, 0), "pass", "60 days")
        truth("P18", keyres(n, 0), "pass", "60 days only")
        clean(n)
    if kind == 9:
        password(n, 1)
        mfa(n)
        iam.attach_user_policy(UserName=n, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        truth("P28", uarn(n), "fail", "managed policy on the user")
        truth("P13", uarn(n), "fail", "administrator with a virtual device only")
        truth("P32", uarn(n), "pass", "administrator without keys")
        truth("P11", uarn(n), "pass", "MFA")
if not a.good:
    n = "groot"
    user(n)
    password(n, 2)
    mfa(n)
    clean(n)  # Prowler takes its device for root's
    n = "ci+deploy=x,y.z@corp"
    user(n, 20)
    key(n, 95, 1)
    truth("P17", keyres(n, 0), "fail", "95 days; a name with +=,.@")
    clean(n)
    n = "by-group-admin"
    user(n)
    key(n, 10, 1)
    iam.add_user_to_group(UserName=n, GroupName="admins")
    truth("P32", uarn(n), "fail", "administrator through a group, with an active key")
    truth("P28", uarn(n), "pass", "group only")
    n = "quarantined"
    user(n)
    key(n, 500, 2)
    iam.attach_user_policy(UserName=n, PolicyArn="arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2")
    truth("P22", uarn(n), "fail", "AWS quarantined the key")
    truth("P28", uarn(n), "pass", "AWS's own quarantine policy is no policy on the user")
    truth("P17", keyres(n, 0), "fail", "500 days")
    n = "split-admin"
    user(n)
    key(n, 5, 1)
    iam.put_user_policy(UserName=n, PolicyName="a", PolicyDocument=doc(allow("iam:*"), allow(["s3:*", "ec2:*"])))
    truth("P32", uarn(n), "fail", "iam:* on * is an administrator")
    truth("P33", f"{uarn(n)}#a", "fail", "iam:* on *")
    truth("P27", f"{uarn(n)}#a", "pass", "no * on *")
    n = "change-own-password"
    user(n)
    password(n, 1)
    mfa(n)
    iam.attach_user_policy(UserName=n, PolicyArn="arn:aws:iam::aws:policy/IAMUserChangePassword")
    truth("P28", uarn(n), "pass", "the console attaches it")
    truth("P11", uarn(n), "pass", "MFA")


# --- roles ------------------------------------------------------------------------------------------------------------
def role(n, principal, created, used, cond=None, action="sts:AssumeRole"):
    iam.create_role(
        RoleName=n,
        AssumeRolePolicyDocument=doc(
            {"Effect": "Allow", "Principal": principal, "Action": action, **({"Condition": cond} if cond else {})}
        ),
    )
    STATE["roles"][n] = {"created": created, "used": used}


role("partner-ok", {"AWS": "999988887777"}, 400, 3, {"StringEquals": {"sts:ExternalId": "k"}})
truth("P26", rarn("partner-ok"), "pass", "external id")
truth("P35", rarn("partner-ok"), "pass", "used")
if not a.good:
    role("partner", {"AWS": "arn:aws:iam::999988887777:root"}, 400, None)
    truth("P26", rarn("partner"), "fail", "another account, no external id")
    truth("P35", rarn("partner"), "info", "never used in 400 days", alt=["fail"])
    role("open", {"AWS": "*"}, 10, None)
    truth("P26", rarn("open"), "fail", "anybody may assume it")
    truth("P35", rarn("open"), "pass", "10 days old")
    role("org-only", {"AWS": "*"}, 10, 1, {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}})
    truth("P26", rarn("org-only"), "pass", "organization only")
    iam.create_open_id_connect_provider(
        Url="https://token.actions.githubusercontent.com",
        ThumbprintList=["6938fd4d98bab03faadb97b34396831e3780aea1"],
        ClientIDList=["sts.amazonaws.com"],
    )
    gh = {"Federated": f"arn:aws:iam::{ACC}:oidc-provider/token.actions.githubusercontent.com"}
    role(
        "github-open",
        gh,
        10,
        1,
        {"StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"}},
        "sts:AssumeRoleWithWebIdentity",
    )
    truth("P26", rarn("github-open"), "fail", "no sub condition: any repository on GitHub")
    role(
        "github-repo",
        gh,
        10,
        1,
        {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": "repo:o/r:ref:refs/heads/main",
            }
        },
        "sts:AssumeRoleWithWebIdentity",
    )
    truth("P26", rarn("github-repo"), "pass", "one branch of one repository")
    truth("P16", "account", "pass", "an OIDC provider exists", alt=["info"])

# --- the account and root ---------------------------------------------------------------------------------------------
account = f"arn:aws:iam::{ACC}:root"
if a.good:
    STATE["root"] = {
        "password": True,
        "mfa": 1,
        "virtual_mfa": False,
        "keys": 0,
        "password_last_used_days": 200,
        "key1_last_used_days": None,
    }
    iam.update_account_password_policy(
        MinimumPasswordLength=14,
        RequireSymbols=True,
        RequireNumbers=True,
        RequireUppercaseCharacters=True,
        RequireLowercaseCharacters=True,
        MaxPasswordAge=90,
        PasswordReusePrevention=24,
    )
    for pr in ("P01", "P02", "P03", "P04", "P07", "P08"):
        truth(pr, account, "pass", "good account")
    truth("P09", account, "unknown", "whether a password manager is used, nobody can read", alt=["info", "pass"])
else:
    STATE["root"] = {
        "password": True,
        "mfa": 0,
        "virtual_mfa": False,
        "keys": 1,
        "password_last_used_days": 100,
        "key1_last_used_days": 2,
    }
    iam.update_account_password_policy(
        MinimumPasswordLength=8,
        RequireSymbols=False,
        RequireNumbers=True,
        RequireUppercaseCharacters=True,
        RequireLowercaseCharacters=True,
    )
    truth("P01", account, "fail", "a root access key")
    truth("P02", account, "fail", "no MFA on root")
    truth("P03", account, "fail", "no MFA at all", alt=["na"])
    truth("P04", account, "fail", "root's key was used two days ago, its password 100 days ago")
    truth("P07", account, "fail", "no symbols")
    truth("P08", account, "fail", "no maximal age")
    truth("P09", account, "info", "no reuse prevention", alt=["fail"])
truth("P05", account, "unknown", "not readable: manual", alt=["info", "na"])
truth("P23", account, "unknown", "manual", alt=["info", "na"])

# --- S3 ---------------------------------------------------------------------------------------------------------------
FLAGS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def bpa(*on):
    return {f: f in on for f in FLAGS}


s3c = c("s3control", HOME, a.url.replace("127.0.0.1", "localhost"))
on = set(FLAGS) if a.good else {"BlockPublicAcls", "BlockPublicPolicy"}
s3 = c("s3")
kinds = [0] if a.good else list(range(8))
BUCKETS = []
s3.create_bucket(Bucket=f"trail-{ACC}")
s3.create_bucket(Bucket="access-logs-target")
s3.put_bucket_acl(
    Bucket="access-logs-target",
    GrantWrite="uri=http://acs.amazonaws.com/groups/s3/LogDelivery",
    GrantReadACP="uri=http://acs.amazonaws.com/groups/s3/LogDelivery",
)


def public_policy(b):
    return doc({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{b}/*"})


def ssl_policy(b):
    return doc(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{b}", f"arn:aws:s3:::{b}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    )


for i in range(a.buckets):
    kind = kinds[i % len(kinds)]
    r = REGIONS[i % len(REGIONS)]
    s = c("s3", r)
    b = f"b{i:04d}-{BUCKET_KINDS[kind]}"
    arn = f"arn:aws:s3:::{b}"
    s.create_bucket(Bucket=b, **({} if r == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": r}}))
    effective = {
        0: set(FLAGS),
        1: set(),
        2: set(),
        3: {"RestrictPublicBuckets"},
        4: set(),
        5: {"IgnorePublicAcls"},
        6: {"IgnorePublicAcls", "RestrictPublicBuckets"},
        7: set(),
    }[kind]
    if effective:
        s.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=bpa(*effective))
    if kind == 0:
        s.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"})
        s.put_bucket_encryption(
            Bucket=b,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
            },
        )
        s.put_bucket_policy(Bucket=b, Policy=ssl_policy(b))
        s.put_bucket_logging(
            Bucket=b, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "access-logs-target", "TargetPrefix": b}}
        ) if r == "us-east-1" else None
    if kind in (2, 3):
        s.put_bucket_policy(Bucket=b, Policy=public_policy(b))
    if kind in (4, 5):
        s.put_bucket_ownership_controls(Bucket=b, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
        s.put_bucket_acl(Bucket=b, ACL="public-read")
    if kind == 6:
        s.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Suspended"})
    if kind == 7:
        s.put_bucket_tagging(Bucket=b, Tagging={"TagSet": [{"Key": "team", "Value": "<script>alert(1)</script>"}]})
    union = effective | on
    truth(
        "P37", arn, "pass" if union == set(FLAGS) else "fail", f"account {sorted(on)} or bucket {sorted(effective)}", r
    )
    truth(
        "P40",
        arn,
        "fail" if kind in (2, 4) else "pass",
        {2: "public policy", 3: "public policy, RestrictPublicBuckets", 4: "public ACL", 5: "public ACL ignored"}.get(
            kind, "private"
        ),
        r,
    )
    truth("P39", arn, "pass" if kind == 0 else "fail", "versioning", r)
    truth("P38", arn, "pass", "S3 encrypts every new object", r, alt=["info"])
    truth("P34", arn, "pass" if kind == 0 else "fail", "TLS only (opt-in)", r, alt=["info"])
    truth("P64", arn, "pass" if kind == 0 and r == "us-east-1" else "info", "access logs", r, alt=["fail"])
    BUCKETS.append(b)
s3c.put_public_access_block(AccountId=ACC, PublicAccessBlockConfiguration=bpa(*on))
truth("P36", account, "pass" if a.good else "fail", f"account flags {sorted(on)}")
z = io.BytesIO()
zf = zipfile.ZipFile(z, "w")
zf.writestr("a.py", "def h(e,c): pass")
zf.close()
CODE = z.getvalue()

# --- each region ------------------------------------------------------------------------------------------------------
GROUPS = [  # kind, permissions, attached, P52
    ("closed", [], True, "pass", "no rule"),
    ("web", [("tcp", 443, 443, "0.0.0.0/0")], True, "pass", "443 is for everybody"),
    ("ssh", [("tcp", 22, 22, "0.0.0.0/0")], True, "fail", "22 from anywhere"),
    ("ssh6", [("tcp", 22, 22, "::/0")], True, "fail", "22 from anywhere by IPv6"),
    ("all", [("-1", None, None, "0.0.0.0/0")], True, "fail", "everything from anywhere"),
    ("range", [("tcp", 1000, 9000, "0.0.0.0/0")], True, "fail", "a range with 3306, 3389, 5432"),
    (
        "halves",
        [("tcp", 3389, 3389, "0.0.0.0/1"), ("tcp", 3389, 3389, "128.0.0.0/1")],
        True,
        "fail",
        "two halves are everything",
    ),
    ("ssh-unused", [("tcp", 22, 22, "0.0.0.0/0")], False, "info", "attached to nothing"),
    ("office", [("tcp", 22, 22, "203.0.113.0/24")], True, "pass", "one office"),
    ("six", [("6", 22, 22, "0.0.0.0/0")], True, "fail", "protocol 6 is tcp"),
]
for ri, r in enumerate(REGIONS):
    e = c("ec2", r)

    def ec2_arn(kind, i, r=r):
        return f"arn:aws:ec2:{r}:{ACC}:{kind}/{i}"

    vpc = e.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    sub = e.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/20")["Subnet"]["SubnetId"]
    dflt = [v["VpcId"] for v in e.describe_vpcs()["Vpcs"] if v.get("IsDefault")]
    e.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::trail-{ACC}",
    )
    truth("P50", ec2_arn("vpc", vpc), "pass", "active flow log", r)
    for v in dflt:
        truth("P50", ec2_arn("vpc", v), "info", "default VPC without interfaces", r, alt=["fail"])
    for g in e.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["default"]}])["SecurityGroups"]:
        if g["VpcId"] == vpc or a.good:
            for d, perms in (("ingress", g["IpPermissions"]), ("egress", g["IpPermissionsEgress"])):
                if perms:
                    getattr(e, f"revoke_security_group_{d}")(
                        GroupId=g["GroupId"],
                        IpPermissions=[{k: v for k, v in x.items() if v or k == "IpProtocol"} for x in perms],
                    )
            truth("P51", ec2_arn("security-group", g["GroupId"]), "pass", "no rules", r)
        else:
            truth("P51", ec2_arn("security-group", g["GroupId"]), "fail", "the default rules, unused", r, alt=["info"])
    for i in range(N):
        name, perms, attached, verdict, why = (GROUPS[:2] + GROUPS[8:9] if a.good else GROUPS)[
            i % (3 if a.good else len(GROUPS))
        ]
        g = e.create_security_group(GroupName=f"{name}-{i}", Description="x", VpcId=vpc)["GroupId"]
        if perms:
            e.authorize_security_group_ingress(
                GroupId=g,
                IpPermissions=[
                    {
                        "IpProtocol": pr,
                        **({} if lo is None else {"FromPort": lo, "ToPort": hi}),
                        ("Ipv6Ranges" if ":" in cidr else "IpRanges"): [
                            {("CidrIpv6" if ":" in cidr else "CidrIp"): cidr}
                        ],
                    }
                    for pr, lo, hi, cidr in perms
                ],
            )
        if attached:
            e.create_network_interface(SubnetId=sub, Groups=[g])
        truth("P52", ec2_arn("security-group", g), verdict, why, r)
    for i in range(max(2, N // 8)):
        prof = i % 2 == 0 or a.good
        if prof and i == 0 and ri == 0:
            iam.create_instance_profile(InstanceProfileName="app")
            iam.add_role_to_instance_profile(InstanceProfileName="app", RoleName="holder")
        inst = e.run_instances(
            ImageId="ami-12c6146b",
            MinCount=1,
            MaxCount=1,
            SubnetId=sub,
            **({"IamInstanceProfile": {"Name": "app"}} if prof else {}),
        )["Instances"][0]["InstanceId"]
        truth("P25", ec2_arn("instance", inst), "pass" if prof else "fail", "instance profile", r)
    STATE["snapshots"][r] = {}
    for i in range(N):
        enc = i % 2 == 0 or a.good
        att = i % 4 < 2
        v = e.create_volume(AvailabilityZone=f"{r}a", Size=8, Encrypted=enc)["VolumeId"]
        if att:
            e.attach_volume(VolumeId=v, InstanceId=inst, Device=f"/dev/sd{'fghijklmnop'[i % 11]}{i}")
        truth(
            "P41",
            ec2_arn("volume", v),
            "pass" if enc or not att else "fail",
            f"encrypted={enc} attached={att}",
            r,
            alt=() if enc or att else ("info",),
        )
        if i % 3 != 2 or a.good:
            s = e.create_snapshot(VolumeId=v)["SnapshotId"]
            pub = not enc and i % 8 == 1
            days = 60 if i % 3 == 1 and not a.good else 1
            STATE["snapshots"][r][s] = days
            if pub:
                e.modify_snapshot_attribute(
                    SnapshotId=s, Attribute="createVolumePermission", OperationType="add", GroupNames=["all"]
                )
            truth("P44", ec2_arn("snapshot", s), "fail" if pub else "pass", "public" if pub else "private", r)
        else:
            days = None
        if att:
            truth("P43", ec2_arn("volume", v), "pass" if days == 1 else "fail", f"latest snapshot {days} days old", r)
    if a.good or ri == 0:
        e.enable_ebs_encryption_by_default()
    truth("P42", f"region/{r}", "pass" if a.good or ri == 0 else "fail", "EBS encryption by default", r)
    rds = c("rds", r)
    for i in range(max(3, N // 10)):
        ret = 7 if a.good else (0, 7, 3)[i % 3]
        enc = a.good or i % 2 == 1
        d = f"db{i}"
        rds.create_db_instance(
            DBInstanceIdentifier=d,
            DBInstanceClass="db.t3.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="u",
            MasterUserPassword="password1",
            BackupRetentionPeriod=ret,
            StorageEncrypted=enc,
        )
        truth("P46", f"arn:aws:rds:{r}:{ACC}:db:{d}", "pass" if ret == 7 else "fail", f"retention {ret} days", r)
        rds.create_db_snapshot(DBInstanceIdentifier=d, DBSnapshotIdentifier=f"s-{d}")
        pub = i % 3 == 0 and not a.good
        if pub:
            rds.modify_db_snapshot_attribute(
                DBSnapshotIdentifier=f"s-{d}", AttributeName="restore", ValuesToAdd=["all"]
            )
        truth("P45", f"arn:aws:rds:{r}:{ACC}:snapshot:s-{d}", "fail" if pub else "pass", "restore attribute", r)
    kms = c("kms", r)
    for i in range(max(3, N // 5)):
        km = kms.create_key()["KeyMetadata"]
        k = km["Arn"]
        gone = i % 3 == 1 and not a.good
        if gone:
            kms.schedule_key_deletion(KeyId=km["KeyId"], PendingWindowInDays=7 + i % 20)
        truth("P49", k, "fail" if gone else "pass", "pending deletion" if gone else "enabled", r)
    lam = c("lambda", r)
    RT = [
        ("python3.9", "fail"),
        ("python3.13", "pass"),
        ("nodejs20.x", "fail"),
        ("nodejs22.x", "pass"),
        ("provided.al2", "fail"),
    ]
    if a.good:
        RT = [("python3.13", "pass")]
    for i in range(max(5, N // 4)):
        rt, verdict = RT[i % len(RT)]
        f = f"f{i}"
        lam.create_function(
            FunctionName=f,
            Runtime=rt,
            Role=rarn("holder"),
            Handler="a.h",
            Code={"ZipFile": CODE},
            Environment={"Variables": {"K": "AKIA2OGYBAH6RZ3Q7XPD" if i % 7 == 3 and not a.good else "plain"}},
        )
        fa = f"arn:aws:lambda:{r}:{ACC}:function:{f}"
        truth("P55", fa, verdict, rt, r)
        truth("P22", fa, "fail" if i % 7 == 3 and not a.good else "pass", "key id in the environment", r)
    dms = c("dms", r)
    for i, pub in enumerate([False] if a.good else [True, False]):
        x = dms.create_replication_instance(
            ReplicationInstanceIdentifier=f"m{i}",
            ReplicationInstanceClass="dms.t3.micro",
            PubliclyAccessible=pub,
            KmsKeyId=k,
            AutoMinorVersionUpgrade=True,
            MultiAZ=True,
        )["ReplicationInstance"]["ReplicationInstanceArn"]
        truth("P53", x, "fail" if pub else "pass", f"public={pub}", r)
    sm = c("sagemaker", r)
    for i, way in enumerate(["Disabled"] if a.good else ["Enabled", "Disabled"]):
        sm.create_notebook_instance(
            NotebookInstanceName=f"n{i}",
            InstanceType="ml.t3.medium",
            RoleArn=rarn("holder"),
            DirectInternetAccess=way,
            SubnetId=sub,
        )
        truth(
            "P54", f"arn:aws:sagemaker:{r}:{ACC}:notebook-instance/n{i}", "fail" if way == "Enabled" else "pass", way, r
        )
    osr = c("opensearch", r)
    for i, enc in enumerate([True] if a.good else [False, True]):
        osr.create_domain(DomainName=f"d{i}{r.replace('-', '')}"[:27], EncryptionAtRestOptions={"Enabled": enc})
        truth(
            "P48",
            f"arn:aws:es:{r}:{ACC}:domain/d{i}{r.replace('-', '')}"[:80],
            "pass" if enc else "fail",
            f"encrypted={enc}",
            r,
        )
    gd = c("guardduty", r)
    if a.good or ri == 0:
        gd.create_detector(Enable=True)
    elif ri == 1:
        gd.create_detector(Enable=False)
    truth(
        "P63",
        f"region/{r}",
        "pass" if a.good or ri == 0 else "fail",
        ["enabled", "suspended", "no detector"][min(ri, 2)],
        r,
    )
    # No practice asks for it, so there is no truth about it.
    if a.good or ri == 0:
        c("securityhub", r).enable_security_hub()
    cf = c("config", r)
    if a.good or ri == 0:
        cf.put_configuration_recorder(
            ConfigurationRecorder={
                "name": "default",
                "roleARN": rarn("holder"),
                "recordingGroup": {"allSupported": True, "includeGlobalResourceTypes": True},
            }
        )
        cf.put_delivery_channel(DeliveryChannel={"name": "default", "s3BucketName": f"trail-{ACC}"})
        cf.start_configuration_recorder(ConfigurationRecorderName="default")
    elif ri == 1:
        cf.put_configuration_recorder(ConfigurationRecorder={"name": "default", "roleARN": rarn("holder")})
    truth(
        "P62", f"region/{r}", "pass" if a.good or ri == 0 else "fail", ["recording", "stopped", "none"][min(ri, 2)], r
    )
    bk = c("backup", r)
    bk.create_backup_vault(BackupVaultName="v", EncryptionKeyArn=k)
    if a.good or ri == 0:
        bk.create_backup_plan(
            BackupPlan={
                "BackupPlanName": "p",
                "Rules": [{"RuleName": "r", "TargetBackupVaultName": "v", "ScheduleExpression": "cron(0 5 * * ? *)"}],
            }
        )
    truth(
        "P47",
        f"region/{r}",
        "pass" if a.good else "fail",
        "a plan with a selection" if a.good else "a plan without a selection, or none",
        r,
    )
    if a.good or ri == 0:
        EXTRA["analyzers"][r] = [
            {
                "arn": f"arn:aws:access-analyzer:{r}:{ACC}:analyzer/a",
                "name": "a",
                "type": "ACCOUNT" if a.good or ri == 0 else "ACCOUNT_UNUSED_ACCESS",
                "status": "ACTIVE",
                "createdAt": "2026-01-01T00:00:00Z",
            }
        ]
    if ri == 2:
        EXTRA["analyzers"][r] = [
            {
                "arn": f"arn:aws:access-analyzer:{r}:{ACC}:analyzer/u",
                "name": "u",
                "type": "ACCOUNT_UNUSED_ACCESS",
                "status": "ACTIVE",
                "createdAt": "2026-01-01T00:00:00Z",
            }
        ]
    truth(
        "P30",
        f"region/{r}",
        "pass" if a.good or ri == 0 else "fail",
        ["external access analyzer", "none", "only an unused-access analyzer"][min(ri, 2)],
        r,
    )
    if a.good:
        EXTRA["selections"][r] = [
            {
                "SelectionId": "00000000-0000-0000-0000-000000000001",
                "SelectionName": "all",
                "BackupPlanId": "p",
                "IamRoleArn": rarn("holder"),
            }
        ]
        EXTRA["snapshot_block"][r] = "block-all-sharing"

# --- trails, budgets, rules, organization -----------------------------------------------------------------------------
ct = c("cloudtrail")
b = f"trail-{ACC}"
if a.good:
    ct.create_trail(
        Name="main",
        S3BucketName=b,
        IsMultiRegionTrail=True,
        IncludeGlobalServiceEvents=True,
        EnableLogFileValidation=True,
        KmsKeyId=k,
    )
    ct.start_logging(Name="main")
else:
    ct.create_trail(
        Name="main",
        S3BucketName=b,
        IsMultiRegionTrail=True,
        IncludeGlobalServiceEvents=True,
        EnableLogFileValidation=False,
    )
    ct.start_logging(Name="main")
    ct.create_trail(Name="stopped", S3BucketName=b, EnableLogFileValidation=True)
ct.put_event_selectors(
    TrailName="main",
    EventSelectors=[{"ReadWriteType": "All" if a.good else "WriteOnly", "IncludeManagementEvents": True}],
)


def tarn(n):
    return f"arn:aws:cloudtrail:{HOME}:{ACC}:trail/{n}"


truth(
    "P57",
    account,
    "pass" if a.good else "fail",
    "one multi-region trail that logs all management events" if a.good else "the only trail that logs records no reads",
)
truth("P58", tarn("main"), "pass" if a.good else "fail", "KMS", HOME)
truth("P59", tarn("main"), "pass" if a.good else "fail", "validation", HOME)
truth("P61", tarn("main"), "info", "Insights off", HOME, alt=["fail"])
if not a.good:
    truth("P58", tarn("stopped"), "fail", "KMS", HOME)
    truth("P59", tarn("stopped"), "pass", "validation", HOME)
if a.good:
    c("budgets").create_budget(
        AccountId=ACC,
        Budget={
            "BudgetName": "m",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "10", "Unit": "USD"},
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80.0},
                "Subscribers": [{"SubscriptionType": "EMAIL", "Address": "a@b.example"}],
            }
        ],
    )
    c("account").put_alternate_contact(
        AlternateContactType="SECURITY", EmailAddress="s@x.example", Name="S", PhoneNumber="1", Title="t"
    )
    c("organizations").create_organization(FeatureSet="ALL")
else:
    c("budgets").create_budget(
        AccountId=ACC,
        Budget={
            "BudgetName": "m",
            "BudgetType": "COST",
            "TimeUnit": "MONTHLY",
            "BudgetLimit": {"Amount": "10", "Unit": "USD"},
        },
    )
    c("cloudwatch").put_metric_alarm(
        AlarmName="bill",
        Namespace="AWS/Billing",
        MetricName="EstimatedCharges",
        Dimensions=[{"Name": "Currency", "Value": "USD"}],
        Statistic="Maximum",
        Period=21600,
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanThreshold",
    )
truth(
    "P66",
    account,
    "pass" if a.good else "fail",
    "a budget that tells somebody" if a.good else "a budget without notification and an alarm without action",
    alt=["unknown"] if a.good else (),
)
truth("P69", account, "pass" if a.good else "fail", "organization", alt=() if a.good else ("info",))
truth("P70", account, "pass" if a.good else "fail", "security contact")
ev = c("events")
ev.put_rule(Name="health", EventPattern=json.dumps({"source": ["aws.health", "aws.trustedadvisor"]}))
if a.good:
    ev.put_targets(Rule="health", Targets=[{"Id": "1", "Arn": f"arn:aws:lambda:{HOME}:{ACC}:function:f0"}])
truth(
    "P67",
    account,
    "pass" if a.good else "fail",
    "a rule with a target" if a.good else "a rule without target",
    alt=() if a.good else ("info",),
)
for region in REGIONS:
    EXTRA["quotas"][region] = [
        {
            "ServiceCode": service,
            "QuotaCode": code,
            "QuotaName": name,
            "Value": 100.0,
            "UsageMetric": {
                "MetricNamespace": "AWS/Usage",
                "MetricName": "ResourceCount",
                "MetricDimensions": {"Service": service, "Resource": code},
                "MetricStatisticRecommendation": "Maximum",
            },
        }
        for service, code, name in (
            ("ec2", "L-1216C47A", "Standard instances"),
            ("lambda", "L-B99A9384", "Concurrency"),
        )
    ]
    near = not a.good
    truth(
        "P68",
        f"region/{region}",
        "info" if near else "pass",
        "91 of 100 standard instances" if near else "10 of 100",
        region,
    )
EXTRA["used"] = {"L-1216C47A": 10 if a.good else 91, "L-B99A9384": 10}
post("/_bench/state", STATE)
post("/_bench/extra", EXTRA)
post("/_bench/reset-calls")
with open(a.out, "w", encoding="utf-8") as out:
    json.dump(TRUTH, out)
