"""The doctor and the test alert against the real template: every hop that is broken is named, and no other.

It comes after test_regions.py, which sees the first deployment of a forwarder."""

import json
import re
import shlex
import subprocess
import time
from contextlib import ExitStack, contextmanager

import pytest
from botocore import xform_name
from people import environment, key_of_user

from events import call, unique
from local_cloud import REGION, play, until

ELSEWHERE = "eu-west-1"

# Services that the local cloud has not: their lines are advice, and tests of the doctor's own judge them.
NOT_HERE = ("detectors", "support plan", "health")


@pytest.fixture(scope="module")
def well(cloud, stack):
    """What an owner has besides the stack: a trail that logs, and two addresses that are subscribed to each topic."""
    trail = "management-events"
    cloudtrail, sns = cloud.client("cloudtrail"), cloud.client("sns")
    cloudtrail.create_trail(Name=trail, S3BucketName="logs", IsMultiRegionTrail=True)
    cloudtrail.start_logging(Name=trail)
    subscriptions = [
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address, ReturnSubscriptionArn=True)["SubscriptionArn"]
        for topic in (stack.alert_topic, stack.ops_topic)
        for address in ("first@example.com", "second@example.com")
    ]
    yield trail
    for subscription in subscriptions:
        sns.unsubscribe(SubscriptionArn=subscription)
    cloudtrail.delete_trail(Name=trail)


def drain(cloud, stack):
    """Takes all dead letters away, as the operator may."""
    sqs = cloud.operator(stack, "sqs")
    for queue in stack.dead_letter_queues:
        while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def no_dead_letters(cloud, stack):
    """What earlier tests have left is no concern of these."""
    drain(cloud, stack)
    yield
    drain(cloud, stack)


@pytest.fixture
def doctor(cloud, stack, well, no_dead_letters):
    def look(*arguments):
        command = [cloud.binaries / "keepwatch", "doctor", "--format", "ndjson", *arguments]
        done = subprocess.run(
            command, env=environment(cloud, stack), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert (done.returncode == 1) == any(line["standing"] == "FAIL" for line in lines)
        return lines

    return look


def failing(lines):
    return [line for line in lines if line["standing"] == "FAIL"]


def about(line, *words):
    return all(word in line["text"] + (line["mend"] or "") for word in words)


# --- Breaks, each of one hop, with what puts it right again ---


@contextmanager
def rule_off(cloud, stack):
    events = cloud.client("events")
    events.disable_rule(Name=f"{stack.name}-calls-3")
    yield "rules", [f"{stack.name}-calls-3", "is off", "enable-rule"]
    events.enable_rule(Name=f"{stack.name}-calls-3")


@contextmanager
def target_gone(cloud, stack):
    events, name = cloud.client("events"), f"{stack.name}-calls-5"
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    yield "rules", [name, "sends to nobody", "put-targets"]
    events.put_targets(Rule=name, Targets=targets)


@contextmanager
def pattern_narrowed(cloud, stack):
    events, name = cloud.client("events"), f"{stack.name}-calls-6"
    before = events.describe_rule(Name=name)
    events.put_rule(Name=name, State="ENABLED", EventPattern=json.dumps({"source": ["aws.nothing"]}))
    yield "rules", [name, "does not hear what it should", "put-rule"]
    events.put_rule(Name=name, State=before["State"], EventPattern=before["EventPattern"])


@contextmanager
def nobody_subscribed(cloud, stack):
    sns = cloud.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=stack.alert_topic)["Subscriptions"]
    for subscription in found:
        sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    yield "mail", ["nobody is subscribed to the alerts", "sns subscribe"]
    for subscription in found:
        sns.subscribe(TopicArn=stack.alert_topic, Protocol=subscription["Protocol"], Endpoint=subscription["Endpoint"])


@contextmanager
def alarm_silent(cloud, stack):
    cloudwatch = cloud.client("cloudwatch")
    alarms = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
    (name,) = [name for name in alarms if f"{stack.name}-DeadLetters" in name]
    cloudwatch.disable_alarm_actions(AlarmNames=[name])
    yield "alarms", [name, "actions are off", "enable-alarm-actions"]
    cloudwatch.enable_alarm_actions(AlarmNames=[name])


@contextmanager
def dead_letter(cloud, stack):
    sqs = cloud.client("sqs")
    # The queue's policy lets the stack's own roles alone send; SQS itself moves what it moves without asking it.
    attributes = sqs.get_queue_attributes(QueueUrl=stack.dead_letter_queue, AttributeNames=["QueueArn", "Policy"])
    before = attributes["Attributes"]
    sqs.set_queue_attributes(QueueUrl=stack.dead_letter_queue, Attributes={"Policy": ""})
    reason = {"reason": {"DataType": "String", "StringValue": "a test"}}
    sqs.send_message(QueueUrl=stack.dead_letter_queue, MessageBody="{}", MessageAttributes=reason)
    sqs.set_queue_attributes(QueueUrl=stack.dead_letter_queue, Attributes={"Policy": before["Policy"]})
    yield "dead letters", ["1 lie in DeadLetterQueue"]
    drain(cloud, stack)


@contextmanager
def trail_stopped(cloud, stack):
    cloudtrail = cloud.client("cloudtrail")
    cloudtrail.stop_logging(Name="management-events")
    yield "trail", ["management-events", "is stopped", "start-logging"]
    cloudtrail.start_logging(Name="management-events")


@contextmanager
def mapping_off(cloud, stack):
    functions = cloud.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=stack.detect_function)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    yield "functions", [stack.detect_function, "the mapping is off", mapping["UUID"]]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


BREAKS = [
    rule_off,
    target_gone,
    pattern_narrowed,
    nobody_subscribed,
    alarm_silent,
    dead_letter,
    trail_stopped,
    mapping_off,
]


def test_what_is_well_fails_nowhere_and_each_question_has_a_line(doctor):
    lines = doctor()
    assert failing(lines) == []
    asked = {line["check"] for line in lines}
    assert asked >= {
        "trail",
        "iam",
        "regions",
        "rules",
        "queues",
        "dead letters",
        "functions",
        "mail",
        "alarms",
        "stack",
        "version",
        "clock",
        *NOT_HERE,
    }
    # Calls of other tests may wait in the queue of re-checks, as they should.
    for check in ("trail", "iam", "rules", "dead letters", "functions", "mail", "stack", "version", "clock"):
        of_it = [line["standing"] for line in lines if line["check"] == check]
        assert set(of_it) == {"OK"}, [line for line in lines if line["check"] == check]


def test_eight_hops_broken_at_once_are_all_named_and_nothing_else(cloud, stack, doctor):
    before = doctor()
    with ExitStack() as broken:
        expected = [broken.enter_context(one(cloud, stack)) for one in BREAKS]
        lines = doctor()
    for check, words in expected:
        named = [line for line in failing(lines) if line["check"] == check and about(line, *words)]
        assert len(named) == 1, (check, words, failing(lines))
    assert len(failing(lines)) == len(expected), failing(lines)
    # All that is not broken stands as it did, but for the lines whose place a failure has taken.
    unbroken = [line for line in lines if line["standing"] != "FAIL" and line["check"] != "alarms"]
    assert all(line in before for line in unbroken if line["check"] not in ("queues", "mail")), unbroken
    assert failing(doctor()) == []


@pytest.mark.parametrize("breaks", BREAKS, ids=lambda one: one.__name__)
def test_each_break_alone_is_the_only_failure(cloud, stack, doctor, breaks):
    with breaks(cloud, stack) as (check, words):
        found = failing(doctor())
    assert len(found) == 1, found
    assert found[0]["check"] == check
    assert about(found[0], *words)
    assert failing(doctor()) == []


def listed(values):
    """A list as the AWS CLI takes it: JSON, words, or Key=Value,Key=Value for each of its structures."""
    if values[0].startswith("["):
        return json.loads(values[0])
    if "=" in values[0]:
        return [dict(pair.split("=", 1) for pair in value.split(",")) for value in values]
    return values


def aws(cloud, command):
    """Does what the AWS CLI would: its options are the members of the call, by botocore's models, as they are here."""
    for one in command.split(" && "):
        _, service, operation, *words = shlex.split(one)
        client = cloud.client({"configservice": "config"}.get(service, service))
        name = operation.replace("-", "_")
        members = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[name]).input_shape.members
        options = {xform_name(member, "-"): member for member in members} | {"notification-endpoint": "Endpoint"}
        given = {}
        while words:
            option = words.pop(0).removeprefix("--")
            values = []
            while words and not words[0].startswith("--"):
                values.append(words.pop(0))
            if option == "region":
                assert values == [REGION]
            elif option == "cli-input-json":
                given |= json.loads(values[0])
            else:
                kind = members[options[option]].type_name
                given[options[option]] = {
                    "boolean": lambda values: not values,
                    "list": listed,
                    "map": lambda values: json.loads(values[0]),
                    "string": lambda values: values[0],
                }[kind](values) or kind == "boolean"
        getattr(client, name)(**given)


MENDED = [rule_off, target_gone, pattern_narrowed, nobody_subscribed, alarm_silent, trail_stopped, mapping_off]


@pytest.mark.parametrize("breaks", MENDED, ids=lambda one: one.__name__)
def test_the_command_of_a_line_mends_it(cloud, stack, doctor, breaks):
    with breaks(cloud, stack):
        (line,) = failing(doctor())
        aws(cloud, line["mend"].replace("ADDRESS", "first@example.com"))
        assert failing(doctor()) == []


def test_what_was_deleted_is_made_again_by_its_command(cloud, stack, doctor):
    events, cloudwatch, name = cloud.client("events"), cloud.client("cloudwatch"), f"{stack.name}-calls-7"
    events.remove_targets(Rule=name, Ids=["intake"])
    events.delete_rule(Name=name)
    alarms = [alarm["AlarmName"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]]
    (alarm,) = [one for one in alarms if f"{stack.name}-IntakeDelayed" in one]
    cloudwatch.delete_alarms(AlarmNames=[alarm])
    lines = failing(doctor())
    assert sorted(line["check"] for line in lines) == ["alarms", "rules"]
    for line in lines:
        aws(cloud, line["mend"])
    assert failing(doctor()) == []


def test_the_operator_tells_dead_letters_apart(cloud, stack, doctor):
    with dead_letter(cloud, stack):
        (line,) = failing(doctor("--as-operator"))
        assert "1 events that were not judged" in line["text"]
        # It was looked at, and lies where it lay.
        (line,) = failing(doctor())
        assert "1 lie in DeadLetterQueue" in line["text"]


def test_who_may_not_look_is_told_which_action_is_missing(cloud, stack, doctor):
    allowed = ["dynamodb:ListTables", "cloudformation:*", "sts:GetCallerIdentity"]
    key = key_of_user(cloud, unique("auditor"), {"Effect": "Allow", "Action": allowed, "Resource": "*"})
    done = subprocess.run(
        [cloud.binaries / "keepwatch", "doctor"],
        env=environment(cloud, stack) | key,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for action in (
        "cloudtrail:DescribeTrails",
        "events:ListRules",
        "sqs:GetQueueAttributes",
        "sns:ListSubscriptionsByTopic",
        "cloudwatch:DescribeAlarms",
        "lambda:ListEventSourceMappings",
        "dynamodb:GetItem",
    ):
        assert f"your credentials need {action}" in done.stdout, (action, done.stdout)
    assert not re.search(r"^OK +(rules|alarms|mail|queues|trail)", done.stdout, re.M), done.stdout


# --- The test alert: the tests stand for CloudTrail, and tell of the call that the command has made ---


class Alerting:
    def __init__(self, cloud, stack, *arguments):
        command = [cloud.binaries / "keepwatch", "test-alert", *arguments]
        self._process = subprocess.Popen(
            command, env=environment(cloud, stack), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._cloud = cloud

    def called(self):
        """The trail that the call was about, once it was made."""
        return re.search(r"on (\S+), which", self._process.stdout.readline())[1]

    def heard(self, trail, region=REGION):
        """CloudTrail tells of the call."""
        event = call(
            "cloudtrail", "StartLogging", {"name": trail}, errorCode="TrailNotFoundException", awsRegion=region
        )
        play(self._cloud, event | {"region": region}, region)

    def end(self):
        out, err = self._process.communicate(timeout=150)
        return self._process.returncode, out + err


def test_a_test_goes_all_the_way_and_leaves_nothing_open(cloud, stack, well, no_dead_letters, mailbox, findings):
    for _ in range(2):  # and again: each test has a mail of its own
        test = Alerting(cloud, stack, "--wait", "120")
        trail = test.called()
        test.heard(trail)
        code, said = test.end()
        assert code == 0, said
        hops = ["detect has judged it", "notify has published the mail", "every hop works"]
        assert [hop for hop in hops if hop in said] == hops
        assert re.search(r"^ +\d+ s  notify", said, re.M), "each hop has its time"
        alert = mailbox.wait_for(lambda a, trail=trail: trail in a.text, "the mail of the test")
        assert alert.rule == "self-test-alert"
        assert "TEST: " in alert.subject
        (finding,) = [one for one in findings.all() if one["rule"] == "self-test-alert"]
        test_id = finding["finding_id"]
        until(lambda test_id=test_id: findings.get(test_id)["status"] == "RESOLVED", "the test to be over")
        time.sleep(1.1)  # events have whole seconds


def test_a_test_of_another_region_goes_through_its_forwarder(cloud, stack, well, no_dead_letters, mailbox):
    printed, code = cloud.regions("deploy", ELSEWHERE)
    assert code == 0, printed
    test = Alerting(cloud, stack, "--wait", "120", "--region", ELSEWHERE)
    trail = test.called()
    test.heard(trail, ELSEWHERE)
    code, said = test.end()
    assert code == 0, said
    alert = mailbox.wait_for(lambda a: trail in a.text, "the mail of the test")
    assert alert["cloud"]["region"] == ELSEWHERE


@pytest.mark.parametrize(
    ("breaks", "hop"),
    [(trail_stopped, "CloudTrail"), (mapping_off, "detect")],
    ids=["trail", "detect"],
)
def test_a_broken_hop_is_named_before_anybody_waits(cloud, stack, well, no_dead_letters, breaks, hop):
    with breaks(cloud, stack):
        code, said = Alerting(cloud, stack).end()
    assert code == 1
    assert f"BROKEN  {hop}: " in said
    assert "was called" not in said


def test_the_event_rule_that_brings_the_call_is_named(cloud, stack, well, no_dead_letters):
    events = cloud.client("events")
    events.disable_rule(Name=f"{stack.name}-calls-2")
    code, said = Alerting(cloud, stack).end()
    events.enable_rule(Name=f"{stack.name}-calls-2")
    assert code == 1
    assert f"BROKEN  event rule: {stack.name}-calls-2" in said


def test_a_region_that_nobody_hears_is_named(cloud, stack, well, no_dead_letters):
    code, said = Alerting(cloud, stack, "--region", "sa-east-1").end()
    assert code == 1
    assert "BROKEN  regions: sa-east-1 has neither" in said
    assert "make deploy-regions REGIONS=sa-east-1" in said


def test_what_cloudtrail_does_not_tell_of_is_named(cloud, stack, well, no_dead_letters):
    code, said = Alerting(cloud, stack, "--wait", "5").end()
    assert code == 1
    assert "BROKEN  CloudTrail: " in said


def test_a_mail_that_is_not_published_is_notifys(cloud, stack, well, no_dead_letters, without):
    with without("NotifyRole", "sns:Publish"):
        test = Alerting(cloud, stack, "--wait", "40")
        trail = test.called()
        test.heard(trail)
        code, said = test.end()
    assert code == 1
    assert "detect has judged it" in said
    assert "BROKEN  notify: " in said


def test_a_mail_that_waits_for_somebody_who_is_subscribed_is_named(cloud, stack, well, no_dead_letters, sweep):
    with nobody_subscribed(cloud, stack):
        assert sweep(), "notify knows only since its last sweep who is subscribed"
        test = Alerting(cloud, stack, "--wait", "40")
        trail = test.called()
        test.heard(trail)
        code, said = test.end()
    assert code == 1
    assert "detect has judged it" in said
    assert "notify has published the mail" not in said
    assert "BROKEN  mail: nobody is subscribed to the alerts" in said


def test_whoever_may_not_call_is_told_the_action(cloud, stack, well, no_dead_letters):
    key = key_of_user(
        cloud,
        unique("tester"),
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": "cloudtrail:StartLogging", "Resource": "*"},
    )
    done = subprocess.run(
        [cloud.binaries / "keepwatch", "test-alert"],
        env=environment(cloud, stack) | key,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "your credentials need cloudtrail:StartLogging" in done.stderr
