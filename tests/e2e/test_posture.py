"""The account as it is: found, confirmed and closed by scans, and looked at again when something changes.

The emulator answers part of what the checks ask; the rest is unknown here, as in an account that refuses it. It does
not know the account's block on public access, so that versioning stands for all states of a bucket.
"""

import pytest

from events import call
from local_cloud import play, until

RULE = "data-bucket-protection-weakened"


@pytest.fixture
def versioning(findings):
    """The finding that a bucket keeps no versions."""

    def of(bucket):
        found = [one for one in findings.about(bucket) if one["rule"] == RULE and one["aspect"] == "versioning"]
        return found[0] if found else None

    return of


def keep_versions(cloud, bucket):
    configuration = {"Status": "Enabled"}
    cloud.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration=configuration)


def test_a_state_is_found_told_once_and_closed(cloud, scan, versioning):
    cloud.client("s3").create_bucket(Bucket="posture-files")
    assert scan()["told"]["opened"] >= 1
    finding = versioning("posture-files")
    assert (finding["status"], list(finding["witnesses"])) == ("NEW", ["s3.versioning"])
    # A second look at the same has nothing to tell.
    scan()
    assert versioning("posture-files")["version"] == finding["version"]
    keep_versions(cloud, "posture-files")
    scan()
    assert versioning("posture-files")["status"] == "RESOLVED"


def test_what_cannot_be_seen_is_one_finding(findings, scan):
    counts = scan()
    assert counts["coverage_percent"] < 100, "the emulator lacks some services"
    assert len([one for one in findings.all() if one["rule"] == "scan.coverage"]) == (1 if counts["refused"] else 0)


def test_a_change_is_looked_at_again_within_two_minutes(cloud, scan, versioning):
    """The delay is the queue's: 75 seconds, and some for the batch. No rule takes this call for good news."""
    cloud.client("s3").create_bucket(Bucket="posture-again")
    scan()
    assert versioning("posture-again")["status"] == "NEW"
    keep_versions(cloud, "posture-again")
    play(cloud, call("s3", "PutBucketVersioning", {"bucketName": "posture-again"}))
    until(lambda: versioning("posture-again")["status"] == "RESOLVED", "the second look", 120)
    assert "PutBucketVersioning" in versioning("posture-again")["status_reason"]
