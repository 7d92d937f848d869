"""Every hop has an alarm, and every alarm reaches a person by a way that does not share the hop."""

import json

import pytest

# Alarms for what does not happen: the alarm, the clock that makes it happen, and the longest silence in seconds.
SILENCE = {
    "NotifySilent": ("NotifySilent", "SweepRule", 900),
    "DetectSilent": ("DetectSilent", "HeartbeatRule", 1800),
}


def watched(stack):
    """(namespace, metric, what) of every alarm."""
    found = set()
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        properties = alarm["Properties"]
        (dimension,) = properties["Dimensions"]
        what = dimension["Value"].get("Ref") or dimension["Value"]["Fn::GetAtt"][0]
        found.add((properties["Namespace"], properties["MetricName"], what))
    return found


def test_each_hop_is_watched(stack):
    assert watched(stack) == {
        ("AWS/Lambda", "Invocations", "DetectFunction"),
        ("AWS/Lambda", "Invocations", "NotifyFunction"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "IntakeQueue"),
        ("AWS/Lambda", "Errors", "DetectFunction"),
        ("AWS/Lambda", "Errors", "NotifyFunction"),
        ("AWS/Lambda", "IteratorAge", "NotifyFunction"),
        ("AWS/Lambda", "Errors", "SecurityHubFunction"),
        ("AWS/Lambda", "IteratorAge", "SecurityHubFunction"),
        ("AWS/SNS", "NumberOfNotificationsFailed", "AlertTopic"),
    }


def test_every_alarm_tells_the_operators_and_says_what_is_wrong(stack):
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        assert properties["AlarmActions"] == [{"Ref": "OpsTopic"}], name
        assert properties["OKActions"] == [{"Ref": "OpsTopic"}], name
        assert properties["AlarmDescription"].endswith("."), name
        assert properties.get("ActionsEnabled", True) is True, name
        if name in SILENCE:
            continue
        # These metrics exist only while something happens. Their absence is no news, neither good nor bad.
        assert properties["TreatMissingData"] == "notBreaching", name
        assert properties["ComparisonOperator"] == "GreaterThanThreshold", name
        assert properties["Period"] * properties.get("DatapointsToAlarm", properties["EvaluationPeriods"]) <= 300, name


def counted(alarm, waiting):
    """The breaching minutes of a message that fails: SQS counts it until its third delivery is over, and `waiting` is
    its visibility timeout (SQS developer guide, "Available CloudWatch metrics for Amazon SQS")."""
    return [minute for minute in range(60) if alarm["Threshold"] < minute * 60 < 3 * waiting]


def test_a_delay_is_not_over_while_detect_cannot_work(stack):
    """Each heartbeat fails as well, and is old for a few minutes: between two of them the alarm must not say OK."""
    alarm = stack.properties("IntakeDelayed")
    assert alarm["DatapointsToAlarm"] == 1
    old = counted(alarm, stack.properties("IntakeQueue")["VisibilityTimeout"])
    assert old
    assert stack.properties("HeartbeatRule")["ScheduleExpression"] == "rate(15 minutes)"
    breaching = {beat + minute for beat in range(0, 120, 15) for minute in old}
    rings = [
        any(minute - back in breaching for back in range(alarm["EvaluationPeriods"])) for minute in range(old[0], 120)
    ]
    assert all(rings)
    # Whoever reads OK has to know what it does not say.
    assert "keepwatch doctor says whether older ones wait" in alarm["AlarmDescription"]


@pytest.mark.parametrize(("name", "clock", "within"), SILENCE.values(), ids=SILENCE)
def test_silence_is_an_alarm(stack, name, clock, within):
    """A function that is off makes no errors. The clock calls it, and a call that is missed breaches."""
    alarm = stack.properties(name)
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert alarm["Period"] * alarm["EvaluationPeriods"] <= within
    rule = stack.properties(clock)
    assert rule["State"] == "ENABLED"
    every = {"rate(1 minute)": 60, "rate(15 minutes)": 900}[rule["ScheduleExpression"]]
    assert alarm["Period"] >= every


def test_the_heartbeat_goes_the_way_of_events(stack):
    (target,) = stack.properties("HeartbeatRule")["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["IntakeQueue", "Arn"]}
    assert json.loads(target["Input"])["source"] == "keepwatch"
    # What breaks an event rule's delivery breaks the heartbeat's: all share the queue, its policy and its dead-letter
    # queue.
    for name, rule in stack.heard().items():
        (other,) = rule["Properties"]["Targets"]
        assert (other["Arn"], other["DeadLetterConfig"]) == (target["Arn"], target["DeadLetterConfig"]), name


def test_alarms_do_not_share_a_topic_with_the_alerts_they_watch(stack):
    assert {"AlertTopic", "OpsTopic"} == set(stack.of_type("AWS::SNS::Topic"))


def test_an_alarm_may_publish_to_the_topic_that_no_key_guards(stack):
    """An alarm that cannot fails in silence: its history says so and nothing else does."""
    allowed = [s for s in stack.statements("OpsTopicPolicy") if "cloudwatch.amazonaws.com" in str(s["Principal"])]
    (alarms,) = allowed
    assert (alarms["Effect"], alarms["Action"]) == ("Allow", "sns:Publish")
    assert "KmsMasterKeyId" not in stack.properties("OpsTopic")
