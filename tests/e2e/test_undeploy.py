"""A stack is removed by the real command: what it keeps is named, stays, and goes when asked.

The stack is small: what is told apart are the kinds of what stays."""

import json

import pytest
from botocore.exceptions import ClientError

from events import unique
from local_cloud import REGION

ELSEWHERE = "eu-west-1"

TEMPLATE = {
    "Resources": {
        "FindingsTable": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "Retain",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "DeletionProtectionEnabled": True,
                "AttributeDefinitions": [{"AttributeName": "finding_id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "finding_id", "KeyType": "HASH"}],
            },
        },
        "IntakeQueue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": "RetainExceptOnCreate"},
        "DetectLogs": {
            "Type": "AWS::Logs::LogGroup",
            "DeletionPolicy": "RetainExceptOnCreate",
            # As AWS generates it; the emulator generates another.
            "Properties": {"LogGroupName": {"Fn::Sub": "${AWS::StackName}-DetectLogs-1A2B3C4D5E6F"}},
        },
        "AlertTopic": {"Type": "AWS::SNS::Topic"},
    }
}


@pytest.fixture
def removable(cloud):
    """The name of a stack that may go."""
    name = unique("gone")
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    return name


def names(cloud, stack):
    """What is there with the stack's name, as undeploy.py calls it."""
    tables = cloud.client("dynamodb").get_paginator("list_tables").paginate()
    found = [f"table {name}" for page in tables for name in page["TableNames"]]
    urls = cloud.client("sqs").list_queues(QueueNamePrefix=stack).get("QueueUrls", [])
    found += ["queue " + url.rsplit("/", 1)[1] for url in urls]
    groups = cloud.client("logs").describe_log_groups(logGroupNamePrefix=stack)["logGroups"]
    found += ["log group " + group["logGroupName"] for group in groups]
    topics = cloud.client("sns").get_paginator("list_topics").paginate()
    found += ["topic " + topic["TopicArn"].rsplit(":", 1)[1] for page in topics for topic in page["Topics"]]
    return {name for name in found if f" {stack}-" in name}


def test_undeploy_says_what_it_keeps_and_removes_that_when_asked(cloud, removable):
    stack = ["--stack", removable, "--region", REGION]
    before = names(cloud, removable)
    kept = {name for name in before if not name.startswith("topic")}
    assert len(kept) == 3

    printed, code = cloud.tool("undeploy.py", *stack)
    assert code == 1
    assert "say --yes" in printed
    assert names(cloud, removable) == before

    printed, code = cloud.tool("undeploy.py", *stack, "--yes")
    assert code == 0, printed
    assert {line.removeprefix("stays:  ") for line in printed.splitlines() if line.startswith("stays:")} == kept
    assert names(cloud, removable) == kept

    printed, code = cloud.tool("undeploy.py", *stack, "--yes")
    assert (code, "make undeploy EVERYTHING=yes" in printed) == (0, True), printed
    assert names(cloud, removable) == kept

    printed, code = cloud.tool("undeploy.py", *stack, "--yes", "--everything")
    assert code == 0, printed
    assert names(cloud, removable) == set()
    assert cloud.tool("undeploy.py", *stack, "--yes", "--everything")[0].endswith("nothing is left to remove\n")


def test_undeploy_takes_the_forwarders_of_other_regions_first(cloud, removable):
    topic = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    forwarders = [(f"{removable}-forwarder-role", REGION), (f"{removable}-forwarder", ELSEWHERE)]
    for name, region in forwarders:
        cloudformation = cloud.client("cloudformation", region)
        cloudformation.create_stack(StackName=name, TemplateBody=topic)
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    printed, code = cloud.tool("undeploy.py", "--stack", removable, "--region", REGION, "--yes", "--everything")
    assert code == 0, printed
    lines = [line.split() for line in printed.splitlines()]
    done = [line[0] for line in lines if line[1:] == ["removed"]]
    assert ELSEWHERE in done
    assert done.index(ELSEWHERE) < done.index("role") < done.index("stack")
    for name, region in forwarders:
        with pytest.raises(ClientError, match="does not exist"):
            cloud.client("cloudformation", region).describe_stacks(StackName=name)


def test_before_a_deployment_it_is_said_who_deploys_where(cloud):
    printed, code = cloud.tool("before_deploy.py", "--region", REGION, "--stack", unique("new"))
    lines = dict(line.split(maxsplit=1) for line in printed.splitlines())
    assert code == 0, printed
    assert lines["region"].startswith(f"{REGION} of account ")
    assert lines["stack"].endswith("not there yet")
