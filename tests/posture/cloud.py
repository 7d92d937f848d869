"""moto's server, with what a scan of an account's state needs and moto lacks.

    python cloud.py --port PORT

    GET  /_bench/calls          how often each service:Operation was called, and which were refused
    POST /_bench/reset-calls
    POST /_bench/state          ages, and the root user, which no API of AWS's can set (see seed.py)
    POST /_bench/extra          what moto has no API for: analyzers, backup selections, subscribers of budgets
    POST /_bench/deny           {"rules": ["iam:ListUsers", "s3:GetBucketAcl@bucket-1"]}: refused as the service refuses
    POST /_bench/throttle       {"iam:ListUsers": 3, "*": 1}: the first calls of an operation
    POST /_bench/latency        {"ms": 40}: before each answer
    POST /moto-api/reset        moto's own: everything is gone

Patched in moto: the summary and the credential report have root; DescribeSnapshots looks at RestorableByUserIds.
"""

import argparse
import collections
import io
import json
import os
import re
import threading
import time
import urllib.parse
from datetime import datetime, timedelta, timezone

os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
os.environ.setdefault("MOTO_ACCOUNT_ID", "111122223333")
os.environ.setdefault(
    "MOTO_EC2_LOAD_DEFAULT_AMIS", "false"
)  # 1,300 snapshots of its images would count as the account's own
import moto

assert moto.__version__ == "5.2.5", moto.__version__
from moto.ec2.models import ec2_backends
from moto.iam import models as iam_models
from moto.iam.models import AccountSummary, IAMBackend, User, iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Request, Response

ACCOUNT = os.environ["MOTO_ACCOUNT_ID"]
ROOT_DEFAULT = {
    "password": True,
    "mfa": 1,
    "virtual_mfa": True,
    "keys": 0,
    "password_last_used_days": None,
    "key1_last_used_days": None,
}
ROOT = dict(ROOT_DEFAULT)
FMT = "%Y-%m-%dT%H:%M:%S+00:00"


def now():
    return datetime.now(timezone.utc)


def ago(days):
    return (now() - timedelta(days=days)).replace(tzinfo=None, microsecond=0)


# --- root, in the summary and the report ------------------------------------------------------------------------------
_map = AccountSummary.summary_map.fget


def summary_map(self):
    out = _map(self)
    out.update(
        AccountMFAEnabled=ROOT["mfa"],
        AccountPasswordPresent=int(ROOT["password"]),
        AccountAccessKeysPresent=ROOT["keys"],
    )
    return out


AccountSummary.summary_map = property(summary_map)


def day(value):
    return "N/A" if value is None else ago(value).strftime(FMT)


def root_row():
    used = ROOT["password_last_used_days"]
    return (
        ",".join(
            [
                "<root_account>",
                f"arn:aws:iam::{ACCOUNT}:root",
                ago(900).strftime(FMT),
                "not_supported" if not ROOT["password"] else "true",
                "no_information" if used is None else day(used),
                "not_supported",
                "not_supported",
                "true" if ROOT["mfa"] else "false",
                "true" if ROOT["keys"] else "false",
                day(700) if ROOT["keys"] else "N/A",
                day(ROOT["key1_last_used_days"]),
                "N/A",
                "N/A",
                "false",
                "N/A",
                "N/A",
                "N/A",
                "N/A",
                "false",
                "N/A",
                "false",
                "N/A",
            ]
        )
        + "\n"
    )


def user_row(u):
    pw_used = (
        "N/A"
        if not u.password
        else ("no_information" if not u.password_last_used else u.password_last_used.strftime(FMT))
    )
    changed = getattr(u, "password_changed", None) or u.create_date
    cells = [
        u.name,
        u.arn,
        u.create_date.strftime(FMT),
        str(bool(u.password)).lower(),
        pw_used,
        changed.strftime(FMT) if u.password else "N/A",
        "N/A",
        "true" if u.mfa_devices else "false",
    ]
    for i in (0, 1):
        k = u.access_keys[i] if i < len(u.access_keys) else None
        last = getattr(k, "bench_last_used", None) if k else None
        cells += (
            ["false", "N/A", "N/A", "N/A", "N/A"]
            if k is None
            else ["true" if k.status == "Active" else "false", k.create_date.strftime(FMT)]
            + ([last.strftime(FMT), "us-east-1", "s3"] if last else ["N/A", "N/A", "N/A"])
        )
    return ",".join(f'"{c}"' if "," in c else c for c in [*cells, "false", "N/A", "false", "N/A"]) + "\n"


User.to_csv = user_row
_report = IAMBackend.get_credential_report


def get_credential_report(self):
    text = _report(self)
    head, rest = text.split("\n", 1)
    return head + "\n" + root_row() + rest


IAMBackend.get_credential_report = get_credential_report

# --- DescribeSnapshots: RestorableByUserIds=all, which moto ignores ---------------------------------------------------
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

_describe_snapshots = ElasticBlockStore.describe_snapshots


def describe_snapshots(self):
    answer = _describe_snapshots(self)
    if "all" in (self._get_param("RestorableByUserIds", []) or []):
        answer.result["Snapshots"] = [
            s
            for s in answer.result["Snapshots"]
            if "all"
            in {
                str(x.get("Group")) if isinstance(x, dict) else str(getattr(x, "group", x))
                for x in (
                    s.create_volume_permission_groups and [{"Group": g} for g in s.create_volume_permission_groups]
                )
                or []
            }
        ]
    return answer


ElasticBlockStore.describe_snapshots = describe_snapshots

# --- what moto has not: answers as AWS gives them, so that no scanner waits through retries of a 500 ------------------
XML = '<?xml version="1.0" encoding="UTF-8"?>'
# What S3 says of every bucket since January 2023, where moto says that there is none.
SSE_S3 = (
    f'{XML}<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>'
    "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
    "<BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
)


def query_error(code, message):
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{error}<RequestId>x</RequestId></ErrorResponse>"


def ec2_error(code, message):
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"{XML}<Response><Errors>{error}</Errors><RequestID>x</RequestID></Response>"


EXTRA = {
    "analyzers": {},
    "selections": {},
    "snapshot_block": {},
    "subscribers": [],
    "ssm": [],
    "quotas": {},
    "used": {},
}


def ec2xml(op, inner):
    return Response(
        f'{XML}<{op}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>x</requestId>{inner}</{op}Response>',
        content_type="text/xml",
    )


def js(data, status=200, ctype="application/json", **headers):
    return Response(json.dumps(data), status, content_type=ctype, headers=headers)


def amz(code, message="", status=400):
    return js(
        {"__type": code, "message": message or code}, status, "application/x-amz-json-1.1", **{"x-amzn-ErrorType": code}
    )


def iamxml(op, inner):
    return Response(
        f'<{op}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><{op}Result>{inner}</{op}Result>'
        f"<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></{op}Response>",
        content_type="text/xml",
    )


def iamerror(code, status):
    return Response(
        query_error(code, code),
        status,
        content_type="text/xml",
    )


def usage(body):
    """What CloudWatch has measured of the quotas: `used` of EXTRA, by one of the metric's dimensions."""
    form = {name: value[0] for name, value in urllib.parse.parse_qs(body.decode()).items()}
    results = []
    for name in form:
        if not name.endswith(".MetricStat.Metric.MetricName"):
            continue
        query = name.removesuffix(".MetricStat.Metric.MetricName")
        of_quota = [
            form[key] for key in form if key.startswith(f"{query}.MetricStat.Metric.Dimensions") and "Value" in key
        ]
        used = next((EXTRA["used"][one] for one in of_quota if one in EXTRA["used"]), None)
        values = "" if used is None else f"<member>{used}</member>"
        results.append(f"<member><Id>{form[query + '.Id']}</Id><Values>{values}</Values></member>")
    return Response(
        '<GetMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricDataResult>'
        f"<MetricDataResults>{''.join(results)}</MetricDataResults></GetMetricDataResult></GetMetricDataResponse>",
        content_type="text/xml",
    )


def stub(service, op, region, req, body):
    if service == "access-analyzer" and req.method == "GET" and req.path == "/analyzer":
        return js({"analyzers": EXTRA["analyzers"].get(region, [])})
    if service == "access-analyzer":
        return js({"findings": []})
    if op == "GetSnapshotBlockPublicAccessState":
        return ec2xml(op, f"<state>{EXTRA['snapshot_block'].get(region, 'unblocked')}</state>")
    if op == "GetImageBlockPublicAccessState":
        return ec2xml(op, "<imageBlockPublicAccessState>unblocked</imageBlockPublicAccessState>")
    if op == "GetInstanceMetadataDefaults":
        return ec2xml(op, "<accountLevel/>")
    if service == "backup" and "/selections/" in req.path and req.method == "GET":
        return js({"BackupSelectionsList": EXTRA["selections"].get(region, [])})
    if service == "backup" and req.path.startswith("/resources"):
        return js({"Results": []})
    if service == "account" and req.path == "/getContactInformation":
        return js(
            {
                "ContactInformation": {
                    "FullName": "A",
                    "AddressLine1": "1",
                    "City": "C",
                    "CountryCode": "US",
                    "PhoneNumber": "+1",
                    "PostalCode": "1",
                }
            }
        )
    if service == "servicequotas" and op == "ListServiceQuotas":
        of_service = json.loads(body)["ServiceCode"]
        quotas = [quota for quota in EXTRA["quotas"].get(region, []) if quota["ServiceCode"] == of_service]
        return js({"Quotas": quotas}, ctype="application/x-amz-json-1.1")
    if service == "monitoring" and op == "GetMetricData":
        return usage(body)
    if service == "account" and req.path == "/listRegions":
        return js({"Regions": []})
    if service == "ssm" and op == "DescribeInstanceInformation":
        return js({"InstanceInformationList": EXTRA["ssm"]}, ctype="application/x-amz-json-1.1")
    if service == "ssm" and op == "ListResourceComplianceSummaries":
        return js({"ResourceComplianceSummaryItems": []}, ctype="application/x-amz-json-1.1")
    if service == "sagemaker" and op == "ListMonitoringSchedules":
        return js({"MonitoringScheduleSummaries": []}, ctype="application/x-amz-json-1.1")
    if service == "support":
        return amz(
            "SubscriptionRequiredException",
            "Amazon Web Services Premium Support Subscription is required to use this service.",
        )
    if service == "budgets" and op == "DescribeSubscribersForNotification":
        return js({"Subscribers": EXTRA["subscribers"]}, ctype="application/x-amz-json-1.1")
    if service == "iam" and op == "ListOrganizationsFeatures":
        return iamerror("AccountNotManagementOrDelegatedAdministratorException", 400)
    if service == "iam" and op == "GenerateServiceLastAccessedDetails":
        return iamxml(op, "<JobId>00000000-0000-0000-0000-000000000001</JobId>")
    if service == "iam" and op == "GetServiceLastAccessedDetails":
        return iamxml(
            op,
            "<JobStatus>COMPLETED</JobStatus><ServicesLastAccessed/><IsTruncated>false</IsTruncated>"
            "<JobCreationDate>2026-01-01T00:00:00Z</JobCreationDate>"
            "<JobCompletionDate>2026-01-01T00:00:00Z</JobCompletionDate>",
        )
    if service == "guardduty" and req.path.endswith("/member"):
        return js({"members": []})
    if service == "guardduty" and req.path.endswith("/admin"):
        return amz(
            "BadRequestException",
            "The request is rejected because an invalid or out-of-range value is specified as an input parameter.",
        )
    return None


def honest(app):
    """moto says 500 or an HTML 404 to what it does not know; AWS says 400, once."""

    def run(environ, start):
        seen = {}

        def begin(status, headers, exc=None):
            seen["s"] = status
            seen["h"] = headers
            return lambda b: None

        try:
            out = b"".join(app(environ, begin))
        except Exception as error:
            seen.update(s="500", h=[])
            out = b"<!doctype html>"
            print("moto:", type(error).__name__, str(error)[:120], flush=True)
        if (
            seen["s"].startswith("404") and b"ServerSideEncryptionConfigurationNotFoundError" in out
        ):  # AWS: SSE-S3 for every bucket since 2023
            out = SSE_S3.encode()
            start("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(out)))])
            return [out]
        if seen["s"].startswith(("500", "404")) and b"<!doctype html>" in out[:20].lower():
            code = b'{"__type":"UnknownOperationException","message":"moto does not know it"}'
            ctype = "application/x-amz-json-1.1"
            if "form-urlencoded" in environ.get("CONTENT_TYPE", ""):
                code = query_error("InvalidAction", "moto does not know it").encode()
                ctype = "text/xml"
                if b"2016-11-15" in out or "ec2" in environ.get("HTTP_AUTHORIZATION", ""):
                    code = ec2_error("InvalidAction", "moto does not know it").encode()
            start("400 Bad Request", [("Content-Type", ctype), ("Content-Length", str(len(code)))])
            return [code]
        start(seen["s"], seen["h"])
        return [out]

    return run


# --- calls ------------------------------------------------------------------------------------------------------------
CALLS, REFUSED, LOCK = collections.Counter(), set(), threading.Lock()
DENY, THROTTLE, LATENCY = [], {}, {"ms": 0.0}
SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
REST = [
    ("s3", "GET", "policyStatus", "GetBucketPolicyStatus"),
    ("s3", "GET", "publicAccessBlock", "GetPublicAccessBlock"),
    ("s3", "GET", "policy", "GetBucketPolicy"),
    ("s3", "GET", "acl", "GetBucketAcl"),
    ("s3", "GET", "ownershipControls", "GetBucketOwnershipControls"),
    ("s3", "GET", "encryption", "GetBucketEncryption"),
    ("s3", "GET", "versioning", "GetBucketVersioning"),
    ("s3", "GET", "logging", "GetBucketLogging"),
    ("s3", "GET", "location", "GetBucketLocation"),
    ("s3", "GET", "tagging", "GetBucketTagging"),
    ("s3", "GET", "object-lock", "GetObjectLockConfiguration"),
    ("s3", "GET", "lifecycle", "GetBucketLifecycleConfiguration"),
    ("s3", "GET", "replication", "GetBucketReplication"),
    ("s3", "GET", "notification", "GetBucketNotificationConfiguration"),
    ("s3", "GET", "accelerate", "GetBucketAccelerateConfiguration"),
    ("s3", "GET", "website", "GetBucketWebsite"),
]


def operation(req, body):
    m = SCOPE.search(req.headers.get("Authorization", ""))
    region, service = m.groups() if m else ("-", "-")
    target = req.headers.get("X-Amz-Target")
    if target:
        return service, target.split(".")[-1], region
    ctype = req.headers.get("Content-Type", "")
    if "form-urlencoded" in ctype or not ctype:
        found = re.search(rb"(?:^|&)Action=([A-Za-z]+)", body) or re.search(
            rb"(?:^|&)Action=([A-Za-z]+)", req.query_string
        )
        if found:
            return service, found.group(1).decode(), region
    if service == "s3":
        if req.path.startswith("/v20180820/"):
            return "s3control", f"{req.method} {req.path.split('/configuration/')[-1]}", region
        for _s, method, key, name in REST:
            if req.method == method and key in req.args:
                return service, name, region
        if req.method == "GET" and req.path == "/":
            return service, "ListBuckets", region
        if req.method == "HEAD":
            return service, "HeadBucket", region
        return service, f"{req.method}", region
    path = re.sub(r"arn[:%][^/]*", "ARN", req.path)
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}", "ID", path)
    return service, f"{req.method} {path}", region


def refusal(service, op, req, status, code, message):
    if req.headers.get("X-Amz-Target"):
        return Response(
            json.dumps({"__type": code, "message": message}), status, content_type="application/x-amz-json-1.1"
        )
    if service in ("s3", "s3control"):
        return Response(
            f"{XML}<Error><Code>{code.replace('Exception', '')}</Code><Message>{message}</Message></Error>",
            status,
            content_type="application/xml",
        )
    if service == "ec2":
        c = "UnauthorizedOperation" if status == 403 else "RequestLimitExceeded"
        return Response(
            ec2_error(c, message),
            status if status == 403 else 503,
            content_type="text/xml",
        )
    if "form-urlencoded" in (req.headers.get("Content-Type") or ""):
        c = "AccessDenied" if status == 403 else "Throttling"
        return Response(
            query_error(c, message),
            status,
            content_type="text/xml",
        )
    return Response(
        json.dumps({"message": message, "__type": code}),
        status,
        content_type="application/json",
        headers={"x-amzn-ErrorType": code},
    )


class Bench:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start):
        req = Request(environ)
        if req.path.startswith("/_bench/"):
            return self.admin(req)(environ, start)
        if req.path.startswith("/moto-api"):
            if req.path.endswith("/reset"):
                ROOT.clear()
                ROOT.update(ROOT_DEFAULT)
                EXTRA.update(analyzers={}, selections={}, snapshot_block={}, subscribers=[], ssm=[], quotas={}, used={})
            return self.app(environ, start)
        body = req.get_data(cache=True)
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        service, op, region = operation(req, body)
        name = f"{service}:{op}"
        with LOCK:
            CALLS[name] += 1
            throttled = THROTTLE.get(name, 0) > 0 or (name not in THROTTLE and THROTTLE.get("*", 0) > 0)
            if throttled:
                THROTTLE[name] = THROTTLE.get(name, THROTTLE.get("*", 0)) - 1
        if LATENCY["ms"]:
            time.sleep(LATENCY["ms"] / 1000)
        if throttled:
            return refusal(service, op, req, 400, "ThrottlingException", "Rate exceeded")(environ, start)
        for rule in DENY:
            rule, _, where = rule.partition("@")
            if (rule == name or (rule.endswith(":*") and name.startswith(rule[:-1]))) and (
                not where or where in req.url or where.encode() in body or where == region
            ):
                with LOCK:
                    REFUSED.add(name)
                return refusal(
                    service,
                    op,
                    req,
                    403,
                    "AccessDeniedException",
                    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/scan/x is not authorized to perform: {name} because no "
                    "identity-based policy allows it",
                )(environ, start)
        known = stub(service, op, region, req, body)
        return known(environ, start) if known is not None else honest(self.app)(environ, start)

    def admin(self, req):
        what = req.path.removeprefix("/_bench/")
        if what == "calls":
            return js({"total": sum(CALLS.values()), "calls": CALLS.most_common(), "refused": sorted(REFUSED)})
        if what == "reset-calls":
            CALLS.clear()
            REFUSED.clear()
            return Response("ok")
        data = json.loads(req.get_data() or b"{}")
        if what == "deny":
            DENY[:] = data.get("rules", [])
            return Response("ok")
        if what == "throttle":
            THROTTLE.clear()
            THROTTLE.update(data)
            return Response("ok")
        if what == "latency":
            LATENCY["ms"] = float(data["ms"])
            return Response("ok")
        if what == "state":
            apply_state(data)
            return Response("ok")
        if what == "extra":
            EXTRA.update(data)
            return Response("ok")
        return Response("no such thing", 404)


def apply_state(data):
    iam = iam_backends[ACCOUNT]["aws"]
    ROOT.update(data.get("root", {}))
    for name, age in data.get("users", {}).items():
        u = iam.users[name]
        if "created" in age:
            u.create_date = ago(age["created"])
        if "password_used" in age:
            u.password_last_used = None if age["password_used"] is None else ago(age["password_used"])
        if "password_changed" in age:
            u.password_changed = ago(age["password_changed"])
        for i, k in enumerate(age.get("keys", [])):
            key = u.access_keys[i]
            key.create_date = ago(k["created"])
            key.bench_last_used = None if k.get("used") is None else ago(k["used"])
            if key.bench_last_used:
                key.last_used = iam_models.AccessKeyLastUsed(
                    timestamp=key.bench_last_used, service="s3", region="us-east-1"
                )
    for name, age in data.get("roles", {}).items():
        r = next(r for r in iam.roles.values() if r.name == name)
        r.create_date = ago(age["created"])
        r.last_used = None if age.get("used") is None else ago(age["used"])
        if r.last_used:
            r.last_used_region = "us-east-1"
    for region, snaps in data.get("snapshots", {}).items():
        for sid, days in snaps.items():
            ec2_backends[ACCOUNT][region].snapshots[sid].start_time = ago(days)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *a, **k):
        pass


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int, required=True)
    a = p.parse_args()
    run_simple(
        "127.0.0.1",
        a.port,
        Bench(DomainDispatcherApplication(create_backend_app)),
        threaded=True,
        request_handler=Quiet,
    )
