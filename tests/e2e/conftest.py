"""One local cloud, with the stack deployed, for all end-to-end tests. Tests do not meet: each uses names of its own."""

import copy
import json
import time

import pytest
from boto3.dynamodb.types import TypeDeserializer

from local_cloud import CloudError, LocalCloud, Mailbox

_cloud = None  # for the report at the end, which no fixture reaches


@pytest.fixture(scope="session")
def cloud():
    global _cloud
    try:
        with LocalCloud() as _cloud:
            yield _cloud
    except CloudError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def stack(cloud):
    try:
        return cloud.deploy()
    except CloudError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture
def mailbox(cloud, stack):
    """A fresh subscription to the alerts."""
    box = Mailbox(cloud, stack.alert_topic)
    yield box
    box.close()


@pytest.fixture(autouse=True)
def fresh_budget(cloud, stack):
    """Eight mails at once and one each quarter of a minute: a test must not find the last one's budget used up."""
    dynamodb = cloud.client("dynamodb")
    for entry in ("budget", "last digest"):
        dynamodb.delete_item(TableName=stack.journal_table, Key={"entry": {"S": entry}})


@pytest.fixture
def sweep(cloud, stack):
    """What the clock does once a minute. A sweep that could not do everything fails and comes again; so it is here."""

    def call():
        payload = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        answer = cloud.client("lambda").invoke(FunctionName=stack.notify_function, Payload=payload)
        return "FunctionError" not in answer

    return call


@pytest.fixture
def scan(cloud, stack):
    """What `keepwatch scan --remote` does; the run's counts."""

    def run():
        payload = json.dumps({"keepwatch": "scan"})
        answer = cloud.client("lambda").invoke(FunctionName=stack.scan_function, Payload=payload)
        counts = json.load(answer["Payload"])
        assert "FunctionError" not in answer, counts
        assert counts["finished"], counts
        return counts

    return run


# Rules that keep every change on record beside the finding that a test is about.
RECORDS = ("iam-changed", "iam-policy-on-user")


class Findings:
    """The findings table, as plain values, without what is only kept on record."""

    def __init__(self, cloud, stack):
        self._dynamodb = cloud.client("dynamodb")
        self._table = stack.findings_table

    def all(self, records=False):
        read = TypeDeserializer().deserialize
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=True)
        items = [{k: read(v) for k, v in item.items()} for page in pages for item in page["Items"]]
        return [item for item in items if records or item["rule"] not in RECORDS]

    def about(self, name):
        """Findings whose resource has this in its name."""
        return [finding for finding in self.all() if name in finding["resource"]]

    def get(self, finding_id):
        (finding,) = [finding for finding in self.all() if finding["finding_id"] == finding_id]
        return finding


@pytest.fixture
def findings(cloud, stack):
    return Findings(cloud, stack)


@pytest.fixture
def hasty_intake(cloud, stack):
    """Failed messages come back after two seconds instead of three minutes, so that a test can wait for it."""
    sqs = cloud.client("sqs")

    def hide_for(seconds):
        sqs.set_queue_attributes(QueueUrl=stack.intake_queue, Attributes={"VisibilityTimeout": str(seconds)})

    hide_for(2)
    yield
    hide_for(180)


@pytest.fixture
def dead_letters(cloud, stack):
    """Reads the dead-letter queue; what a test has read is gone."""
    sqs = cloud.operator(stack, "sqs")

    def read():
        answer = sqs.receive_message(
            QueueUrl=stack.dead_letter_queue,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=stack.dead_letter_queue, ReceiptHandle=message["ReceiptHandle"])
        return messages

    return read


@pytest.fixture
def without(cloud, stack):
    """Takes an action away from a function's role for the length of a block, and gives it back after."""
    iam = cloud.client("iam")

    class Without:
        def __init__(self, logical_id, action):
            roles = iam.list_roles()["Roles"]
            (self.role,) = [
                role["RoleName"] for role in roles if role["RoleName"].startswith(f"{stack.name}-{logical_id}-")
            ]
            (self.policy,) = iam.list_role_policies(RoleName=self.role)["PolicyNames"]
            self.action = action

        def _put(self, document):
            iam.put_role_policy(RoleName=self.role, PolicyName=self.policy, PolicyDocument=json.dumps(document))

        def __enter__(self):
            self.whole = iam.get_role_policy(RoleName=self.role, PolicyName=self.policy)["PolicyDocument"]
            less = copy.deepcopy(self.whole)
            for statement in less["Statement"]:
                if isinstance(statement["Action"], list) and self.action in statement["Action"]:
                    statement["Action"].remove(self.action)
            assert less != self.whole
            self._put(less)

        def __exit__(self, *_):
            self._put(self.whole)

    return Without


@pytest.fixture
def log_lines(cloud, stack):
    """What a function has logged since the test began."""
    logs = cloud.client("logs")
    began = int(time.time() * 1000)

    def lines(logical_id):
        groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
        (group,) = [name for name in groups if stack.name in name and logical_id in name]
        events = logs.filter_log_events(logGroupName=group, startTime=began)["events"]
        return [event["message"] for event in events]

    return lines


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter):
    if _cloud is not None and (terminalreporter.stats.get("failed") or terminalreporter.stats.get("error")):
        terminalreporter.section("local cloud")
        terminalreporter.line(f"logs of the functions and of the emulator: {_cloud.run}/emulator.log")
