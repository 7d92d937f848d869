"""No hop may lose an event. The local cloud does not model these retries; here the settings themselves are checked."""

import json
import re

import pytest

from conftest import ROOT

DLQ = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
INVOCATION_DLQ = {"Fn::GetAtt": ["InvocationDeadLetterQueue", "Arn"]}
MAIL_DLQ = {"Fn::GetAtt": ["MailDeadLetterQueue", "Arn"]}
INTAKE = {"Fn::GetAtt": ["IntakeQueue", "Arn"]}
FORTNIGHT = 14 * 24 * 3600


def test_every_event_rule_fills_the_intake_queue_and_can_fail_into_the_dead_letter_queue(stack):
    rules = stack.heard()
    assert rules
    for name, rule in rules.items():
        (target,) = rule["Properties"]["Targets"]
        assert target["Arn"] == INTAKE, name
        assert target["DeadLetterConfig"] == {"Arn": DLQ}, name
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}, name
        assert not {"Input", "InputPath", "InputTransformer", "RoleArn"} & set(target), f"{name} must send the event"


def test_what_changes_an_answer_waits_until_aws_has_caught_up_and_is_looked_at_within_two_minutes(stack):
    rules = stack.rechecked()
    assert rules
    queue = {"Fn::GetAtt": ["RecheckQueue", "Arn"]}
    for name, rule in rules.items():
        (target,) = rule["Properties"]["Targets"]
        assert (target["Arn"], target["DeadLetterConfig"]) == (queue, {"Arn": DLQ}), name
        assert not {"Input", "InputPath", "InputTransformer"} & set(target), f"{name} must send the event"
        # What failed changed nothing, and what only reads is not delivered in this state.
        assert rule["Properties"]["State"] == "ENABLED", name
        assert rule["Properties"]["EventPattern"]["detail"]["errorCode"] == [{"exists": False}], name
    delay = stack.properties("RecheckQueue")["DelaySeconds"]
    window = stack.properties("ScanFunctionRecheck")["MaximumBatchingWindowInSeconds"]
    settling = (ROOT / "shared/core/src/posture/plan.rs").read_text()
    assert delay > int(re.search(r"SETTLING: Duration = Duration::from_secs\((\d+)\)", settling)[1])
    assert delay + window <= 100, "twenty seconds of two minutes are for the looking"
    assert stack.properties("ScanFunction")["Timeout"] * 6 <= stack.properties("RecheckQueue")["VisibilityTimeout"]
    assert stack.properties("RecheckQueue")["RedrivePolicy"] == {"deadLetterTargetArn": DLQ, "maxReceiveCount": 3}


def test_queues_keep_what_they_hold_as_long_as_sqs_can(stack):
    for name, queue in stack.of_type("AWS::SQS::Queue").items():
        assert queue["Properties"]["MessageRetentionPeriod"] == FORTNIGHT, name


def test_the_intake_queue_itself_gives_up_last(stack):
    """detect gives up by itself (core/engine/given_back.rs); this is for a detect that does not start."""
    assert stack.properties("IntakeQueue")["RedrivePolicy"] == {"deadLetterTargetArn": DLQ, "maxReceiveCount": 1000}


def test_an_outage_is_told_before_the_metric_forgets_the_messages(stack):
    """SQS leaves a message out of the age of the oldest after its third delivery, three visibility timeouts on."""
    hidden = stack.properties("IntakeQueue")["VisibilityTimeout"]
    alarm = stack.properties("IntakeDelayed")
    assert alarm["MetricName"] == "ApproximateAgeOfOldestMessage"
    # After two failures, so that one bad moment is no alarm; and with two samples of a minute to spare.
    assert 2 * hidden < alarm["Threshold"] <= 3 * hidden - 120


def test_a_message_stays_hidden_long_enough_for_detect_to_be_retried_by_lambda_itself(stack):
    (source,) = [
        mapping["Properties"]
        for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").values()
        if mapping["Properties"]["EventSourceArn"] == INTAKE
    ]
    timeout = stack.properties("DetectFunction")["Timeout"]
    window = source["MaximumBatchingWindowInSeconds"]
    assert stack.properties("IntakeQueue")["VisibilityTimeout"] >= 6 * timeout + window


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("IntakeQueue", "shared/core/src/engine/given_back.rs"),
        ("RecheckQueue", "functions/scan/src/main.rs"),
    ],
)
def test_a_message_is_asked_about_without_being_hidden_for_longer(stack, name, path):
    """Whether the queue has handed it out: shared/aws/src/source_queue.rs sets what the queue sets anyway."""
    hidden = re.search(r"HIDDEN: Duration = Duration::from_secs\(([\d_]+)\)", (ROOT / path).read_text())
    assert stack.properties(name)["VisibilityTimeout"] == int(hidden[1])


def test_one_bad_event_does_not_fail_its_batch(stack):
    for name, mapping in stack.of_type("AWS::Lambda::EventSourceMapping").items():
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_detect_cannot_take_all_of_a_new_accounts_ten_executions(stack):
    mapping = stack.properties("DetectFunctionIntake")
    assert 2 <= mapping["ScalingConfig"]["MaximumConcurrency"] <= 5
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function["Properties"], f"{name}: fails in a new account"


@pytest.mark.parametrize("reader", ["NotifyFunctionFindings", "SecurityHubFunctionFindings"])
def test_the_stream_is_read_from_its_beginning_and_given_up_before_it_forgets(stack, reader):
    mapping = stack.properties(reader)
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": INVOCATION_DLQ}}
    assert 0 < mapping["MaximumRetryAttempts"] <= 1000
    assert 3600 <= mapping["MaximumRecordAgeInSeconds"] < 86400


def test_the_stream_has_no_more_readers_than_dynamodb_serves(stack):
    """A third one would have all of them throttled."""
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping")
    streams = {name for name, mapping in mappings.items() if "BisectBatchOnFunctionError" in mapping["Properties"]}
    assert streams == {"NotifyFunctionFindings", "SecurityHubFunctionFindings"}
    for name in streams:
        assert mappings[name]["Properties"]["EventSourceArn"] == {"Fn::GetAtt": ["FindingsTable", "StreamArn"]}


def test_security_hub_hears_of_every_finding_that_is_written_and_of_as_many_as_a_call_takes(stack):
    mapping = stack.properties("SecurityHubFunctionFindings")
    (pattern,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"eventName": ["INSERT", "MODIFY"]}
    assert mapping["BatchSize"] == 100


def test_without_security_hub_nothing_of_it_is_deployed(stack):
    parameter = stack.body["Parameters"]["SecurityHub"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("disabled", ["disabled", "enabled"])
    assert "must be enabled in this account and region" in parameter["Description"]
    assert stack.body["Conditions"]["HasSecurityHub"] == {"Fn::Equals": [{"Ref": "SecurityHub"}, "enabled"]}
    conditional = {name for name, r in stack.resources.items() if r.get("Condition") == "HasSecurityHub"}
    assert conditional == {
        "SecurityHubDelayed",
        "SecurityHubErrors",
        "SecurityHubFunction",
        "SecurityHubFunctionFindings",
        "SecurityHubLogs",
        "SecurityHubRole",
    }
    # And nothing that is always there needs it; the event rules name calls, DisableSecurityHub among them.
    role = {"Fn::If": ["HasSecurityHub", {"Fn::GetAtt": ["SecurityHubRole", "Arn"]}, {"Ref": "AWS::NoValue"}]}
    for name in set(stack.resources) - conditional - set(stack.heard()) - set(stack.rechecked()):
        assert "SecurityHub" not in json.dumps(stack.resources[name]).replace(json.dumps(role), ""), name


def test_every_rule_can_fail_into_the_dead_letter_queue_of_its_kind(stack):
    kinds = {"Queue": DLQ, "Function": INVOCATION_DLQ, "Topic": MAIL_DLQ}
    for name, rule in stack.of_type("AWS::Events::Rule").items():
        (target,) = rule["Properties"]["Targets"]
        to = target["Arn"].get("Ref") or target["Arn"]["Fn::GetAtt"][0]
        (kind,) = [kind for kind in kinds if to.endswith(kind)]
        assert target["DeadLetterConfig"] == {"Arn": kinds[kind]}, name


def test_the_dead_letters_of_each_kind_are_kept_alike_and_somebody_is_told_of_all(stack):
    """One has an alarm; of all of them a sweep of notify tells, which no alarm's price hinders."""
    queues = {name: queue for name, queue in stack.of_type("AWS::SQS::Queue").items() if "DeadLetter" in name}
    assert set(queues) == {"DeadLetterQueue", "InvocationDeadLetterQueue", "MailDeadLetterQueue"}
    for name, queue in queues.items():
        same = {part: value for part, value in queue.items() if part != "Metadata"}
        assert same == {part: queues["DeadLetterQueue"][part] for part in same}, name
    variables = stack.properties("NotifyFunction")["Environment"]["Variables"]
    told = {value["Ref"] for name, value in variables.items() if name.endswith("DEAD_LETTER_QUEUE_URL")}
    assert told == set(queues)
    (counted,) = [s for s in stack.statements("NotifyRole") if s["Sid"] == "DeadLetters"]
    assert counted["Resource"] == [{"Fn::GetAtt": [name, "Arn"]} for name in queues]
    assert {name: stack.body["Outputs"][name]["Value"] for name in queues} == {name: {"Ref": name} for name in queues}


CLOCKS = {"SweepPermission": ("SweepRule", "NotifyFunction"), "ScanPermission": ("ScanRule", "ScanFunction")}


@pytest.mark.parametrize(("permission", "clock", "function"), [(name, *called) for name, called in CLOCKS.items()])
def test_a_clock_calls_its_function_and_only_it_may(stack, permission, clock, function):
    (target,) = stack.properties(clock)["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    assert set(stack.of_type("AWS::Lambda::Permission")) == set(CLOCKS)
    assert stack.properties(permission) == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": function},
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": [clock, "Arn"]},
    }


def test_the_clock_sweeps_every_minute(stack):
    assert stack.properties("SweepRule")["ScheduleExpression"] == "rate(1 minute)"
    assert stack.properties("SweepInvocations")["MaximumRetryAttempts"] == 0


def test_the_event_history_is_looked_through_every_day_and_a_run_that_fails_tells_of_it(stack):
    schedule = stack.properties("ScanRule")["ScheduleExpression"]
    minute, hour, *every_day = schedule.removeprefix("cron(").removesuffix(")").split()
    assert minute.isdecimal()
    assert hour.isdecimal()
    assert every_day == ["*", "*", "?", "*"]
    invocations = stack.properties("ScanInvocations")
    assert invocations["FunctionName"] == {"Ref": "ScanFunction"}
    assert invocations["MaximumRetryAttempts"] == 2
    assert invocations["DestinationConfig"] == {"OnFailure": {"Destination": INVOCATION_DLQ}}
    # Three attempts and their pauses, and the record is out long before the next day.
    assert invocations["MaximumEventAgeInSeconds"] <= 12 * 3600


def test_a_run_over_the_event_history_ends_before_lambda_ends_it(stack):
    """It begins no new page after the time in history.rs, the last may wait for a minute; the scan that follows
    begins no new group of checks after half of what there is, as Lambda tells it."""
    source = (ROOT / "functions/scan/src/history.rs").read_text()
    begins = int(re.search(r"TIME: Duration = Duration::from_secs\((\d+)\)", source)[1])
    timeout = stack.properties("ScanFunction")["Timeout"]
    assert begins + 120 < timeout / 2
    assert timeout <= 900
    assert stack.properties("ScanFunction")["MemorySize"] == 256


def test_scan_knows_its_queues_and_tables_and_the_regions_that_are_watched(stack):
    assert stack.properties("ScanFunction")["Environment"]["Variables"] == {
        "FINDINGS_TABLE": {"Ref": "FindingsTable"},
        "INTAKE_QUEUE_URL": {"Ref": "IntakeQueue"},
        "JOURNAL_TABLE": {"Ref": "JournalTable"},
        "RECHECK_QUEUE_URL": {"Ref": "RecheckQueue"},
        "SETTINGS_TABLE": {"Ref": "SettingsTable"},
        "TRUSTED_ACCOUNTS": {"Ref": "TrustedAccounts"},
        "WATCHED_REGIONS": {"Ref": "AWS::Region"},
    }


def test_a_claim_outlives_the_notifier_that_made_it(stack):
    """Or two of them would send one alert. The lease is 180 s, in shared/alert/src/outbox.rs."""
    source = (ROOT / "shared/alert/src/outbox.rs").read_text()
    lease = int(re.search(r"LEASE: Duration = Duration::from_secs\((\d+)\)", source)[1])
    assert stack.properties("NotifyFunction")["Timeout"] < lease


def test_notify_hears_exactly_of_findings_that_are_due_an_alert(stack):
    (pattern,) = stack.properties("NotifyFunctionFindings")["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT", "MODIFY"],
        "dynamodb": {"NewImage": {"alert_state": {"S": ["PENDING"]}}},
    }


@pytest.mark.parametrize(("name", "topic"), [("AlertMail", "AlertTopic"), ("OpsMail", "OpsTopic")])
def test_mail_that_cannot_be_delivered_is_kept(stack, name, topic):
    subscription = stack.properties(name)
    assert subscription["TopicArn"] == {"Ref": topic}
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": MAIL_DLQ}


def test_without_an_address_there_is_no_mail_subscription(stack):
    assert stack.body["Parameters"]["AlertEmail"]["Default"] == ""
    assert stack.body["Conditions"]["HasEmail"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertEmail"}, ""]}]}
    subscriptions = stack.of_type("AWS::SNS::Subscription")
    assert set(subscriptions) == {"AlertMail", "OpsMail"}
    for subscription in subscriptions.values():
        assert subscription["Condition"] == "HasEmail"
        assert subscription["Properties"]["Endpoint"] == {"Ref": "AlertEmail"}
