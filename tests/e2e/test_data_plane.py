"""Items and messages are written by the stack's own roles, and by people as its operator.

The emulator applies the policies of queues to callers, and with our change (tests/local_cloud/emulator.py, 6) those of
tables. It does not apply them to AWS's services or to PartiQL, and lets root write to tables: what AWS does there is
judged in tests/template/test_resource_policies.py.
"""

import json
import subprocess
import time

import boto3
import botocore.exceptions
import pytest
from people import environment, key_of_user

from events import ADMIN, call, put_user_policy, unique
from local_cloud import ACCOUNT, REGION, play, until

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
READING = {"Effect": "Allow", "Action": ["dynamodb:*", "sqs:*"], "Resource": "*"}


class Person:
    """An IAM user with a policy, and a key for it."""

    def __init__(self, cloud, stack, name, statement):
        self._cloud, self._stack = cloud, stack
        self._key = key_of_user(cloud, name, statement)

    def client(self, service):
        session = boto3.Session(*self._key.values(), region_name=REGION)
        return session.client(service, endpoint_url=self._cloud.endpoint)

    def keepwatch(self, *arguments):
        person = environment(self._cloud, self._stack) | self._key
        command = [self._cloud.binaries / "keepwatch", *arguments]
        return subprocess.run(command, env=person, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def administrator(cloud, stack):
    return Person(cloud, stack, unique("administrator"), EVERYTHING)


@pytest.fixture(scope="module")
def reader(cloud, stack):
    return Person(cloud, stack, unique("reader"), READING)


def refused(call, **parameters):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**parameters)
    assert error.value.response["Error"]["Code"].startswith("AccessDenied")


def test_an_administrator_plants_changes_and_deletes_no_item(administrator, stack):
    """An item in `findings` silenced a real administrator grant; rows dated 2099 in `journal` held all mails back."""
    dynamodb = administrator.client("dynamodb")
    keys = {stack.findings_table: "finding_id", stack.journal_table: "entry", stack.settings_table: "setting_id"}
    for table, key in keys.items():
        planted = {key: {"S": "planted"}}
        refused(dynamodb.put_item, TableName=table, Item=planted)
        refused(dynamodb.delete_item, TableName=table, Key=planted)
        refused(dynamodb.update_item, TableName=table, Key=planted)
        refused(dynamodb.batch_write_item, RequestItems={table: [{"PutRequest": {"Item": planted}}]})
        refused(dynamodb.transact_write_items, TransactItems=[{"Put": {"TableName": table, "Item": planted}}])
        assert all(item[key]["S"] != "planted" for item in dynamodb.scan(TableName=table)["Items"])


def test_an_administrator_forges_and_takes_no_message(administrator, stack):
    """A forged message resolved a CRITICAL until 2099."""
    sqs = administrator.client("sqs")
    for queue in (stack.intake_queue, *stack.dead_letter_queues):
        refused(sqs.send_message, QueueUrl=queue, MessageBody="{}")
        refused(sqs.receive_message, QueueUrl=queue)
        refused(sqs.purge_queue, QueueUrl=queue)
        assert sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]


def test_a_message_that_no_queue_held_closes_and_says_nothing(cloud, stack, findings, administrator, mailbox, sweep):
    """Whoever may invoke the function can hand it anything, and no trail shows that by default."""
    assert sweep(), "alerts wait until notify knows that somebody is subscribed"
    trail = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{unique('main')}"
    play(cloud, call("cloudtrail", "StopLogging", {"name": trail}))
    (finding,) = until(lambda: findings.about(trail), "the trail's end to be recorded")
    assert (finding["severity"], finding["status"]) == ("CRITICAL", "NEW")
    until(lambda: findings.get(finding["finding_id"])["alert_state"] != "PENDING", "the alert to be claimed")
    # Of good and bad news of one second, the bad news counts.
    time.sleep(1)
    pause = call("cloudtrail", "StartLogging", {"name": trail})
    other = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{unique('other')}"
    for event in (pause, call("cloudtrail", "StopLogging", {"name": other})):
        forged = {
            "messageId": "forged",
            "receiptHandle": "forged",
            "body": json.dumps(event),
            # Old, and delivered often: what detect would give up, and the operator might move into the queue.
            "attributes": {"ApproximateReceiveCount": "900", "SentTimestamp": "0"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:keepwatch-IntakeQueue",
            "awsRegion": REGION,
        }
        payload = json.dumps({"Records": [forged]})
        for function in (stack.detect_function, stack.scan_function):
            answer = administrator.client("lambda").invoke(FunctionName=function, Payload=payload)
            said = json.loads(answer["Payload"].read())
            if function == stack.detect_function:
                # The alarm on its errors rings.
                assert answer["FunctionError"]
                assert "known to be the queue's own" in said["errorMessage"]
            else:
                assert said["batchItemFailures"] == [{"itemIdentifier": "forged"}]
    assert findings.get(finding["finding_id"])["status"] == "NEW"
    assert not findings.about(other)
    # The same by the event bus is good news.
    play(cloud, pause)
    until(lambda: findings.get(finding["finding_id"])["status"] == "RESOLVED", "the trail to be well again")


def test_an_administrator_works_on_findings_as_the_operator(cloud, findings, administrator):
    name = unique("operated")
    play(cloud, put_user_policy(name, ADMIN))
    (finding,) = until(lambda: findings.about(name), f"{name} to be recorded")
    said = ["--by", "alice", "--note", "a test"]
    done = administrator.keepwatch("findings", "ack", finding["finding_id"], *said)
    assert done.returncode == 0, done.stderr
    assert findings.get(finding["finding_id"])["status"] == "IN_PROGRESS"
    done = administrator.keepwatch("findings", "resolve", finding["finding_id"], *said)
    assert done.returncode == 0, done.stderr
    done = administrator.keepwatch("tune", "rule", "network-changed", "--off")
    assert done.returncode == 0, done.stderr
    done = administrator.keepwatch("tune", "reset", "rule#network-changed")
    assert done.returncode == 0, done.stderr


def test_who_may_not_become_the_operator_is_told_what_to_ask_for(cloud, stack, findings, reader):
    name = unique("read")
    play(cloud, put_user_policy(name, ADMIN))
    (finding,) = until(lambda: findings.about(name), f"{name} to be recorded")
    assert name in reader.keepwatch("findings", "show", finding["finding_id"]).stdout
    done = reader.keepwatch("findings", "ack", finding["finding_id"], "--by", "bob", "--note", "a test")
    assert done.returncode == 3, done.stdout
    asked = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": stack.operator_role}
    assert json.loads(done.stderr[done.stderr.index("{") :]) == asked
    assert f"arn:aws:iam::{ACCOUNT}:user/" in done.stderr
    assert findings.get(finding["finding_id"])["status"] == "NEW"
