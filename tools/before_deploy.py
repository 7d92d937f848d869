"""Look whether a deployment can succeed, before a build of twenty minutes: credentials, region, stack, permissions.

    python tools/before_deploy.py --region us-east-1

Stack and region are those of samconfig.toml, or --stack and --region say which. Nothing is changed. What may not be
looked at is said and is no failure. Exit code 1 when the deployment would fail.
"""

import argparse
import json
import sys
from fnmatch import fnmatchcase

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from regions import INFRA, ONLY_DELETED, REVIEWED, client, described, stack_and_region

POLICY = INFRA / "deploy-policy.json"

# The services that deploying passes roles to: what `iam:PassedToService` is for the simulation.
PASSED_TO = "lambda.amazonaws.com"

# Actions of one question. IAM's answer comes in pages anyway.
AT_ONCE = 50

# What STS says where a region is not enabled for the account, or the credentials are no more (STS API reference,
# "Common errors"; IAM user guide, "Activating and deactivating AWS STS in an AWS Region").
NOT_ACCEPTED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "RegionDisabledException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class WillFailError(Exception):
    """The deployment would fail; the message says what to do."""


def say(what, text):
    print(f"{what:<12} {text}", flush=True)


def identity(region):
    """Who calls: account, partition and ARN."""
    try:
        found = client("sts", region).get_caller_identity()
    except NoCredentialsError:
        raise WillFailError("there are no credentials: sign in (aws sso login) or set AWS_PROFILE") from None
    except NoRegionError:
        raise WillFailError("no region is set: make deploy REGION=us-east-1") from None
    except ClientError as error:
        if error.response["Error"]["Code"] in NOT_ACCEPTED:
            raise WillFailError(
                f"AWS does not accept the credentials in {region}: sign in again; or the region is not enabled "
                f"in this account ({error.response['Error']['Code']})"
            ) from None
        raise
    return found["Account"], found["Arn"].split(":")[1], found["Arn"]


def look_at_stack(region, stack):
    """Refuse over what no deployment gets past."""
    found = described(client("cloudformation", region), stack)
    status = found["StackStatus"] if found else None
    if status in ONLY_DELETED:
        raise WillFailError(
            f"stack {stack} is {status} and takes no deployment. Remove it with what it left, and deploy again: "
            "make undeploy EVERYTHING=yes"
        )
    if status and status.endswith("_IN_PROGRESS") and status != REVIEWED:
        raise WillFailError(f"stack {stack} is {status}: wait until that has ended")
    return status


def source_of(region, arn):
    """The user or role whose policies count; nothing where it cannot be known."""
    resource = arn.split(":", 5)[5]
    if resource.startswith("user/"):
        return arn
    if resource.startswith("assumed-role/"):
        # The ARN of a session lacks the role's path.
        return client("iam", region).get_role(RoleName=resource.split("/")[1])["Role"]["Arn"]
    return None


def concrete(pattern, account, partition, region, stack):
    """A resource that the pattern of a statement stands for."""
    if pattern == "*":
        return "*"
    head, kind, service, place, owner, name = pattern.split(":", 5)
    name = name.replace("keepwatch", stack, 1).replace("*", "x")
    place, owner = place.replace("*", region), owner.replace("*", account)
    return ":".join([head, kind.replace("aws", partition), service, place, owner, name])


def listed(value):
    return value if isinstance(value, list) else [value]


def refused(region, source, account, partition, stack):
    """The actions of the policy file that this user or role may not do."""
    iam = client("iam", region)
    passed = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string", "ContextKeyValues": [PASSED_TO]}
    found = {}
    for statement in json.loads(POLICY.read_text(encoding="utf-8"))["Statement"]:
        resource = concrete(listed(statement["Resource"])[0], account, partition, region, stack)
        actions = listed(statement["Action"])
        for start in range(0, len(actions), AT_ONCE):
            pages = iam.get_paginator("simulate_principal_policy").paginate(
                PolicySourceArn=source,
                ActionNames=actions[start : start + AT_ONCE],
                ResourceArns=[resource],
                ContextEntries=[passed],
            )
            for page in pages:
                for result in page["EvaluationResults"]:
                    if result["EvalDecision"] != "allowed":
                        found[result["EvalActionName"]] = (result["EvalDecision"], resource)
    return found


def look_at_permissions(region, account, partition, arn, stack):
    if arn.endswith(":root"):
        return "the root user's, which no policy limits; deploy as a user or role"
    try:
        source = source_of(region, arn)
        if source is None:
            return f"not looked at: {arn} is neither a user nor a role"
        missing = refused(region, source, account, partition, stack)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if not fnmatchcase(code, "AccessDenied*"):
            raise
        return (
            f"not looked at: AWS refuses {arn} iam:{error.operation_name}. infra/deploy-policy.json has what is needed"
        )
    if missing:
        lines = [f"  {action} on {resource}: {decision}" for action, (decision, resource) in sorted(missing.items())]
        raise WillFailError(
            "\n".join(
                [
                    f"{arn} may not do all that infra/deploy-policy.json has. LOOK=no deploys all the same:",
                    *lines,
                ]
            )
        )
    return "all that infra/deploy-policy.json has"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", help="name of the stack (samconfig.toml, else keepwatch)")
    parser.add_argument("--region", help="where to deploy (samconfig.toml, else us-east-1)")
    given = parser.parse_args()
    stack, region = stack_and_region(given)
    account, partition, arn = identity(region)
    say("credentials", arn)
    say("region", f"{region} of account {account}")
    say("stack", f"{stack}: {look_at_stack(region, stack) or 'not there yet'}")
    say("permissions", look_at_permissions(region, account, partition, arn, stack))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WillFailError as refusal:
        sys.exit(f"before deploy: {refusal}")
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"before deploy: AWS refused or did not answer: {' '.join(str(error).split())}")
