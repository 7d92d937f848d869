"""`keepwatch replay s3://…`: log files are read where a trail puts them, and nothing of them stays on this computer."""

import gzip
import json
import subprocess

import pytest
from people import environment, key_of_user

from events import ADMIN, put_user_policy, unique

TRAIL = "AWSLogs/111122223333/CloudTrail/us-east-1"


@pytest.fixture
def bucket(cloud):
    name = unique("trail")
    cloud.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def put(cloud, bucket):
    def one(key, *events, packed=True):
        text = json.dumps({"Records": [event["detail"] for event in events]}).encode()
        cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(text) if packed else text)

    return one


@pytest.fixture
def replay(cloud, stack, tmp_path):
    def run(*arguments, **credentials):
        done = subprocess.run(
            [cloud.binaries / "keepwatch", "replay", *arguments],
            env=environment(cloud, stack) | {"TMPDIR": str(tmp_path)} | credentials,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert list(tmp_path.iterdir()) == [], "nothing stays behind"
        return done

    return run


def told(done, names):
    """Those of the users whose policies are told of."""
    return [name for name in names if f"user/{name}" in done.stdout]


def test_log_files_of_a_trail_are_read_from_their_bucket(bucket, put, replay):
    names = [unique("reader") for _ in range(3)]
    put(f"{TRAIL}/2026/03/01/one.json.gz", put_user_policy(names[0], ADMIN))
    put("../../../etc/cron.d/evil.json.gz", put_user_policy(names[1], ADMIN))
    put(f"{TRAIL}/2026/03/02/plain.json", put_user_policy(names[2], ADMIN), packed=False)
    put("AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/03/01/digest.json.gz")
    put("AWSLogs/readme.txt", packed=False)
    done = replay(f"s3://{bucket}", "--format", "ndjson")
    assert told(done, names) == names, done.stderr
    assert "says where): 3," in done.stderr
    assert told(replay(f"s3://{bucket}/{TRAIL}/2026/03/01/", "--format", "ndjson"), names) == [names[0]]


def test_only_the_days_that_are_asked_for_are_fetched(bucket, put, replay):
    old, new = unique("reader"), unique("reader")
    put(f"{TRAIL}/2019/05/01/old.json.gz", put_user_policy(old, ADMIN))
    put(f"{TRAIL}/2026/03/01/new.json.gz", put_user_policy(new, ADMIN))
    done = replay(f"s3://{bucket}/AWSLogs/", "--since", "2020-01-01", "--format", "ndjson")
    assert told(done, [old, new]) == [new], done.stderr
    assert "says where): 1," in done.stderr
    done = replay(f"s3://{bucket}/AWSLogs/", "--until", "2010-01-01")
    assert done.returncode == 2
    assert "has no files of the time that is asked for" in done.stderr


def test_a_file_that_cannot_be_read_is_named_as_the_bucket_names_it(cloud, bucket, put, replay):
    whole = gzip.compress(json.dumps(put_user_policy(unique("reader"), ADMIN)).encode())
    cloud.client("s3").put_object(Bucket=bucket, Key=f"{TRAIL}/2026/03/01/cut.json.gz", Body=whole[:-30])
    put(f"{TRAIL}/2026/03/01/whole.json.gz", put_user_policy(unique("reader"), ADMIN))
    done = replay(f"s3://{bucket}/")
    assert done.returncode == 1
    assert f"s3://{bucket}/{TRAIL}/2026/03/01/cut.json.gz:1: it cannot be unpacked" in done.stderr


def test_a_bucket_that_is_not_there_or_may_not_be_read_is_said_so(cloud, bucket, put, replay):
    done = replay(f"s3://{unique('nowhere')}/")
    assert done.returncode == 3
    assert "NoSuchBucket" in done.stderr
    put(f"{TRAIL}/2026/03/01/one.json.gz", put_user_policy(unique("reader"), ADMIN))
    lister = key_of_user(cloud, unique("lister"), {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
    done = replay(f"s3://{bucket}/", **lister)
    assert done.returncode == 3, done.stdout
    assert "AccessDenied" in done.stderr
    assert "It needs s3:GetObject, and kms:Decrypt" in done.stderr
