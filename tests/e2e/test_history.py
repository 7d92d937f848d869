"""What no event rule brought is found in CloudTrail's event history. The emulator keeps one of its own calls."""

import contextlib
import http.client
import json
import time

import pytest


@pytest.fixture
def recorded(cloud):
    """For the length of a block calls are written into the event history. EventBridge is told of none."""

    def record(on):
        connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=10)
        connection.request("POST", "/_ministack/config", json.dumps({"cloudtrail._recording_enabled": on}))
        assert "cloudtrail._recording_enabled" in json.load(connection.getresponse())["applied"]

    @contextlib.contextmanager
    def block():
        record("true")
        yield
        record("false")

    return block


@pytest.fixture
def scan(cloud, stack):
    """What the clock does once a day."""

    def call():
        payload = json.dumps({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}})
        answer = cloud.client("lambda").invoke(FunctionName=stack.scan_function, Payload=payload)
        assert "FunctionError" not in answer, answer["Payload"].read()

    return call


@pytest.fixture
def clock(cloud, stack):
    """A rule of the stack's that no other test needs; its targets are given back."""
    events, name = cloud.client("events"), f"{stack.name}-scan"
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    yield name
    events.put_targets(Rule=name, Targets=targets)


def test_the_call_that_nobody_tells_of_is_mailed_after_the_daily_run(cloud, mailbox, findings, recorded, scan, clock):
    """Whoever takes the targets of an event rule away is not told of by that rule, and here by no other."""
    with recorded():
        cloud.client("events").remove_targets(Rule=clock, Ids=["scan"])
    time.sleep(1)  # the history is asked in whole seconds
    assert findings.about(clock) == []
    scan()
    alert = mailbox.wait_for(lambda alert: clock in alert.resource, "the call")
    assert (alert.rule, alert.severity) == ("self-event-rule-changed", "CRITICAL")
    (finding,) = findings.about(clock)
    assert finding["occurrences"] == 1
