"""The owner's own Sigma rules in the account: packed with detect, switched on by the template's parameter."""

import json

import pytest

from events import call, unique
from local_cloud import Mailbox, play

RULE = """title: Tag Written By Hand
name: tag-by-hand
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventSource: ecs.amazonaws.com
        eventName|startswith: Tag
    condition: selection
falsepositives:
    - A team that names things
level: high
"""

COUNTS = """title: Many Tags
logsource:
    product: aws
    service: cloudtrail
detection:
    selection:
        eventName: TagResource
    condition: selection | count() by userIdentity.arn > 5
level: medium
"""


@pytest.fixture(scope="module")
def own(cloud, tmp_path_factory):
    """A stack beside the others' that evaluates two rules, of which one cannot be."""
    folder = tmp_path_factory.mktemp("sigma")
    (folder / "tags.yml").write_text(RULE)
    (folder / "many.yml").write_text(COUNTS)
    return cloud.deploy("own", sigma=folder, SigmaRules="changes")


@pytest.fixture
def own_mailbox(cloud, own):
    box = Mailbox(cloud, own.alert_topic)
    yield box
    box.close()


def test_an_own_rule_sees_a_call_that_no_built_in_rule_asks_for(cloud, own_mailbox):
    cluster = unique("cluster")
    arn = f"arn:aws:ecs:us-east-1:111122223333:cluster/{cluster}"
    play(cloud, call("ecs", "TagResource", {"resourceArn": arn, "tags": [{"key": "a", "value": "b"}]}))
    alert = own_mailbox.wait_for(lambda a: a.rule == "sigma-tag-by-hand", "the own rule's alert")
    assert alert.severity == "HIGH"
    assert alert.resource == arn
    assert "A team that names things" in alert.text


def test_what_cannot_be_used_is_told(cloud, own, own_mailbox):
    payload = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
    play(cloud, call("ecs", "TagResource", {"resourceArn": unique("x")}))
    own_mailbox.wait_for(lambda a: a.rule == "sigma-tag-by-hand", "detect has started")
    cloud.client("lambda").invoke(FunctionName=own.notify_function, Payload=payload)
    mail = own_mailbox.wait_for(lambda a: "cannot be used" in a.subject, "the rule that is not evaluated")
    assert "many" in mail.text
    assert "counts over time" in mail.text
