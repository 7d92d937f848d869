"""The first hour of Keepwatch on a real account: deploy, look, test, one harmless grant, undo, remove.

    python tools/first_hour.py --dry-run          says what each step does and costs, and does nothing
    python tools/first_hour.py                    does all of it, and asks before it removes the stack
    python tools/first_hour.py doctor test-alert  does these steps alone, with a stack that is there

`make first-hour` is the same, with DRY=yes and STEPS="doctor test-alert".

It needs credentials that may deploy (infra/deploy-policy.json) and make a user (iam:CreateUser, PutUserPolicy,
DeleteUserPolicy, DeleteUser). The user has no password and no key, and a boundary that denies everything: nobody can do
anything with the grant. It is taken away whatever happens. What was never tried on AWS: docs/never-tried.md.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from regions import ROOT, client, described, stack_and_region

GRANT = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

# AWS's own policy that denies everything (AWS managed policy reference, "AWSDenyAll").
BOUNDARY = "policy/AWSDenyAll"

POLICY_NAME = "first-hour"
RULE = "admin-inline-policy"


class FailedError(Exception):
    """A step did not do what it is there for; the message says what was expected."""


@dataclass(frozen=True)
class Step:
    """One step of the hour."""

    name: str
    does: str
    costs: str


STEPS = [
    Step("look", "looks at credentials, region, stack and permissions (make before-deploy)", "nothing"),
    Step(
        "deploy",
        "builds the functions and deploys the stack (make deploy); the first time it asks for the mail address",
        "20 minutes; 0.01 USD, and 0.29 USD a month for as long as the stack stays",
    ),
    Step("build", "builds the command line (cargo build)", "a few minutes"),
    Step("confirm", "waits until somebody has confirmed the subscription to the alerts", "nothing"),
    Step("doctor", "keepwatch doctor: nothing fails", "nothing"),
    Step("test-alert", "keepwatch test-alert: a call on a trail that does not exist becomes a mail", "one mail"),
    Step(
        "grant",
        "makes a user without password and key, under a boundary that denies everything, and puts a policy on it that "
        "allows everything",
        "nothing",
    ),
    Step("told", f"waits until the finding {RULE} about it is there and its mail is published", "one mail"),
    Step("undo", "takes the policy away", "nothing"),
    Step("resolved", "waits until the finding is resolved", "one mail"),
    Step("clean", "removes the user", "nothing"),
    Step(
        "remove", "removes the stack and all that it keeps (make undeploy EVERYTHING=yes), and asks before", "nothing"
    ),
]

# What makes no sense without what comes before it.
GRANTED = ("grant", "told", "undo", "resolved", "clean")


class Hour:
    """The steps, and what they know of each other."""

    def __init__(self, given):
        self.given = given
        self.user = f"keepwatch-first-hour-{uuid.uuid4().hex[:8]}"
        self.is_there = False
        self.has_policy = False

    # --- what the steps are made of ---

    @property
    def stack(self):
        return stack_and_region(self.given)[0]

    @property
    def region(self):
        return stack_and_region(self.given)[1]

    def command(self, *command, quiet=False):
        """Run a command as a person would; what it printed, if quiet, and its exit code."""
        if not quiet:
            print("  $ " + shlex.join(str(word) for word in command), flush=True)
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE if quiet else None, text=True, check=False)
        return done.stdout or "", done.returncode

    def must(self, *command):
        _, code = self.command(*command)
        if code != 0:
            raise FailedError(f"it ended with exit code {code}")

    def keepwatch(self, *arguments, quiet=False):
        binary = self.given.keepwatch or ROOT / "target" / "debug" / "keepwatch"
        return self.command(binary, *arguments, "--stack", self.stack, "--region", self.region, quiet=quiet)

    def until(self, what, ready):
        """Ask until there is an answer, for as long as --wait says."""
        began = time.monotonic()
        while not (answer := ready()):
            if time.monotonic() - began > self.given.wait:
                raise FailedError(f"after {self.given.wait} s there still is not {what}")
            time.sleep(self.given.pause)
        print(f"  {what}, after {time.monotonic() - began:.0f} s", flush=True)
        return answer

    def finding(self):
        """The finding about the user, once there is one."""
        printed, code = self.keepwatch("findings", "list", "--all", "--rule", RULE, "--format", "ndjson", quiet=True)
        if code not in (0, 1):
            raise FailedError("keepwatch findings list does not work, see above")
        found = [json.loads(line) for line in printed.splitlines()]
        return next((one for one in found if one["resource"].endswith(f":user/{self.user}")), None)

    # --- the steps ---

    def look(self):
        self.must("make", "before-deploy", f"REGION={self.region}")

    def deploy(self):
        self.must("make", "deploy", f"REGION={self.region}")

    def build(self):
        self.must("cargo", "build", "--locked", "-p", "keepwatch-cli")

    def confirm(self):
        found = described(client("cloudformation", self.region), self.stack)
        if found is None:
            raise FailedError(f"there is no stack {self.stack} in {self.region}")
        topics = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
        print(
            "  Look into the mailbox: AWS asks twice to confirm. Do not click: docs/operations.md says how to confirm "
            "so that no link can end it."
        )

        def confirmed():
            pages = client("sns", self.region).get_paginator("list_subscriptions_by_topic")
            subscriptions = (
                one for page in pages.paginate(TopicArn=topics["AlertTopic"]) for one in page["Subscriptions"]
            )
            # Until it is confirmed, its ARN is a word (SNS API reference, "Subscribe").
            return any(one["SubscriptionArn"].startswith("arn:") for one in subscriptions)

        self.until("a confirmed subscription", confirmed)

    def doctor(self):
        _, code = self.keepwatch("doctor")
        if code != 0:
            raise FailedError("a line says FAIL, with the command that mends it")

    def test_alert(self):
        _, code = self.keepwatch("test-alert", "--wait", str(self.given.wait))
        if code != 0:
            raise FailedError("a hop is broken, it is named above")

    def grant(self):
        iam = client("iam", self.region)
        partition = client("sts", self.region).get_caller_identity()["Arn"].split(":")[1]
        boundary = self.given.boundary or f"arn:{partition}:iam::aws:{BOUNDARY}"
        iam.create_user(UserName=self.user, PermissionsBoundary=boundary)
        self.is_there = True
        iam.put_user_policy(UserName=self.user, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(GRANT))
        self.has_policy = True
        print(f"  user {self.user} has the policy {POLICY_NAME}", flush=True)

    def told(self):
        def mailed():
            found = self.finding()
            return found if found and found["alert_state"] == "SENT" else None

        found = self.until("the finding, and its mail is published", mailed)
        print(f"  {found['severity']} {found['finding_id']}: {found['title']}")

    def undo(self):
        client("iam", self.region).delete_user_policy(UserName=self.user, PolicyName=POLICY_NAME)
        self.has_policy = False

    def resolved(self):
        def over():
            found = self.finding()
            return found is not None and found["status"] == "RESOLVED"

        self.until("the finding resolved", over)

    def clean(self):
        """Whatever the grant has left; also after a step that failed."""
        if self.has_policy:
            self.undo()
        if self.is_there:
            client("iam", self.region).delete_user(UserName=self.user)
            self.is_there = False
            print(f"  user {self.user} is removed", flush=True)

    def remove(self):
        self.must("make", "undeploy", "EVERYTHING=yes")

    def do(self, step):
        getattr(self, step.name.replace("-", "_"))()


def chosen(names):
    """The steps to do, in their order."""
    known = [step.name for step in STEPS]
    odd = [name for name in names if name not in known]
    if odd:
        sys.exit(f"first hour: there is no step {odd[0]}; there are {', '.join(known)}")
    wanted = set(names or known)
    if wanted & set(GRANTED):
        wanted |= set(GRANTED)
    return [step for step in STEPS if step.name in wanted]


def run(hour, steps):
    """Do the steps until one fails that the others need; the exit code. The grant never outlives it."""
    outcomes = []
    try:
        for number, step in enumerate(steps, 1):
            print(f"\n[{number}/{len(steps)}] {step.name}: {step.does}", flush=True)
            began = time.monotonic()
            try:
                hour.do(step)
                said = "ok"
            except (FailedError, BotoCoreError, ClientError) as error:
                said = f"FAILED: {' '.join(str(error).split())}"
                print(f"  {said}", flush=True)
            outcomes.append((step.name, time.monotonic() - began, said))
            if said != "ok" and step.name in ("look", "deploy", "build", "confirm", "grant"):
                break
    finally:
        hour.clean()
    print()
    for name, seconds, said in outcomes:
        print(f"{name:<12} {seconds:>6.0f} s  {said}")
    left = [step.name for step in steps[len(outcomes) :]]
    if left:
        print(f"not done: {' '.join(left)}")
    return 1 if left or any(said != "ok" for _, _, said in outcomes) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="*", help="only these: " + ", ".join(step.name for step in STEPS))
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--stack", help="name of the stack (samconfig.toml, else keepwatch)")
    parser.add_argument("--region", help="its region (samconfig.toml, else us-east-1)")
    parser.add_argument("--keepwatch", type=Path, help="the command line (target/debug/keepwatch)")
    parser.add_argument("--boundary", help="ARN of a policy that denies everything, in place of AWS's own, AWSDenyAll")
    parser.add_argument("--wait", type=int, default=1800, help="seconds to wait for what comes by itself")
    parser.add_argument("--pause", type=float, default=15, help="seconds between two looks")
    given = parser.parse_args()
    steps = chosen(given.steps)
    if given.dry_run:
        for number, step in enumerate(steps, 1):
            print(f"[{number}/{len(steps)}] {step.name}\n  does:  {step.does}\n  costs: {step.costs}")
        return 0
    os.environ.setdefault("AWS_PAGER", "")
    return run(Hour(given), steps)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("first hour: stopped; the user of the grant is removed")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"first hour: the user of the grant may be left, look in IAM: {' '.join(str(error).split())}")
