"""Deploy Keepwatch's forwarders to further regions, bring them up to date, or remove them.

    python tools/regions.py deploy all            every region that is enabled in the account
    python tools/regions.py deploy eu-west-1,eu-central-1
    python tools/regions.py undeploy all

The home stack is the one of samconfig.toml, or --stack and --home say which. Credentials come as the AWS CLI finds
them. Each region is a stack of its own; a second run changes only what is not as it should be.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import boto3
import tomlkit
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
INFRA = ROOT / "infra"

# The rules of a forwarder have the home stack's name and up to 27 characters more; EventBridge takes 64.
LONGEST_STACK = 37

# Regions at a time. Each only waits for CloudFormation.
AT_ONCE = 8

# What takes no update and can only be deleted (CloudFormation user guide, "Stack status codes"): a creation or a
# removal that failed.
ONLY_DELETED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}

# A stack that has only a change set has nothing that a removal could take away.
REVIEWED = "REVIEW_IN_PROGRESS"

# Where event buses take nothing from other regions (EventBridge user guide, "Sending and receiving events between AWS
# Regions").
UNSUPPORTED = ("aws-cn", "aws-us-gov")

# How many regions the role's trust names: it has 2,048 characters at most (IAM user guide, "IAM and AWS STS quotas").
# Where there are more, it trusts the forwarders' rules of every region.
MOST_NAMED = 24

# What the role's parameter says where no region is left.
NOWHERE = "none"


class RefusedError(Exception):
    """The command cannot be carried out; the message says what to do."""


def saved():
    """Stack and region of the last `make deploy`; empty where there was none."""
    try:
        text = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    parameters = tomlkit.parse(text).get("default", {}).get("deploy", {}).get("parameters", {})
    return {"stack": parameters.get("stack_name"), "home": parameters.get("region")}


def stack_and_region(given):
    """The home stack and its region: as given, else those of the last `make deploy`, else those of a first one."""
    last = saved()
    return given.stack or last.get("stack") or "keepwatch", given.region or last.get("home") or "us-east-1"


def client(service, region):
    retries = {"mode": "standard", "max_attempts": 8}
    return boto3.client(service, region_name=region, config=Config(retries=retries))


def body_of(name):
    """The template, short enough to be sent in the call itself: CloudFormation takes 51,200 characters."""
    return json.dumps(yaml_parse((INFRA / name).read_text(encoding="utf-8")), separators=(",", ":"))


def described(cloudformation, stack):
    """The stack, or nothing where there is none."""
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def deployed(region, stack, template, parameters, capabilities=()):
    """Create or update a stack; what was done."""
    cloudformation = client("cloudformation", region)
    found = described(cloudformation, stack)
    if found and found["StackStatus"] in ONLY_DELETED | {REVIEWED}:
        removed(region, stack)
        found = None
    request = {
        "StackName": stack,
        "TemplateBody": body_of(template),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Capabilities": list(capabilities),
    }
    if found is None:
        cloudformation.create_stack(**request, EnableTerminationProtection=False)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 3})
        return "created"
    try:
        cloudformation.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return "unchanged"
        raise
    cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 3})
    return "updated"


def removed(region, stack):
    cloudformation = client("cloudformation", region)
    if described(cloudformation, stack) is None:
        return "not there"
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 3})
    return "removed"


def why(error, region, stack):
    """What went wrong, in one line. What a waiter says is no more than that it did."""
    if isinstance(error, WaiterError):
        events = client("cloudformation", region).describe_stack_events(StackName=stack)["StackEvents"]
        reasons = [e for e in events if "FAILED" in e["ResourceStatus"] and e.get("ResourceStatusReason")]
        if reasons:
            first = reasons[-1]
            return f"{first['LogicalResourceId']}: {first['ResourceStatusReason']}"
    return " ".join(str(error).split())


def chosen(asked, enabled, home):
    """The regions to work on, and those that are asked for and not enabled."""
    others = sorted(set(enabled) - {home})
    if asked == "all":
        return others, []
    names = [name for name in asked.split(",") if name]
    if not names:
        raise RefusedError("say which regions: all, or a list with commas such as eu-west-1,eu-central-1")
    if home in names:
        raise RefusedError(f"{home} is the home stack's own region, which needs no forwarder: leave it out")
    return sorted(set(names) & set(others)), sorted(set(names) - set(others))


def account_of(home):
    """Account and partition of the credentials."""
    identity = client("sts", home).get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    if partition in UNSUPPORTED:
        raise RefusedError(
            f"EventBridge sends no events between regions of {partition}: deploy a home stack in each region"
        )
    return identity["Account"], partition


def parameters_of(stack, home):
    """Parameters of the home stack, which must be there to be told anything."""
    found = described(client("cloudformation", home), stack)
    if found is None:
        raise RefusedError(
            f"there is no stack {stack} in {home}. Deploy it first (make deploy), or say --stack and --home"
        )
    cloudformation = client("cloudformation", home)
    try:
        cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="RegionsBus")
    except ClientError as error:
        raise RefusedError(f"stack {stack} is of a version without forwarders. Update it first: make deploy") from error
    return {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", [])}


def named(home, role):
    """The regions that the role trusts by name."""
    found = described(client("cloudformation", home), role)
    given = {p["ParameterKey"]: p["ParameterValue"] for p in (found or {}).get("Parameters", [])}
    parts = [source.split(":") for source in given.get("Sources", "").split(",")]
    return {part[3] for part in parts if len(part) > 4}


def sources(partition, regions):
    """How the ARNs of the rules begin that may have the role: the parameter of its template."""
    if len(regions) > MOST_NAMED:
        return f"arn:{partition}:events:*"
    return ",".join(f"arn:{partition}:events:{region}:*" for region in sorted(regions)) or NOWHERE


def has_forwarder(region, stack):
    return described(client("cloudformation", region), stack) is not None


def each(regions, work, stack):
    """Do the work in all regions at once, tell of each as it ends, and count the failures."""
    failures = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(work, region): region for region in regions}
        for done in as_completed(running):
            region = running[done]
            try:
                said = done.result()
            except (BotoCoreError, ClientError, WaiterError) as error:
                failures += 1
                said = f"failed: {why(error, region, stack)}"
            print(f"{region:<16} {said}", flush=True)
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["deploy", "undeploy"])
    parser.add_argument("regions", help="all, or names with commas between them")
    parser.add_argument("--stack", help="name of the home stack (samconfig.toml, else keepwatch)")
    parser.add_argument("--home", dest="region", help="region of the home stack (samconfig.toml, else us-east-1)")
    given = parser.parse_args()
    return run(given.what, given.regions, *stack_and_region(given))


def run(what, asked, stack, home):
    """Deploy or remove the forwarders of these regions; the exit code."""
    forwarder, role = f"{stack}-forwarder", f"{stack}-forwarder-role"
    if len(stack) > LONGEST_STACK:
        raise RefusedError(f"the name {stack} is too long: forwarders take a home stack of {LONGEST_STACK} characters")
    account, partition = account_of(home)
    # What is to go goes without a home stack as well.
    parameters = parameters_of(stack, home) if what == "deploy" else {}
    enabled = [region["RegionName"] for region in client("ec2", home).describe_regions()["Regions"]]
    regions, skipped = chosen(asked, enabled, home)
    for region in skipped:
        print(f"{region:<16} skipped: not enabled in this account, or no region at all")

    common = {"HomeStack": stack, "HomeRegion": home, "HomeAccount": account}

    def trust(regions):
        """Let the rules of these regions have the role, and no others."""
        with_sources = {**common, "Sources": sources(partition, regions)}
        said = deployed(home, role, "forwarder-role.yaml", with_sources, ["CAPABILITY_NAMED_IAM"])
        print(f"{'role':<16} {said}", flush=True)

    # The role may name more regions than those of this run. One of an earlier version names none.
    trusted = named(home, role)
    if not trusted:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = pool.map(lambda region: has_forwarder(region, forwarder), others := sorted(set(enabled) - {home}))
            trusted = {region for region, is_there in zip(others, found, strict=True) if is_there}

    if what == "undeploy":
        failures = each(regions, lambda region: removed(region, forwarder), forwarder)
        if asked == "all" and not failures:
            print(f"{'role':<16} {removed(home, role)}")
        elif not failures and described(client("cloudformation", home), role):
            trust(trusted - set(regions))
        return 1 if failures else 0

    trust(trusted | set(regions))
    full = {**common, "SigmaRules": parameters.get("SigmaRules", "none")}
    return 1 if each(regions, lambda region: deployed(region, forwarder, "forwarder.yaml", full), forwarder) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RefusedError as refusal:
        sys.exit(f"regions: {refusal}")
    except (BotoCoreError, ClientError, WaiterError) as error:
        sys.exit(f"regions: AWS refused or did not answer: {' '.join(str(error).split())}")
