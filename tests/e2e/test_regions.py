"""Other regions are heard: the real forwarders, deployed by the real command, beside the real home stack."""

import json
from datetime import datetime, timedelta, timezone

import pytest

from events import call, unique
from local_cloud import ACCOUNT, play, until

ELSEWHERE = "eu-west-1"

# A region whose forwarder comes and goes, and one whose forwarder goes with a call that is heard.
REMOVED = "eu-north-1"
TAKEN = "eu-central-1"


@pytest.fixture(scope="module")
def deployed(cloud, stack):
    """What the first run of the command printed."""
    printed, code = cloud.regions("deploy", f"{ELSEWHERE},mars-north-1")
    assert code == 0, printed
    return printed


def there(service, name, parameters, region=ELSEWHERE):
    return call(service, name, parameters, awsRegion=region) | {"region": region}


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


def test_only_rules_of_regions_with_a_forwarder_may_have_the_role(cloud, deployed):
    def trusted():
        role = cloud.client("iam").get_role(RoleName="keepwatch-forwarder")["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        sources = statement["Condition"]["StringLike"]["aws:SourceArn"]
        return {source.split(":")[3] for source in ([sources] if isinstance(sources, str) else sources)}

    assert trusted() == {ELSEWHERE}
    assert cloud.regions("deploy", REMOVED)[1] == 0
    assert trusted() == {ELSEWHERE, REMOVED}
    assert cloud.regions("undeploy", REMOVED)[1] == 0
    assert trusted() == {ELSEWHERE}


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


@pytest.fixture
def gap(findings):
    """The status of the finding of this kind about the region, if there is one."""

    def of(kind, region=ELSEWHERE):
        found = [one for one in findings.all() if one["rule"] == f"forwarder.{kind}" and one["region"] == region]
        assert len(found) <= 1, found
        return found[0]["status"] if found else None

    return of


@pytest.fixture
def rules(cloud, deployed):
    """The forwarder's rules in the other region; the command mends them afterwards, whatever a test did to them."""
    events = cloud.client("events", ELSEWHERE)
    yield events
    assert cloud.regions("undeploy", ELSEWHERE)[1] == 0
    printed, code = cloud.regions("deploy", ELSEWHERE)
    assert code == 0, printed


def test_a_rule_that_is_disabled_narrowed_led_away_or_changed_in_what_it_sends_is_found_by_the_next_scan(
    rules, scan, gap, findings
):
    def told():
        (one,) = [one for one in findings.all() if one["rule"] == "forwarder.changed" and one["region"] == ELSEWHERE]
        return str(one["strongest"])

    scan()
    assert gap("changed") is None
    rules.disable_rule(Name="keepwatch-guard")
    scan()
    assert gap("changed") == "NEW"
    assert "keepwatch-guard is disabled" in told()
    pattern = rules.describe_rule(Name="keepwatch-calls-1")["EventPattern"]
    rules.put_rule(Name="keepwatch-calls-1", EventPattern=json.dumps({"source": ["nobody"]}))
    (target,) = rules.list_targets_by_rule(Rule="keepwatch-policies-1")["Targets"]
    rules.remove_targets(Rule="keepwatch-policies-1", Ids=["home"])
    scan()
    assert "keepwatch-calls-1 has another pattern" in told()
    assert "keepwatch-policies-1 does not send to the home stack" in told()
    rules.enable_rule(Name="keepwatch-guard")
    (right,) = rules.list_targets_by_rule(Rule="keepwatch-guard")["Targets"]
    for wrong, does in [
        ({"Input": "{}"}, "sends something else than the events"),
        ({"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/powerless"}, "sends with another role"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 0}}, "tries for a shorter time to send"),
    ]:
        rules.put_targets(Rule="keepwatch-guard", Targets=[right | wrong])
        scan()
        assert f"keepwatch-guard {does}" in told()
    rules.put_targets(Rule="keepwatch-guard", Targets=[right])
    rules.put_rule(Name="keepwatch-calls-1", EventPattern=pattern)
    rules.put_targets(Rule="keepwatch-policies-1", Targets=[target])
    scan()
    assert gap("changed") == "RESOLVED"


@pytest.mark.parametrize("guarded", [True, False])
def test_the_call_that_disables_the_rule_for_such_calls_is_heard(cloud, rules, findings, guarded):
    """It comes by two rules; one of them is disabled when its event arrives."""
    (hears,) = [
        rule["Name"]
        for rule in rules.list_rules(NamePrefix="keepwatch-calls-")["Rules"]
        if '"events.amazonaws.com"' in rule["EventPattern"] and '"DisableRule"' in rule["EventPattern"]
    ]
    disabled = hears if guarded else "keepwatch-guard"
    rules.disable_rule(Name=disabled)
    play(cloud, there("events", "DisableRule", {"name": disabled}), ELSEWHERE)
    until(
        lambda: [
            one
            for one in findings.about(f"{ELSEWHERE}:{ACCOUNT}:rule/{disabled}")
            if one["rule"] == "self-event-rule-changed" and one["status"] == "NEW"
        ],
        "the call",
    )
    rules.enable_rule(Name=disabled)


def test_a_forwarder_of_another_version_is_found_by_the_next_scan(rules, scan, gap):
    (beat,) = rules.list_rules(NamePrefix="keepwatch-heartbeat-")["Rules"]
    rules.put_rule(Name="keepwatch-heartbeat-0123456789abcdef", ScheduleExpression="rate(15 minutes)")
    rules.remove_targets(Rule=beat["Name"], Ids=["home"])
    rules.delete_rule(Name=beat["Name"])
    scan()
    assert gap("outdated") == "NEW"
    rules.delete_rule(Name="keepwatch-heartbeat-0123456789abcdef")
    rules.put_rule(Name=beat["Name"], ScheduleExpression="rate(15 minutes)")
    scan()
    assert gap("outdated") == "RESOLVED"


@pytest.fixture
def beat(cloud, stack, deployed):
    """A region's heartbeat as it reaches the intake queue, so many minutes ago; waits until it is noted."""
    dynamodb = cloud.client("dynamodb")

    def of(minutes, region=ELSEWHERE):
        (rule,) = cloud.client("events", region).list_rules(NamePrefix="keepwatch-heartbeat-")["Rules"]
        time = (datetime.now(timezone.utc) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        event = {
            "version": "0",
            "id": unique("beat"),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": ACCOUNT,
            "time": time,
            "region": region,
            "resources": [rule["Arn"]],
            "detail": {},
        }
        cloud.operator(stack, "sqs").send_message(QueueUrl=stack.intake_queue, MessageBody=json.dumps(event))
        key = {"entry": {"S": "forwarders"}}
        until(
            lambda: time in str(dynamodb.get_item(TableName=stack.journal_table, Key=key, ConsistentRead=True)),
            "the heartbeat",
        )

    return of


def test_a_heartbeat_that_is_missing_for_an_hour_is_mailed_and_resolved_when_it_comes(beat, sweep, gap, mailbox):
    beat(61)
    sweep()
    assert gap("silent") == "NEW"
    alert = mailbox.wait_for(lambda a: a.rule == "forwarder.silent", "the region that is silent")
    assert alert.severity == "HIGH"
    beat(1)
    sweep()
    assert gap("silent") == "RESOLVED"


def test_a_forwarder_that_was_removed_is_found(cloud, beat, scan, gap):
    assert cloud.regions("deploy", REMOVED)[1] == 0
    beat(0, REMOVED)
    assert cloud.regions("undeploy", REMOVED)[1] == 0
    scan()
    assert gap("changed", REMOVED) == "NEW"
    assert cloud.regions("deploy", REMOVED)[1] == 0
    scan()
    assert gap("changed", REMOVED) == "RESOLVED"


def test_a_forwarder_that_was_taken_away_is_told_at_once_and_its_silence_is_not(cloud, beat, sweep, scan, gap, mailbox):
    assert cloud.regions("deploy", TAKEN)[1] == 0
    beat(70, TAKEN)
    play(cloud, there("cloudformation", "DeleteStack", {"stackName": "keepwatch-forwarder"}, TAKEN), TAKEN)
    alert = mailbox.wait_for(lambda a: a.rule == "self-stack-changed", "the forwarder that was taken away")
    assert alert.severity == "HIGH"
    assert TAKEN in alert.resource
    assert "make undeploy-regions, nothing is to do" in " ".join(alert.text.split())
    assert cloud.regions("undeploy", TAKEN)[1] == 0
    sweep()
    assert gap("silent", TAKEN) is None
    scan()
    assert gap("changed", TAKEN) is None
    sweep()
    assert gap("silent", TAKEN) is None


def test_a_change_in_another_region_is_looked_at_again_without_a_scan(cloud, deployed, scan, findings):
    bucket, rule = unique("elsewhere"), "data-bucket-protection-weakened"
    s3 = cloud.client("s3", ELSEWHERE)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": ELSEWHERE})

    def versioning():
        (one,) = [one for one in findings.about(bucket) if (one["rule"], one["aspect"]) == (rule, "versioning")]
        return one

    scan()
    assert (versioning()["status"], versioning()["region"]) == ("NEW", ELSEWHERE)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    play(cloud, there("s3", "PutBucketVersioning", {"bucketName": bucket}), ELSEWHERE)
    until(lambda: versioning()["status"] == "RESOLVED", "the second look", 120)
    assert "PutBucketVersioning" in versioning()["status_reason"]


def test_regions_that_never_had_a_forwarder_are_one_finding(scan, findings, deployed, gap):
    scan()
    missing = [one for one in findings.all() if one["rule"] == "forwarder.missing"]
    assert gap("missing", "global") == "NEW"
    assert len(missing) == 1


def test_mistakes_are_named(cloud, stack):
    printed, code = cloud.regions("deploy", "us-east-1")
    assert code == 1
    assert "us-east-1 is the home stack's own region" in printed
