"""The grant of the first hour, as the script makes it: told, and over when it is undone.

The test stands for CloudTrail."""

import json
import subprocess

from people import environment

from events import ADMIN, call, unique
from local_cloud import ACCOUNT, REGION, play, until
from local_cloud.cloud import ROOT, TOOLS

PREFIX = "keepwatch-first-hour-"


def told(cloud, name, user, **more):
    """CloudTrail tells of a call of the script's."""
    parameters = {"userName": user, "policyName": "first-hour", **more}
    play(cloud, call("iam", name, parameters))


def test_the_grant_of_the_first_hour_is_told_and_resolved(cloud, stack, mailbox):
    iam = cloud.client("iam")
    # The emulator has not AWS's own.
    nothing = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    boundary = iam.create_policy(PolicyName=unique("nothing"), PolicyDocument=json.dumps(nothing))["Policy"]["Arn"]
    command = [TOOLS / "venv" / "bin" / "python", ROOT / "tools" / "first_hour.py", "grant", "--stack", stack.name]
    command += ["--region", REGION, "--keepwatch", cloud.binaries / "keepwatch", "--wait", "90", "--pause", "1"]
    command += ["--boundary", boundary]
    script = subprocess.Popen(
        command, env=environment(cloud, stack), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    def with_policy():
        users = [one["UserName"] for one in iam.list_users()["Users"] if one["UserName"].startswith(PREFIX)]
        return [user for user in users if iam.list_user_policies(UserName=user)["PolicyNames"]]

    try:
        (user,) = until(with_policy, "the grant", deadline=30)
        told(cloud, "PutUserPolicy", user, policyDocument=json.dumps(ADMIN))
        mailbox.wait_for(lambda alert: alert.resource == f"arn:aws:iam::{ACCOUNT}:user/{user}", "the mail")
        until(lambda: not with_policy(), "the script to undo it")
        told(cloud, "DeleteUserPolicy", user)
        script.wait(timeout=120)
    finally:
        script.kill()
        printed = script.stdout.read()
        print(printed)
    assert script.returncode == 0, printed
    assert "CRITICAL admin-inline-policy" in printed
    assert user not in [one["UserName"] for one in iam.list_users()["Users"]]
