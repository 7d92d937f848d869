"""Other regions are heard: the real forwarders, deployed by the real command, beside the real home stack."""

import pytest

from events import call, unique
from local_cloud import play, until

ELSEWHERE = "eu-west-1"


@pytest.fixture(scope="module")
def deployed(cloud, stack):
    """What the first run of the command printed."""
    printed, code = cloud.regions("deploy", f"{ELSEWHERE},mars-north-1")
    assert code == 0, printed
    return printed


def there(service, name, parameters):
    event = call(service, name, parameters, awsRegion=ELSEWHERE)
    return event | {"region": ELSEWHERE}


def test_the_command_says_what_it_did_and_a_second_run_changes_nothing(cloud, deployed):
    lines = dict(line.split(maxsplit=1) for line in deployed.splitlines())
    assert lines["role"] == "created"
    assert lines[ELSEWHERE] == "created"
    assert lines["mars-north-1"].startswith("skipped: not enabled")
    printed, code = cloud.regions("deploy", ELSEWHERE)
    assert code == 0
    assert dict(line.split(maxsplit=1) for line in printed.splitlines()) == {
        "role": "unchanged",
        ELSEWHERE: "unchanged",
    }


def test_an_event_of_another_region_becomes_a_mail_at_home(cloud, deployed, mailbox, findings):
    trail = unique("trail")
    play(cloud, there("cloudtrail", "StopLogging", {"name": trail}), ELSEWHERE)
    alert = mailbox.wait_for(lambda a: trail in a.resource, "the trail that was stopped elsewhere")
    assert alert.severity in ("HIGH", "CRITICAL")
    assert findings.get(alert.finding_id)["region"] == ELSEWHERE
    assert f"--region {ELSEWHERE}" in alert.text


def test_a_region_without_a_forwarder_is_not_heard(cloud, deployed, findings):
    trail = unique("trail")
    event = there("cloudtrail", "StopLogging", {"name": trail})
    play(cloud, event, "sa-east-1")
    heard = unique("trail")
    play(cloud, there("cloudtrail", "StopLogging", {"name": heard}), ELSEWHERE)
    until(lambda: findings.about(heard), "the region that is heard")
    assert findings.about(trail) == []


def test_nobody_else_speaks_on_the_home_bus(cloud, stack, deployed, findings):
    """An event of a source of one's own is not let into the queue, and one of AWS's cannot be sent by anybody."""
    trail = unique("trail")
    forged = there("cloudtrail", "StopLogging", {"name": trail}) | {"source": "mine.cloudtrail"}
    bus = cloud.client("events").list_event_buses(NamePrefix=f"{stack.name}-regions")["EventBuses"]
    assert len(bus) == 1
    play(cloud, forged, ELSEWHERE)
    heard = unique("trail")
    play(cloud, there("cloudtrail", "StopLogging", {"name": heard}), ELSEWHERE)
    until(lambda: findings.about(heard), "the region that is heard")
    assert findings.about(trail) == []


def test_what_is_done_to_a_forwarder_is_told(cloud, deployed, mailbox):
    play(cloud, there("events", "DisableRule", {"name": "keepwatch-calls-1"}), ELSEWHERE)
    alert = mailbox.wait_for(lambda a: a.rule == "self-event-rule-changed", "the rule that was disabled")
    assert alert.resource.startswith(f"arn:aws:events:{ELSEWHERE}:")
    assert alert.severity == "CRITICAL"


def test_mistakes_are_named(cloud, stack):
    printed, code = cloud.regions("deploy", "us-east-1")
    assert code == 1
    assert "us-east-1 is the home stack's own region" in printed
