"""A stack of version 0.1.0 is updated to today's template and goes back: what it holds stays where it is.

The template is 0.1.0's own (tests/fixtures), and the items are what its functions wrote. The functions are today's,
since those of 0.1.0 take too long to build here. tests/tests/upgrade.rs has what they make of its tables, and
tests/template/test_upgrade.py what AWS would replace."""

import json

import pytest

from local_cloud import ROOT, CloudError, LocalCloud

OLD = ROOT / "tests" / "fixtures" / "template-0.1.0.yaml"
NEW = ROOT / "template.yaml"
ITEMS = json.loads((ROOT / "tests" / "fixtures" / "tables-0.1.0.json").read_text(encoding="utf-8"))
SUPPRESSION = {"setting_id": {"S": "suppression#audit-week"}, "rule": {"S": "root-*"}, "resource": {"S": "*"}}
NAME = "upgraded"
HOLDS = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup")


@pytest.fixture(scope="module")
def cloud():
    """One of its own: two stacks would hear the same events."""
    try:
        with LocalCloud() as cloud:
            yield cloud
    except CloudError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture
def fresh_budget():
    """That of conftest.py needs a stack."""


def holding(cloud):
    """The physical ids of what holds something, by logical id."""
    resources = cloud.client("cloudformation").describe_stack_resources(StackName=NAME)["StackResources"]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources if r["ResourceType"] in HOLDS}


def deploy(cloud, template):
    cloud.deploy_template(template, NAME)
    (stack,) = cloud.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
    assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    return holding(cloud)


def items(cloud, table, key):
    return {item[key]["S"]: item for item in cloud.client("dynamodb").scan(TableName=table)["Items"]}


def untouched(item):
    """What no mail changes: notify, which is there again, may mark what is due."""
    return {name: value for name, value in item.items() if not name.startswith(("alert", "due", "updated"))}


def bodies(cloud, url):
    """What lies in a queue, left there. Nobody but the operator may look into one."""
    sqs = cloud.client("sqs")
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"].get("Policy", "")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return [message["Body"] for message in found]


def give_up(cloud, url, body):
    sqs = cloud.client("sqs")
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"].get("Policy", "")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=url, MessageBody=body)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})


def kept(cloud, ids):
    """What 0.1.0 wrote is there, as it wrote it."""
    found = items(cloud, ids["FindingsTable"], "finding_id")
    written = ITEMS["findings"]
    assert set(written) <= set(found)
    assert {name: untouched(found[name]) for name in written} == {name: untouched(written[name]) for name in written}
    journal = items(cloud, ids["JournalTable"], "entry")
    assert {name: journal.get(name) for name in ITEMS["journal"]} == ITEMS["journal"]
    assert items(cloud, ids["SettingsTable"], "setting_id") == {"suppression#audit-week": SUPPRESSION}
    assert bodies(cloud, ids["DeadLetterQueue"]) == ["given up by 0.1.0"]


def test_a_stack_of_0_1_0_is_updated_and_goes_back_with_all_that_it_holds(cloud):
    before = deploy(cloud, OLD)
    dynamodb = cloud.client("dynamodb")
    for table, written in [("FindingsTable", ITEMS["findings"]), ("JournalTable", ITEMS["journal"])]:
        for item in written.values():
            dynamodb.put_item(TableName=before[table], Item=item)
    dynamodb.put_item(TableName=before["SettingsTable"], Item=SUPPRESSION)
    give_up(cloud, before["DeadLetterQueue"], "given up by 0.1.0")
    kept(cloud, before)

    now = deploy(cloud, NEW)
    assert {name: now.get(name) for name in before} == before
    kept(cloud, now)
    new = {name: url for name, url in now.items() if name not in before and name.endswith("Queue")}
    assert set(new) == {"RecheckQueue", "InvocationDeadLetterQueue", "MailDeadLetterQueue"}
    for name in ("InvocationDeadLetterQueue", "MailDeadLetterQueue"):
        give_up(cloud, now[name], f"given up into {name}")

    assert deploy(cloud, OLD) == before
    kept(cloud, before)
    # What the earlier version does not know is kept outside the stack, with what lies in it.
    for name in ("InvocationDeadLetterQueue", "MailDeadLetterQueue"):
        assert bodies(cloud, new[name]) == [f"given up into {name}"]
