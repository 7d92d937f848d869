"""What a replay costs: time and memory of `keepwatch replay` on generated logs of several sizes, beside others.

    python tests/bench_replay.py KEEPWATCH INFLATE [GIGABYTES ...]

KEEPWATCH and INFLATE are the compiled command line and the example that unpacks the files and passes over their JSON,
which is the least that reading them costs. The logs are those of an account at work, with an incident now and then, as
CloudTrail writes them: one object of some megabytes in each .json.gz. Sizes are those of the unpacked JSON; without any
they are 1, 2 and 4. Everything runs on one core. The run ends with 1 where a bound is missed: the rate of the largest
log must be that of the smallest, and no log may take more memory than is allowed. `make bench-replay` runs it.

jq and rsigma take a turn on the smallest log where they are installed. jq only counts the records; rsigma gets the
records one a line and the rules of the folder RSIGMA_RULES.
"""

import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone

GB = 1_000_000_000
RECORDS = 2_000
ACCOUNT = "111122223333"
BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)

# How much slower the largest log may be than the smallest, and what any may keep in memory, in megabytes.
SLOWER = 1.25
MOST = 256

# Of a hundred calls: source, name, whether it only reads, parameters.
CALLS = [
    (30, "sts", "AssumeRole", True, {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/app", "durationSeconds": 3600}),
    (25, "kms", "Decrypt", True, {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::app-data"}}),
    (20, "ec2", "DescribeInstances", True, {"maxResults": 1000, "filterSet": {"items": [{"name": "tag:service"}]}}),
    (10, "s3", "GetBucketLocation", True, {"bucketName": "app-data", "Host": "s3.us-east-1.amazonaws.com"}),
    (9, "logs", "CreateLogStream", False, {"logGroupName": "/aws/lambda/app", "logStreamName": "2026/03/01/[1]0a1b"}),
    (5, "ssm", "UpdateInstanceInformation", False, {"instanceId": "i-0a1b2c3d4e5f60718", "agentStatus": "Active"}),
    (1, "ec2", "AuthorizeSecurityGroupIngress", False, {"groupId": "sg-0a1b2c3d", "ipPermissions": {"items": []}}),
]


def record(number, source, name, reads, parameters):
    at = BEGIN + timedelta(seconds=number // 20)
    role = {"type": "Role", "principalId": "AROAEXAMPLE", "arn": f"arn:aws:iam::{ACCOUNT}:role/app", "userName": "app"}
    identity = {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:worker",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/worker",
        "accountId": ACCOUNT,
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "sessionContext": {"sessionIssuer": role, "attributes": {"mfaAuthenticated": "false"}},
    }
    return {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "10.0.3.17",
        "userAgent": "Boto3/1.34.2 md/Botocore#1.34.2 ua/2.0 os/linux#5.15 md/arch#x86_64 lang/python#3.12",
        "requestParameters": parameters,
        "responseElements": None,
        "requestID": f"{number:08x}-1111-2222-3333-444455556666",
        "eventID": f"{number:08x}-aaaa-bbbb-cccc-ddddeeeeffff",
        "readOnly": reads,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"},
    }


def write(task):
    """One file; says how many bytes its JSON has."""
    path, first = task
    shared_out = [call[1:] for call in CALLS for _ in range(call[0])]
    records = [record(first + i, *shared_out[(i * 37) % 100]) for i in range(RECORDS)]
    if first // RECORDS % 50 == 0:
        admin = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
        grant = {"userName": f"user-{first % 7}", "policyName": "p", "policyDocument": admin}
        records.append(record(first, "iam", "PutUserPolicy", False, grant))
    text = json.dumps({"Records": records}, separators=(",", ":")).encode()
    with gzip.open(path, "wb", compresslevel=1) as out:
        out.write(text)
    return len(text)


def generate(folder, gigabytes):
    """A folder of log files; says how many bytes of JSON it holds."""
    folder.mkdir()
    size = write((folder / "000000.json.gz", 0))
    tasks = [(folder / f"{i:06}.json.gz", i * RECORDS) for i in range(1, round(gigabytes * GB / size))]
    with ProcessPoolExecutor() as pool:
        return size + sum(pool.map(write, tasks, chunksize=16))


def run(command):
    """Seconds of a core and the largest memory, in megabytes, of a command and whatever it starts."""
    core = min(os.sched_getaffinity(0))

    def on_one_core():
        os.sched_setaffinity(0, {core})

    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out, preexec_fn=on_one_core)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        printed = out.read().decode()
    if process.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    # Not the time that passed: others may have had the core meanwhile.
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, printed


def row(name, size, seconds, memory):
    print(f"{name:34} {size / GB:6.1f} {seconds:8.1f} {size / seconds / 1e6:8.0f} {memory:8.0f}", flush=True)


def main():
    keepwatch, inflate, *sizes = sys.argv[1:]
    sizes = [float(size) for size in sizes] or [1, 2, 4]
    print(f"{'':34} {'GB':>6} {'s':>8} {'MB/s':>8} {'MB kept':>8}")
    measured = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as scratch:
        for size in sorted(sizes):
            folder = pathlib.Path(scratch) / f"log-{size}"
            held = generate(folder, size)
            least, memory, _ = run([inflate, folder])
            row("unpacked, JSON passed over", held, least, memory)
            seconds, memory, printed = run([keepwatch, "replay", folder])
            row("keepwatch replay, all rules", held, seconds, memory)
            print(f"  {seconds / least:.2f} times the least; {printed.splitlines()[0]}")
            measured.append((held / seconds, memory))
            if len(measured) == 1:
                others(folder, held)
            shutil.rmtree(folder)
    slower = measured[0][0] / measured[-1][0]
    most = max(memory for _, memory in measured)
    print(f"largest beside smallest: {slower:.2f} times slower; at most {most:.0f} MB of memory")
    if slower > SLOWER or most > MOST:
        raise SystemExit(f"at most {SLOWER} times and {MOST} MB are allowed")


def others(folder, held):
    """Those that are installed, on the same files."""
    pattern = f"{folder}/*.json.gz"
    if shutil.which("jq"):
        seconds, memory, _ = run(
            ["sh", "-c", f"cat {pattern} | gunzip | jq -n 'reduce inputs as $file (0; . + ($file.Records | length))'"]
        )
        row("jq: gunzip, records counted", held, seconds, memory)
    rules = os.environ.get("RSIGMA_RULES")
    if shutil.which("rsigma") and rules:
        lines = f"cat {pattern} | gunzip | jq -c '.Records[]' > {folder}.jsonl"
        subprocess.run(["sh", "-c", lines], check=True)
        seconds, memory, _ = run(["rsigma", "eval", "--rules", rules, "--event", f"@{folder}.jsonl"])
        row("rsigma, records one a line", held, seconds, memory)
        os.unlink(f"{folder}.jsonl")


if __name__ == "__main__":
    main()
