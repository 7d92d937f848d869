"""Every operation of AWS that can change a resource of the stack, and who hears it.

shared/rules/src/self_protection/operations.json is the list. This program reads the models of the services from
botocore, which tools/requirements.txt pins, adds to the list what is new in them under "undecided", and takes out
what is gone. A person then moves each new operation to "heard", with the rule that hears it and a request that it
would be, or to "not heard", below the reason why. tests/template fails while something is undecided, and the tests of
the rules try every operation that is heard.

    make operations
"""

import json
import re
import sys
import textwrap
from pathlib import Path

import botocore.session

LIST = Path(__file__).resolve().parents[1] / "shared/rules/src/self_protection/operations.json"

# The services that own what the stack consists of, and those that can move or copy what is in it. By botocore's name:
# the name in CloudTrail, and the parameters that can name a resource of the stack.
SERVICES = {
    "application-autoscaling": ("autoscaling", {"ResourceId", "ResourceARN"}),
    "cloudcontrol": ("cloudcontrolapi", {"Identifier", "DesiredState"}),
    "cloudformation": ("cloudformation", {"StackName", "StackId", "StackIds", "ResourceMappings", "StackDefinitions"}),
    "cloudwatch": (
        "monitoring",
        {"AlarmMuteRuleName", "AlarmName", "AlarmNames", "MuteTargets", "ResourceARN", "ResourceArn"},
    ),
    "dynamodb": (
        "dynamodb",
        {
            "BackupArn",
            "GlobalTableName",
            "RequestItems",
            "ResourceArn",
            "SourceTableArn",
            "SourceTableName",
            "Statement",
            "Statements",
            "TableArn",
            "TableCreationParameters",
            "TableName",
            "TargetTableName",
            "TransactItems",
            "TransactStatements",
        },
    ),
    "events": (
        "events",
        {"Destination", "Entries", "EventBusName", "EventBuses", "EventSourceArn", "Name", "ResourceARN", "Rule"},
    ),
    "iam": ("iam", {"RoleName"}),
    "kms": ("kms", {"AliasName", "CustomKeyStoreId", "KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId"}),
    "lambda": (
        "lambda",
        {"DurableExecutionArn", "EventSourceArn", "FunctionName", "Resource", "ResourceArn", "UUID"},
    ),
    "logs": (
        "logs",
        {
            "logGroupArnList",
            "logGroupIdentifier",
            "logGroupIdentifiers",
            "logGroupName",
            "logGroupNames",
            "policyType",
            "resourceArn",
            "resourceIdentifier",
        },
    ),
    "pipes": ("pipes", {"Name", "Source", "Target"}),
    "scheduler": ("scheduler", {"Target"}),
    "sns": ("sns", {"Name", "ResourceArn", "SubscriptionArn", "TopicArn"}),
    "sqs": ("sqs", {"DestinationArn", "QueueName", "QueueUrl", "SourceArn", "TaskHandle"}),
}

# The reason of those that have no such parameter. It is given by hand like the others, and tests/template checks it.
NAMES_NOTHING = "It names nothing that the stack has."

# Operations that read and change nothing, by the beginning of their names.
READS = (
    "BatchDescribe",
    "BatchGet",
    "Describe",
    "Filter",
    "Get",
    "List",
    "Lookup",
    "Query",
    "Scan",
    "Search",
    "Simulate",
    "TransactGet",
)

# Lambda's older operations carry the date of their interface in CloudTrail, and some of them a second version besides.
# CloudTrail user guide, "Supported services"; Lambda developer guide, "Logging using CloudTrail".
DATED_BEFORE = "2019"
SECOND_VERSION = {
    "AddPermission",
    "RemovePermission",
    "TagResource",
    "UntagResource",
    "UpdateFunctionCode",
    "UpdateFunctionConfiguration",
}


def names_in_cloudtrail(service, operation):
    """The names under which CloudTrail may record an operation, the operation's own first."""
    name = operation.name
    date = re.match(r"/(\d{4}-\d{2}-\d{2})/", operation.http.get("requestUri", ""))
    if service != "lambda" or not date or date[1] >= DATED_BEFORE:
        return [name]
    dated = name + date[1].replace("-", "")
    return [name, dated, dated + "v2"] if name in SECOND_VERSION else [name, dated]


def changing():
    """What the models have: for each service, each operation that is no read, its names in CloudTrail, and whether one
    of its parameters can name a resource of the stack."""
    session = botocore.session.get_session()
    found = {}
    for service, (_, naming) in SERVICES.items():
        model = session.get_service_model(service)
        operations = [model.operation_model(name) for name in model.operation_names if not name.startswith(READS)]
        found[service] = {
            operation.name: (names_in_cloudtrail(service, operation), bool(naming & parameters(operation)))
            for operation in operations
        }
    return found


def parameters(operation):
    return set(operation.input_shape.members) if operation.input_shape else set()


def listed(service):
    """Every operation that the list has for a service, once for each place where it stands."""
    silent = [name for names in service["not heard"].values() for name in names]
    return [*service["heard"], *silent, *service.get("undecided", [])]


def updated(services, found):
    """The list with the models' operations: what is new is undecided, what is gone is left out."""
    result = {}
    for service, operations in found.items():
        old = services.get(service, {"heard": {}, "not heard": {}})
        heard = {name: old["heard"][name] for name in sorted(old["heard"]) if name in operations}
        silent = {
            why: sorted(set(names) & set(operations))
            for why, names in sorted(old["not heard"].items())
            if set(names) & set(operations)
        }
        new = sorted(set(operations) - set(listed({"heard": heard, "not heard": silent})))
        result[service] = {"source": f"{SERVICES[service][0]}.amazonaws.com", "heard": heard, "not heard": silent}
        for name, entry in heard.items():
            entry.pop("names", None)
            names, _ = operations[name]
            if names != [name]:
                entry["names"] = names
        if new:
            result[service]["undecided"] = new
    return result


def written(services):
    """The list as text: an operation that is heard in a line, the others in lines that are full."""
    text = json.dumps
    lines = ["{"]
    for i, (service, entry) in enumerate(services.items()):
        lines += [f"  {text(service)}: {{", f'    "source": {text(entry["source"])},', '    "heard": {']
        heard = [f"      {text(name)}: {text(how)}" for name, how in entry["heard"].items()]
        lines += [",\n".join(heard)] if heard else []
        lines += ["    },", '    "not heard": {']
        silent = [f"      {text(why)}: {wrapped(names, 8)}" for why, names in entry["not heard"].items()]
        lines += [",\n".join(silent)] if silent else []
        lines += ["    }" + ("," if "undecided" in entry else "")]
        if "undecided" in entry:
            lines += [f'    "undecided": {wrapped(entry["undecided"], 6)}']
        lines += ["  }" + ("," if i + 1 < len(services) else "")]
    return "\n".join([*lines, "}", ""])


def wrapped(names, indent):
    space = " " * indent
    full = textwrap.fill(", ".join(json.dumps(name) for name in names), 110, break_long_words=False)
    return "[\n" + textwrap.indent(full, space) + "\n" + space[2:] + "]"


def main():
    services = json.loads(LIST.read_text()) if LIST.exists() else {}
    result = updated(services, changing())
    LIST.write_text(written(result))
    undecided = [f"{service}: {name}" for service, entry in result.items() for name in entry.get("undecided", [])]
    if undecided:
        sys.exit("Say of these in " + LIST.name + " who hears them, or why nobody does:\n  " + "\n  ".join(undecided))


if __name__ == "__main__":
    main()
