"""`keepwatch redrive`: what was given up is told apart, and each kind comes back by its own way."""

import json
import subprocess

import pytest
from people import environment, key_of_user
from test_works import drain

from events import ADMIN, put_user_policy, unique
from local_cloud import ACCOUNT, REGION, play, until


def arn(service, name):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


def function(name):
    return arn("lambda", f"function:{name}")


@pytest.fixture
def put(cloud, stack):
    """Gives messages up as the stack does. Its queues take them from the stack's own roles, rules and topics alone."""
    sqs = cloud.client("sqs")
    drain(cloud, stack)

    def give_up(*messages, queue=stack.dead_letter_queue):
        policy = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})
        for body, attributes in messages:
            texts = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
            sqs.send_message(QueueUrl=queue, MessageBody=body, MessageAttributes=texts)
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})

    yield give_up
    drain(cloud, stack)


@pytest.fixture
def redrive(cloud, stack):
    def run(*arguments, code, keys=None):
        command = [cloud.binaries / "keepwatch", "redrive", "--format", "ndjson", *arguments]
        done = subprocess.run(
            command,
            env=environment(cloud, stack) | (keys or {}),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        if code > 1:
            return done.stderr
        return {group["kind"]: group for group in map(json.loads, done.stdout.splitlines())}

    return run


def lying(cloud, url, *names):
    names = names or ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
    return sum(int(found[name]) for name in names)


def of_stream(stack):
    """As Lambda writes it for a batch that it gave up."""
    return json.dumps(
        {
            "requestContext": {
                "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
                "functionArn": function(stack.notify_function),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "DDBStreamBatchInfo": {"shardId": "shardId-1", "batchSize": 1, "streamArn": "arn:aws:dynamodb:x"},
        }
    )


def of_run(stack):
    """As Lambda writes it for an asynchronous call that it gave up."""
    return json.dumps(
        {
            "version": "1.0",
            "requestContext": {
                "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
                "functionArn": function(stack.scan_function) + ":$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {"errorMessage": "no answer in time"},
        }
    )


@pytest.fixture
def outsider(cloud):
    """Keys of a user who may do all but take roles."""
    return key_of_user(
        cloud,
        unique("auditor"),
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"},
    )


@pytest.mark.usefixtures("put")
def test_where_nothing_lies_nobody_becomes_the_operator(redrive, outsider):
    assert redrive(code=0, keys=outsider) == {}


def test_who_may_not_become_the_operator_is_told_so(cloud, stack, put, redrive, outsider):
    put(("{}", {"reason": "a test"}))
    assert "sts:AssumeRole" in redrive("--apply", code=3, keys=outsider)
    assert lying(cloud, stack.dead_letter_queue) == 1


@pytest.fixture
def no_sweep(cloud, stack):
    """The clock does not call notify: a sweep of a new stack sends a message to the queue of re-checks as well."""
    events, name = cloud.client("events"), f"{stack.name}-sweep"
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


@pytest.fixture
def rechecks_stay(cloud, stack):
    """Nobody takes what waits in the queue of re-checks, so that its messages can be counted."""
    functions = cloud.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=stack.scan_function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@pytest.mark.usefixtures("no_sweep", "rechecks_stay")
@pytest.mark.parametrize("apart", [True, False], ids=["each in its queue", "all in the queue of an earlier version"])
def test_each_kind_is_shown_and_comes_back_by_its_own_way(cloud, stack, put, redrive, mailbox, findings, apart):
    def all_lying(*names):
        return sum(lying(cloud, queue, *names) for queue in stack.dead_letter_queues)

    name, told = unique("given-up"), unique("undelivered")
    play(cloud, put_user_policy(told, ADMIN))
    mailbox.wait_for(lambda alert: told in alert.resource, "the mail that is to be sent again")
    finding_id = until(lambda: [f for f in findings.about(told) if f["alert_state"] == "SENT"], "the mark")[0][
        "finding_id"
    ]
    mail = {
        "Type": "Notification",
        "TopicArn": stack.alert_topic,
        "Subject": "[CRITICAL] A policy",
        "Message": f"WHAT\n  Finding id:  {finding_id}\n",
    }
    recheck = stack.recheck_queue
    undelivered = {
        "RULE_ARN": arn("events", f"rule/{stack.name}-recheck-1"),
        "TARGET_ARN": arn("sqs", recheck.rsplit("/", 1)[1]),
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "not authorized",
    }
    letters = {
        "event": (json.dumps(put_user_policy(name, ADMIN)), {"reason": "a bug that is mended"}),
        "recheck": (json.dumps(put_user_policy(unique("again"), ADMIN)), undelivered),
        "stream": (of_stream(stack), {}),
        "mail": (json.dumps(mail), {}),
        "run": (of_run(stack), {}),
        "other": ("?", {}),
    }
    if apart:
        put(letters["event"], letters["recheck"], letters["other"])
        put(letters["stream"], letters["run"], queue=stack.invocation_dead_letter_queue)
        put(letters["mail"], queue=stack.mail_dead_letter_queue)
    else:
        put(*letters.values())
    shown = redrive(code=1)
    assert {kind: group["count"] for kind, group in shown.items()} == dict.fromkeys(
        ("event", "recheck", "stream", "mail", "run", "other"), 1
    )
    assert shown["event"]["reason"] == "a bug that is mended"
    assert "NO_PERMISSIONS" in shown["recheck"]["reason"]
    assert "no answer in time" in shown["run"]["reason"]
    assert all(group["gone"] == 0 and group["since"] for group in shown.values())
    # It was looked at, and lies where it lay.
    assert all_lying("ApproximateNumberOfMessages") == 6
    assert findings.about(name) == []

    # One kind alone.
    assert redrive("--apply", "--kind", "event", code=0)["event"]["gone"] == 1
    until(lambda: findings.about(name), "the event to be judged")
    mailbox.wait_for(lambda alert: name in alert.resource, "its mail")
    assert all_lying() == 5

    waiting = [f"ApproximateNumberOfMessages{where}" for where in ("", "Delayed", "NotVisible")]
    before = lying(cloud, recheck, *waiting)
    done = redrive("--apply", code=1)
    assert {kind: group["gone"] for kind, group in done.items()} == {
        "recheck": 1,
        "stream": 1,
        "mail": 1,
        "run": 1,
        "other": 0,
    }
    assert lying(cloud, recheck, *waiting) == before + 1
    until(lambda: findings.get(finding_id)["alerts_sent"] == 2, "the mail to be sent again")
    assert len([alert for alert in mailbox.alerts if alert.finding_id == finding_id]) >= 1
    assert all_lying() == 1

    assert redrive("--discard", "--kind", "other", code=0)["other"]["gone"] == 1
    assert all_lying() == 0


def test_what_another_queue_had_moved_here_is_never_judged(cloud, stack, put, redrive, findings):
    """SQS asks no policy of the queue of dead letters when it moves a message to it."""
    sqs, name = cloud.client("sqs"), unique("forged")
    target = {"deadLetterTargetArn": arn("sqs", stack.dead_letter_queue.rsplit("/", 1)[1]), "maxReceiveCount": "1"}
    attributes = {"RedrivePolicy": json.dumps(target), "VisibilityTimeout": "0"}
    queue = sqs.create_queue(QueueName=unique("mine"), Attributes=attributes)["QueueUrl"]
    why = {"reason": {"DataType": "String", "StringValue": "trust me"}}
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps(put_user_policy(name, ADMIN)), MessageAttributes=why)
    assert sqs.receive_message(QueueUrl=queue)["Messages"]
    until(lambda: not sqs.receive_message(QueueUrl=queue).get("Messages"), "the message to be moved")
    assert lying(cloud, stack.dead_letter_queue) == 1
    stays = redrive("--apply", code=1)
    assert list(stays) == ["other"]
    assert "not the stack's" in stays["other"]["reason"]
    assert findings.about(name) == []
