"""Every hop has an alarm, and every alarm reaches a person by a way that does not share the hop."""


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
    rules = {("AWS/Events", "InvocationsFailedToBeSentToDlq", name) for name in stack.of_type("AWS::Events::Rule")}
    assert watched(stack) == rules | {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "DeadLetterQueue"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", "IntakeQueue"),
        ("AWS/Lambda", "Errors", "DetectFunction"),
        ("AWS/Lambda", "Errors", "NotifyFunction"),
        ("AWS/Lambda", "IteratorAge", "NotifyFunction"),
        ("AWS/SNS", "NumberOfNotificationsFailed", "AlertTopic"),
    }


def test_every_alarm_tells_the_operators_and_says_what_is_wrong(stack):
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        properties = alarm["Properties"]
        assert properties["AlarmActions"] == [{"Ref": "OpsTopic"}], name
        assert properties["OKActions"] == [{"Ref": "OpsTopic"}], name
        assert properties["AlarmDescription"].endswith("."), name
        assert properties.get("ActionsEnabled", True) is True, name
        # These metrics exist only while something happens. Their absence is no news, neither good nor bad.
        assert properties["TreatMissingData"] == "notBreaching", name
        assert properties["ComparisonOperator"] == "GreaterThanThreshold", name
        assert properties["Period"] * properties["EvaluationPeriods"] <= 300, name


def test_alarms_do_not_share_a_topic_with_the_alerts_they_watch(stack):
    assert {"AlertTopic", "OpsTopic"} == set(stack.of_type("AWS::SNS::Topic"))


def test_an_alarm_may_publish_to_the_encrypted_topic(stack):
    """An alarm that cannot fails in silence: its history says so and nothing else does."""
    (allowed,) = [s for s in stack.statements("OpsTopicPolicy") if s["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert allowed["Action"] == "sns:Publish"
    (key,) = [s for s in stack.statements("Key") if "cloudwatch.amazonaws.com" in str(s["Principal"])]
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} == set(key["Action"])
