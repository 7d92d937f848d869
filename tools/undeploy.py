"""Remove Keepwatch from an account: the forwarders of other regions, then the stack, and what it keeps when asked.

    python tools/undeploy.py                  says what goes and what stays, and asks
    python tools/undeploy.py --yes            does not ask
    python tools/undeploy.py --everything     tables, queues and logs go too

Stack and region are those of samconfig.toml, or --stack and --region say which. It can be run again, and after the
stack is gone.
"""

import argparse
import sys

import regions
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from regions import ROOT, RefusedError, client, described, stack_and_region
from samtranslator.yaml_helper import yaml_parse


class Kind:
    """A kind of resource that outlives the stack."""

    def __init__(self, word, names, remove):
        self.word = word
        # What there is in the region, as pairs of a name with the stack's prefix and what the call takes.
        self.names = names
        self.remove = remove


def _paged(region, service, call, key, **request):
    for page in client(service, region).get_paginator(call).paginate(**request):
        yield from page.get(key, [])


def _tables(region, _):
    return [(name, name) for name in _paged(region, "dynamodb", "list_tables", "TableNames")]


def _queues(region, stack):
    urls = _paged(region, "sqs", "list_queues", "QueueUrls", QueueNamePrefix=f"{stack}-")
    return [(url.rsplit("/", 1)[1], url) for url in urls]


def _logs(region, stack):
    groups = _paged(region, "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=f"{stack}-")
    return [(group["logGroupName"],) * 2 for group in groups]


def _remove_table(region, name):
    """A protected table cannot be deleted (DynamoDB developer guide, "Using deletion protection")."""
    dynamodb = client("dynamodb", region)
    if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 2})
    dynamodb.delete_table(TableName=name)
    dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 2})


def _remove_queue(region, url):
    client("sqs", region).delete_queue(QueueUrl=url)


def _remove_logs(region, name):
    client("logs", region).delete_log_group(logGroupName=name)


KINDS = {
    "AWS::DynamoDB::Table": Kind("table", _tables, _remove_table),
    "AWS::SQS::Queue": Kind("queue", _queues, _remove_queue),
    "AWS::Logs::LogGroup": Kind("log group", _logs, _remove_logs),
}


def keeping():
    """Logical id and type of what the template keeps when the stack goes."""
    resources = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    return {name: one["Type"] for name, one in resources.items() if "Retain" in one.get("DeletionPolicy", "")}


def kept(region, stack):
    """What is there of it: kind, name, and what the call takes. CloudFormation names it STACK-ID-SUFFIX."""
    ids = keeping()
    found = []
    for type_, kind in KINDS.items():
        prefixes = tuple(f"{stack}-{name}-" for name, its in ids.items() if its == type_)
        found += [(kind, name, handle) for name, handle in kind.names(region, stack) if name.startswith(prefixes)]
    return found


def forwarders(region, stack):
    """Whether other regions have forwarders: their role goes last of all."""
    return described(client("cloudformation", region), f"{stack}-forwarder-role") is not None


def agreed(stack):
    if not sys.stdin.isatty():
        raise RefusedError("nothing is removed: say --yes (make undeploy YES=yes) where nobody can be asked")
    return input(f"Remove it? Write the stack's name, {stack}: ").strip() == stack


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", help="name of the stack (samconfig.toml, else keepwatch)")
    parser.add_argument("--region", help="its region (samconfig.toml, else us-east-1)")
    parser.add_argument("--everything", action="store_true", help="tables, queues and logs go too")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    given = parser.parse_args()
    stack, region = stack_and_region(given)
    account = client("sts", region).get_caller_identity()["Account"]
    there = described(client("cloudformation", region), stack) is not None
    elsewhere = forwarders(region, stack)
    stays = kept(region, stack)
    print(f"account {account}, {region}")
    if elsewhere:
        print(f"goes:   the forwarders {stack}-forwarder of all other regions, and their role")
    if there:
        print(f"goes:   stack {stack}; from then on nothing is watched and nobody is mailed")
    for kind, name, _ in stays:
        print(f"{'goes:  ' if given.everything else 'stays: '} {kind.word} {name}")
    if not (there or elsewhere or (stays and given.everything)):
        print("nothing is left to remove" if not stays else "the rest goes with: make undeploy EVERYTHING=yes")
        return 0
    if given.everything:
        print("The findings, who was told of them, and the logs of the functions are then gone.")
    if not given.yes and not agreed(stack):
        print("nothing is removed")
        return 1

    if elsewhere and regions.run("undeploy", "all", stack, region):
        raise RefusedError("a forwarder is left (see above), and the stack as well: try again")
    if there:
        print(f"{'stack':<16} {regions.removed(region, stack)}", flush=True)
    if given.everything:
        # Asked again: the functions' last lines may have come since.
        for kind, name, handle in kept(region, stack):
            kind.remove(region, handle)
            print(f"{kind.word:<16} removed {name}", flush=True)
    elif stays:
        print("What stays costs what it stores. It goes with: make undeploy EVERYTHING=yes")
    print("samconfig.toml and SAM's bucket aws-sam-cli-managed-default-... are left: other stacks may use the bucket.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RefusedError as refusal:
        sys.exit(f"undeploy: {refusal}")
    except WaiterError as error:
        sys.exit(
            f"undeploy: it is not removed: {' '.join(str(error).split())}. Look at the stack's events, and try again"
        )
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"undeploy: AWS refused or did not answer: {' '.join(str(error).split())}")
