"""Keepwatch and Prowler on one seeded account, in one run: time, memory, calls, and what each says that is not so.

    python tests/posture/bench.py KEEPWATCH PROWLER [--users 1000] [--buckets 500] [--latency 40] [--small]

KEEPWATCH and PROWLER are the programs. Both read the same moto (cloud.py), which answers after so many milliseconds
and counts the calls; both are asked the same practices. Then a small account is scanned with thirty-three operations
refused, and a second account of edge cases (second.py), which is Keepwatch's alone. The figures are ratios, so that a
slow machine makes both slow. It ends with 1 where a bound is broken. With --small the account is small and answers at
once: a quick look, whose ratios say nothing. `make bench-scan` runs it.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import NamedTuple

import compare

HERE = pathlib.Path(__file__).parent
REGION = "us-east-1"
# At most so much of Prowler's.
BOUNDS = {"seconds": 1 / 20, "megabytes": 1 / 20, "calls": 1 / 5}
# Which operations are refused in the second part, and the action that a scanner must name for each. Nothing where
# Keepwatch does not make the call.
DENIED = {
    "s3:GetBucketAcl": "s3:GetBucketAcl",
    "s3:GetBucketPolicy": "s3:GetBucketPolicy",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3control:GET publicAccessBlock": "s3:GetAccountPublicAccessBlock",
    "s3:GetBucketVersioning": "s3:GetBucketVersioning",
    "iam:GenerateCredentialReport": "iam:GenerateCredentialReport",
    "iam:GetCredentialReport": "iam:GetCredentialReport",
    "iam:ListMFADevices": "iam:ListMFADevices",
    "iam:ListVirtualMFADevices": "iam:ListVirtualMFADevices",
    "iam:GetAccountSummary": "iam:GetAccountSummary",
    "iam:GetAccountPasswordPolicy": "iam:GetAccountPasswordPolicy",
    "iam:ListAttachedUserPolicies": None,
    "iam:ListUserPolicies": None,
    "iam:GetPolicyVersion": None,
    "ec2:DescribeSnapshotAttribute": None,
    "ec2:DescribeVolumes": "ec2:DescribeVolumes",
    "ec2:GetEbsEncryptionByDefault": "ec2:GetEbsEncryptionByDefault",
    "ec2:DescribeFlowLogs": "ec2:DescribeFlowLogs",
    "rds:DescribeDBSnapshotAttributes": "rds:DescribeDBSnapshotAttributes",
    "kms:DescribeKey": "kms:DescribeKey",
    "guardduty:GET /detector": "guardduty:ListDetectors",
    "config:DescribeConfigurationRecorders": "config:DescribeConfigurationRecorders",
    "config:DescribeConfigurationRecorderStatus": "config:DescribeConfigurationRecorderStatus",
    "cloudtrail:GetTrailStatus": "cloudtrail:GetTrailStatus",
    "cloudtrail:GetEventSelectors": "cloudtrail:GetEventSelectors",
    "lambda:GET /2015-03-31/functions": "lambda:ListFunctions",
    "access-analyzer:GET /analyzer": "access-analyzer:ListAnalyzers",
    "backup:GET /backup/plans/": "backup:ListBackupPlans",
    "organizations:DescribeOrganization": "organizations:DescribeOrganization",
    "account:POST /getAlternateContact": "account:GetAlternateContact",
    "dms:DescribeReplicationInstances": "dms:DescribeReplicationInstances",
    "sagemaker:DescribeNotebookInstance": "sagemaker:DescribeNotebookInstance",
    "es:GET /2021-01-01/domain": "es:ListDomainNames",
}


class Run(NamedTuple):
    """What a scan took, and what it said: lines by practice."""

    seconds: float
    megabytes: float
    calls: int
    said: dict


class Cloud:
    """The server, on a free port."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{self.port}", folder
        with open(folder / "cloud.log", "wb") as log:
            command = [sys.executable, HERE / "cloud.py", "--port", str(self.port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def __enter__(self):
        for _ in range(300):
            try:
                self.ask("calls")
                return self
            except urllib.error.URLError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.2)
        sys.exit(f"the server has not come up:\n{(self.folder / 'cloud.log').read_text()}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def ask(self, what, data=None):
        """GET without data, else POST."""
        body = None if data is None else json.dumps(data).encode()
        with urllib.request.urlopen(f"{self.url}/_bench/{what}", body) as answer:  # noqa: S310
            return answer.read()

    def seed(self, users, buckets):
        """The first account, and the truth about it."""
        return self.seeded("seed.py", "--regions", REGION, "--users", str(users), "--buckets", str(buckets))

    def seeded(self, script, *more):
        """An account, and the truth about it."""
        truth = self.folder / "truth.json"
        subprocess.run([sys.executable, HERE / script, "--url", self.url, "--out", truth, *more], check=True)
        return json.loads(truth.read_text())

    def measure(self, command, out, codes, **more):
        """Runs a program to its end: seconds, megabytes at its peak, calls."""
        self.ask("reset-calls", {})
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }
        began = time.monotonic()
        with open(out, "wb") as stdout, open(f"{out}.log", "wb") as stderr:
            process = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=env)
            _, status, used = os.wait4(process.pid, 0)
        seconds, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        process.returncode = code
        if code not in codes:
            sys.exit(f"{command[0]} ended with {code}:\n{pathlib.Path(f'{out}.log').read_text()[-2000:]}")
        return seconds, used.ru_maxrss / 1024, json.loads(self.ask("calls"))["total"]

    def keepwatch(self, program, regions=REGION):
        out = self.folder / "keepwatch.ndjson"
        command = [program, "scan", "--all", "--format", "ndjson", "--region", regions]
        took = self.measure(command, out, (0, 1, 3))
        return Run(*took, compare.of_keepwatch(out))

    def prowler(self, program):
        out = self.folder / "prowler"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        lines = (HERE / "prowler_checks.txt").read_text().splitlines()
        checks = sorted({line.split()[1] for line in lines})
        command = [program, "aws", "--region", REGION, "--checks", *checks, "--output-formats", "json-ocsf"]
        command += ["--output-directory", out, "--output-filename", "out", "--no-banner", "--ignore-exit-code-3"]
        command += ["--log-level", "CRITICAL", "--only-logs"]
        # sitecustomize.py: S3 Control's host begins with the account's number.
        took = self.measure(command, out / "log", (0,), PYTHONPATH=str(HERE / "prowler_site"), TERM="dumb")
        return Run(*took, compare.of_prowler(out / "out.ocsf.json"))


def tell(truths, ours, theirs):
    """Prints what both say; what is wrong with ours."""
    (own, wrong), (other, _) = compare.score(truths, ours.said), compare.score(truths, theirs.said, is_prowler=True)
    print(f"{'of ' + str(len(truths)) + ' truths':24}{'Keepwatch':>12}{'Prowler':>12}")
    for kind in ("right", "false-pass", "silent", "false-fail", "unknown", "no-check"):
        print(f"{kind:24}{own[kind]:12}{other[kind]:12}")
    for line in wrong:
        print(f"  Keepwatch: {line}")
    return [f"{own[kind]} {kind}" for kind in ("false-pass", "silent") if own[kind]]


def at_full_size(cloud, args):
    """Time, memory and calls, and what is said of the large account."""
    truths = cloud.seed(args.users, args.buckets)
    cloud.ask("latency", {"ms": args.latency})
    print(f"== {args.users} users, {args.buckets} buckets, {args.latency} ms an answer", flush=True)
    ours = cloud.keepwatch(args.keepwatch)
    print(f"Keepwatch took {ours.seconds:.1f} s; Prowler takes some minutes", flush=True)
    theirs = cloud.prowler(args.prowler)
    cloud.ask("latency", {"ms": 0})
    broken = []
    print(f"{'':24}{'Keepwatch':>12}{'Prowler':>12}{'ratio':>10}{'bound':>10}")
    for name, bound in BOUNDS.items():
        mine, other = getattr(ours, name), getattr(theirs, name)
        print(f"{name:24}{mine:12.1f}{other:12.1f}   1/{other / mine:5.1f}    1/{1 / bound:4.0f}")
        if mine > other * bound and not args.small:
            broken.append(f"{name}: more than 1/{1 / bound:.0f} of Prowler's")
    return broken + tell(truths, ours, theirs)


def with_refusals(cloud, args):
    """What is said of a small account whose scanner may not do everything."""
    truths = cloud.seed(10, 10)
    cloud.ask("deny", {"rules": list(DENIED)})
    print(f"== 10 users, 10 buckets, {len(DENIED)} operations refused", flush=True)
    ours = cloud.keepwatch(args.keepwatch)
    refused = json.loads(cloud.ask("calls"))["refused"]
    theirs = cloud.prowler(args.prowler)
    cloud.ask("deny", {"rules": []})
    lines = (cloud.folder / "keepwatch.ndjson").read_text().splitlines()
    named = {one.get("action") for line in lines for one in json.loads(line)["unknown_because"]}
    unnamed = sorted({DENIED[call] for call in refused} - named)
    print(
        f"Keepwatch made {len(refused)} of the refused calls and names {len(refused) - len(unnamed)} of their actions"
    )
    broken = [f"refused and not named: {', '.join(unnamed)}"] if unnamed else []
    return broken + tell(truths, ours, theirs)


def edge_cases(cloud, args):
    """What Keepwatch says of the second account."""
    truths = cloud.seeded("second.py")
    print("== the second account: edge cases", flush=True)
    kinds, wrong = compare.score(truths, cloud.keepwatch(args.keepwatch, f"{REGION},eu-west-1").said)
    print(f"{kinds['right']} of {len(truths)} right")
    for line in wrong:
        print(f"  Keepwatch: {line}")
    return [] if kinds["right"] == len(truths) else ["not all of the second account is right"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("keepwatch")
    parser.add_argument("prowler")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--buckets", type=int, default=500)
    parser.add_argument("--latency", type=int, default=40)
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    if args.small:
        args.users, args.buckets, args.latency = 10, 10, 0
    with tempfile.TemporaryDirectory() as folder, Cloud(pathlib.Path(folder)) as cloud:
        broken = at_full_size(cloud, args) + with_refusals(cloud, args) + edge_cases(cloud, args)
    for line in broken:
        print(f"BROKEN: {line}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
