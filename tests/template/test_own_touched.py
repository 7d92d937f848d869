"""Calls that could stop both what tells and what watches it are told without any function of the stack."""

import json
from fnmatch import fnmatchcase

import pytest
from test_resource_policies import ACCOUNT, Deployed

LAMBDA = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
STACK_ARN = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/keepwatch/14e0db71-0000-4000-8000-000000000001"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:keepwatch-AlertTopic-A1B2C3"
QUEUE = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/keepwatch-IntakeQueue-A1B2C3"
MAPPING = "14e0db71-0000-4000-8000-000000000002"


RULES = ["OwnStoppedRule", "OwnTouchedRule"]


@pytest.fixture(scope="module")
def told(stack):
    """Whether one of the rules hears an event."""
    patterns = [Deployed(stack).resolve(stack.properties(rule)["EventPattern"]) for rule in RULES]
    return lambda event: any(matches(pattern, event) for pattern in patterns)


def matches_value(wanted, value):
    """Whether one value meets one entry of a pattern's list; None is a field that is not there."""
    match wanted:
        case {"exists": exists}:
            return exists == (value is not None)
        case _ if value is None:
            return False
        case {"prefix": prefix}:
            return value.startswith(prefix)
        case {"suffix": suffix}:
            return value.endswith(suffix)
        case {"wildcard": wildcard}:
            return fnmatchcase(value, wildcard)
        case {"anything-but": others}:
            return value not in others
        case str():
            return value == wanted
    raise AssertionError(f"not known here: {wanted}")


def matches(pattern, event):
    """Whether EventBridge would hear the event: each field of the pattern, and of `$or` one alternative."""
    for field, wanted in pattern.items():
        value = (event or {}).get(field)
        if field == "$or":
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            if not matches(wanted, value):
                return False
        else:
            values = value if isinstance(value, list) else [value]
            if not any(matches_value(one, each) for one in wanted for each in values):
                return False
    return True


def event(service, name, request, response=None, invoked_by=None, **detail):
    who = {"type": "IAMUser", "arn": f"arn:aws:iam::{ACCOUNT}:user/mallory"}
    if invoked_by:
        who["invokedBy"] = invoked_by
    return {
        "source": f"aws.{service}",
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": name,
            "userIdentity": who,
            "requestParameters": request,
            "responseElements": response,
            **detail,
        },
    }


# Service, call, request, answer. The second list is what deployments do as well.
NO_DEPLOYMENT = [
    ("lambda", "PutFunctionConcurrency20171031", {"functionName": "keepwatch-notify"}, None),
    ("lambda", "PutFunctionConcurrency", {"functionName": f"{LAMBDA}:keepwatch-notify"}, None),
    ("lambda", "DeleteFunction20150331", {"functionName": f"{ACCOUNT}:function:keepwatch-detect"}, None),
    ("events", "DisableRule", {"name": "keepwatch-calls-1"}, None),
    ("monitoring", "DisableAlarmActions", {"alarmNames": ["shop", "keepwatch-NotifySilent-A1B2C3"]}, None),
    ("dynamodb", "DeleteTable", {"tableName": f"{TABLE}/keepwatch-FindingsTable-A1B2C3"}, None),
    ("cloudformation", "DeleteStack", {"stackName": "keepwatch"}, None),
    ("cloudformation", "DeleteStack", {"stackName": STACK_ARN}, None),
]
DEPLOYMENTS_TOO = [
    ("lambda", "UpdateFunctionCode20150331v2", {"functionName": "keepwatch-detect"}, None),
    ("lambda", "UpdateFunctionConfiguration20150331v2", {"functionName": f"{LAMBDA}:keepwatch-detect"}, None),
    ("lambda", "UpdateEventSourceMapping20150331", {"uUID": MAPPING}, {"functionArn": f"{LAMBDA}:keepwatch-notify"}),
    ("lambda", "DeleteEventSourceMapping20150331", {"uUID": MAPPING}, {"functionArn": f"{LAMBDA}:keepwatch-notify"}),
    ("events", "DeleteRule", {"name": "keepwatch-heartbeat"}, None),
    ("events", "PutRule", {"name": "keepwatch-sweep", "state": "DISABLED"}, None),
    ("events", "RemoveTargets", {"rule": "keepwatch-calls-1", "ids": ["intake"]}, None),
    ("events", "PutTargets", {"rule": "keepwatch-calls-1", "targets": []}, None),
    ("monitoring", "DeleteAlarms", {"alarmNames": ["keepwatch-NotifySilent-A1B2C3"]}, None),
    ("monitoring", "PutMetricAlarm", {"alarmName": "keepwatch-NotifySilent-A1B2C3", "actionsEnabled": False}, None),
    ("monitoring", "SetAlarmState", {"alarmName": "keepwatch-NotifySilent-A1B2C3"}, None),
    ("dynamodb", "UpdateTable", {"tableName": "keepwatch-FindingsTable-A1B2C3"}, None),
    ("sns", "Subscribe", {"topicArn": TOPIC, "protocol": "email", "endpoint": "thief@example.com"}, None),
    ("sns", "Unsubscribe", {"subscriptionArn": f"{TOPIC}:{MAPPING}"}, None),
    ("sns", "SetSubscriptionAttributes", {"subscriptionArn": f"{TOPIC}:{MAPPING}"}, None),
    ("sns", "DeleteTopic", {"topicArn": TOPIC}, None),
    ("sns", "SetTopicAttributes", {"topicArn": TOPIC, "attributeName": "Policy"}, None),
    ("sns", "AddPermission", {"topicArn": TOPIC, "label": "all"}, None),
    ("sns", "RemovePermission", {"topicArn": TOPIC, "label": "all"}, None),
    ("sqs", "SetQueueAttributes", {"queueUrl": QUEUE, "attributes": {"Policy": ""}}, None),
    ("sqs", "PurgeQueue", {"queueUrl": QUEUE}, None),
    ("sqs", "DeleteQueue", {"queueUrl": QUEUE}, None),
    ("sqs", "AddPermission", {"queueUrl": QUEUE, "label": "all"}, None),
    ("sqs", "RemovePermission", {"queueUrl": QUEUE, "label": "all"}, None),
]


@pytest.mark.parametrize("call", [*NO_DEPLOYMENT, *DEPLOYMENTS_TOO])
def test_a_call_that_could_stop_the_watch_is_told_whoever_makes_it(told, call):
    assert told(event(*call))
    # A service that somebody has make the call for him hides nothing.
    assert told(event(*call, invoked_by="ssm.amazonaws.com"))
    # One that AWS has refused changed nothing.
    assert not told(event(*call, errorCode="AccessDenied"))


def test_a_deployment_is_told_where_it_does_what_none_does(told):
    by_stack = {"invoked_by": "cloudformation.amazonaws.com"}
    assert all(told(event(*call, **by_stack)) for call in NO_DEPLOYMENT)
    assert not any(told(event(*call, **by_stack)) for call in DEPLOYMENTS_TOO)


@pytest.mark.parametrize("call", [*NO_DEPLOYMENT, *DEPLOYMENTS_TOO])
def test_what_is_somebody_elses_is_not_told(told, call):
    text = json.dumps(call).replace("keepwatch", "shop")
    assert not told(event(*json.loads(text)))


def test_the_first_deployment_is_not_told_of_and_neither_is_who_confirms(told):
    subscribe = ("sns", "Subscribe", {"topicArn": TOPIC, "protocol": "email", "endpoint": "ann@example.com"})
    assert not told(event(*subscribe, invoked_by="cloudformation.amazonaws.com"))
    assert not told(event("sns", "ConfirmSubscription", {"topicArn": TOPIC, "authenticateOnUnsubscribe": "true"}))


def test_a_name_that_only_contains_the_stacks_is_somebody_elses(told):
    other = TOPIC.replace(":keepwatch-", ":my-keepwatch-")
    assert not told(event("sns", "DeleteTopic", {"topicArn": other}))
    assert not told(event("sns", "Unsubscribe", {"subscriptionArn": f"{other}:{MAPPING}"}))
    assert not told(event("sqs", "PurgeQueue", {"queueUrl": QUEUE.replace("/keepwatch-", "/my-keepwatch-")}))


@pytest.mark.parametrize("name", RULES)
def test_it_needs_no_function_queue_or_key_and_no_parameter(stack, name):
    rule = stack.resources[name]
    assert "Condition" not in rule
    assert rule["Properties"]["State"] == "ENABLED"
    (target,) = rule["Properties"]["Targets"]
    assert target["Arn"] == {"Ref": "OpsTopic"}
    assert "RoleArn" not in target


@pytest.mark.parametrize("name", RULES)
def test_the_pattern_fits_with_the_longest_name(stack, name):
    """EventBridge takes 2,048 characters ("Amazon EventBridge quotas"), and 64 for a rule's name."""
    large = Deployed(stack, stack="k" * (64 - len("-own-touched")), region="ap-southeast-2")
    pattern = large.resolve(stack.properties(name)["EventPattern"])
    assert len(json.dumps(pattern, separators=(",", ":"))) <= 2048
