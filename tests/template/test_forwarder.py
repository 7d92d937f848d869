"""What the forwarders of other regions hear is what home hears, and it reaches home or a dead-letter queue."""

import hashlib
import json
import sys
from fnmatch import fnmatchcase

import pytest
from samtranslator.yaml_helper import yaml_parse
from test_own_touched import event, matches
from test_resource_policies import ACCOUNT, Deployed

from conftest import ROOT, Template

sys.path.insert(0, str(ROOT / "tools"))
import regions

HOME_BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/keepwatch-regions"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/keepwatch-forwarder"

# The largest template that CloudFormation takes in the call itself (user guide, "CloudFormation quotas").
LARGEST_BODY = 51_200

# Rules of the home stack that bring nothing from other regions: clocks, and what the operations topic is told.
HOME_ONLY = {
    "KeyTouchedRule",
    "OwnStoppedRule",
    "OwnTouchedRule",
    "RegionsRule",
    "ScanRule",
    "SweepRule",
}

PARAMETERS = {"HomeStack": "keepwatch", "HomeRegion": "us-east-1", "HomeAccount": ACCOUNT, "SigmaRules": "all"}


def fingerprint(text):
    """As keepwatch_base::hash::short_hash."""
    data = text.encode()
    return hashlib.sha256(len(data).to_bytes(8, "big") + data).hexdigest()[:16]


def read(name):
    body = yaml_parse((ROOT / "infra" / name).read_text(encoding="utf-8"))
    return Template(json.loads(json.dumps(body)))


@pytest.fixture(scope="module")
def forwarder():
    return read("forwarder.yaml")


@pytest.fixture(scope="module")
def resolved(forwarder):
    """The rules as they stand in eu-west-1, by logical id."""
    deployed = Deployed(forwarder)
    deployed.known.update(PARAMETERS, **{"AWS::Region": "eu-west-1"})
    deployed.conditions.update(HasSigmaRules=True, SigmaHearsReads=True)
    rules = forwarder.of_type("AWS::Events::Rule")
    return {name: deployed.resolve(rule["Properties"]) for name, rule in rules.items()}


def test_it_is_plain_cloudformation_and_small_enough_for_one_call(forwarder):
    assert "Transform" not in forwarder.body
    assert len(json.dumps(forwarder.body, separators=(",", ":"))) <= LARGEST_BODY


def at_home(value):
    """The same, named as the home stack's own template names it."""
    return json.loads(json.dumps(value).replace("${HomeStack}", "${AWS::StackName}"))


def test_it_hears_what_home_hears(stack, forwarder):
    home, there = stack.of_type("AWS::Events::Rule"), forwarder.of_type("AWS::Events::Rule")
    assert set(home) - HOME_ONLY - set(stack.rechecked()) == set(there) - {"GuardRule", "RecheckRule"}
    for name in set(there) - {"GuardRule", "HeartbeatRule", "OperatorRule", "RecheckRule"}:
        for part in ("EventPattern", "State"):
            assert at_home(there[name]["Properties"][part]) == home[name]["Properties"][part], name
        assert at_home(there[name]["Properties"]["Name"]) == home[name]["Properties"]["Name"]


def calls_of(patterns):
    """Each source with each call that these patterns bring of it."""
    details = [pattern["detail"] for pattern in patterns if "eventName" in pattern.get("detail", {})]
    return {(source, name) for detail in details for source in detail["eventSource"] for name in detail["eventName"]}


def test_what_home_looks_at_again_comes_from_other_regions_too(stack, resolved):
    """Home's rules for re-checks stand on the forwarders' bus a second time, and a forwarder brings what they hear."""
    rules = {name: rule["Properties"] for name, rule in stack.rechecked().items()}
    here = {name: rule for name, rule in rules.items() if "EventBusName" not in rule}
    assert here
    assert {f"Regions{name}" for name in here} | set(here) == set(rules)
    for name, rule in here.items():
        forwarded = rules[f"Regions{name}"]
        assert forwarded["EventBusName"] == {"Ref": "RegionsBus"}
        assert forwarded == rule | {"EventBusName": {"Ref": "RegionsBus"}}
    of_checks = json.loads((ROOT / "shared/core/src/regions/rules.json").read_text(encoding="utf-8"))
    assert "recheck" in of_checks["rules"]
    # A pattern pairs each of its sources with each of its names, so that it lists more than is ever called.
    brought = calls_of([rule["EventPattern"] for rule in resolved.values() if "EventPattern" in rule])
    for source, name in [
        ("s3.amazonaws.com", "PutBucketAcl"),
        ("s3.amazonaws.com", "PutBucketOwnershipControls"),
        ("ec2.amazonaws.com", "AuthorizeSecurityGroupIngress"),
        ("ec2.amazonaws.com", "RevokeSecurityGroupIngress"),
        ("ec2.amazonaws.com", "CreateFlowLogs"),
        ("rds.amazonaws.com", "CopyDBSnapshot"),
        ("kms.amazonaws.com", "CancelKeyDeletion"),
    ]:
        assert any((source, name) in calls_of([rule["EventPattern"]]) for rule in here.values()), name
        assert (source, name) in brought, name
    # Nothing comes by two rules for that.
    own = calls_of([resolved["RecheckRule"]["EventPattern"]])
    ordinary = calls_of([rule["EventPattern"] for name, rule in resolved.items() if name.startswith("Calls")])
    names = {name for _, name in own} - {name for source, name in ordinary if (source, name) in own}
    assert names, "each of its names is brought by no other rule"


def test_the_rule_that_hears_the_stack_go_is_there_first_and_goes_last(forwarder, resolved):
    """CloudFormation deletes what depends on something before it (user guide, "DependsOn attribute")."""
    for name, rule in forwarder.of_type("AWS::Events::Rule").items():
        assert rule["DependsOn"] == ("DeadLettersPolicy" if name == "GuardRule" else "GuardRule"), name
    guard = resolved["GuardRule"]["EventPattern"]
    arn = f"arn:aws:cloudformation:eu-west-1:{ACCOUNT}:stack/keepwatch-forwarder/14e0db71-0000-4000-8000-000000000001"
    for stack_name in ("keepwatch-forwarder", arn):
        for name in ("DeleteStack", "UpdateStack", "UpdateTerminationProtection"):
            assert matches(guard, event("cloudformation", name, {"stackName": stack_name})), (name, stack_name)
    # Whoever makes the call, and CloudFormation's own calls about the rules.
    gone = {"stackName": "keepwatch-forwarder"}
    assert matches(guard, event("cloudformation", "DeleteStack", gone, invoked_by="ssm.amazonaws.com"))
    removed = {"rule": "keepwatch-calls-1", "ids": ["home"]}
    assert matches(guard, event("events", "RemoveTargets", removed, invoked_by="cloudformation.amazonaws.com"))
    for other in ("shop", "keepwatch-forwarders", arn.replace("keepwatch-forwarder", "shop")):
        assert not matches(guard, event("cloudformation", "DeleteStack", {"stackName": other})), other


def test_what_blinds_a_region_is_heard_there(resolved):
    """A key or dead-letter queue on its default bus, its queue's key, and the forwarders' role: IAM tells of that in
    us-east-1, whose forwarder hears it where home is elsewhere."""
    patterns = [rule["EventPattern"] for rule in resolved.values() if "EventPattern" in rule]
    heard = [
        event("events", "UpdateEventBus", {"name": "default", "kmsKeyIdentifier": "alias/theirs"}),
        event("events", "UpdateEventBus", {"name": "default", "deadLetterConfig": {"arn": "arn:aws:sqs:x"}}),
        event("sqs", "SetQueueAttributes", {"queueUrl": "q", "attributes": {"KmsMasterKeyId": "alias/theirs"}}),
        event("sqs", "DeleteQueue", {"queueUrl": "q"}),
        event("iam", "UpdateAssumeRolePolicy", {"roleName": "keepwatch-forwarder"}),
        event("iam", "PutRolePolicy", {"roleName": "keepwatch-forwarder"}),
        event("iam", "DeleteRolePolicy", {"roleName": "keepwatch-forwarder"}),
        event("iam", "DetachRolePolicy", {"roleName": "keepwatch-forwarder"}),
        event("iam", "PutRolePermissionsBoundary", {"roleName": "keepwatch-forwarder"}),
        event("iam", "DeleteRole", {"roleName": "keepwatch-forwarder"}),
    ]
    for one in heard:
        detail = one["detail"]
        by = [pattern for pattern in patterns if (detail["eventSource"], detail["eventName"]) in calls_of([pattern])]
        assert any(matches(pattern, one) for pattern in by), detail


def test_the_operator_is_heard_by_any_region(forwarder, resolved):
    (role,) = resolved["OperatorRule"]["EventPattern"]["detail"]["requestParameters"]["roleArn"]
    assert role == {"wildcard": "*:role/keepwatch-OperatorRole-*"}
    assert resolved["OperatorRule"]["EventPattern"]["detail"]["eventName"] == ["AssumeRole"]


def test_no_single_call_keeps_its_own_event_from_being_heard(resolved):
    """What is done to one of the forwarder's rules comes by two of them: either may be the one that it is done to."""
    guard = resolved["GuardRule"]["EventPattern"]["detail"]
    of_rules = guard["$or"][:2]
    assert [one["requestParameters"] for one in of_rules] == [
        {name: [{"prefix": "keepwatch-"}]} for name in ("name", "rule")
    ]
    for one in of_rules:
        assert {"DeleteRule", "DisableRule", "PutRule", "PutTargets", "RemoveTargets"} <= set(one["eventName"])
    others = [rule for name, rule in resolved.items() if name not in ("GuardRule", "OwnRulesRule")]
    details = [rule.get("EventPattern", {}).get("detail", {}) for rule in others]
    listening = [detail for detail in details if "events.amazonaws.com" in detail.get("eventSource", [])]
    for call in of_rules[0]["eventName"]:
        assert any(call in detail.get("eventName", []) for detail in listening), call
    listening = [detail for detail in details if "cloudformation.amazonaws.com" in detail.get("eventSource", [])]
    for call in guard["$or"][2]["eventName"]:
        assert any(call in detail.get("eventName", []) for detail in listening), call


def test_a_scan_expects_the_rules_that_are_deployed(resolved):
    expected = json.loads((ROOT / "shared/core/src/regions/rules.json").read_text(encoding="utf-8"))
    names = {rule["Name"].removeprefix("keepwatch-"): rule for rule in resolved.values()}
    assert set(expected["rules"]) == {name for name in names if not name.startswith("heartbeat-")}
    assert f"heartbeat-{expected['version']}" in names
    for name, rule in expected["rules"].items():
        if "reads" in rule:
            assert rule["reads"] == (names[name]["State"] != "ENABLED"), name
        text = json.dumps(names[name]["EventPattern"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        named = text.replace("keepwatch-", "${HomeStack}-")
        assert rule["pattern"] in (fingerprint(text), fingerprint(named)), name


def test_every_rule_sends_the_event_itself_to_the_home_bus(resolved):
    for name, rule in resolved.items():
        (target,) = rule["Targets"]
        assert (target["Arn"], target["RoleArn"]) == (HOME_BUS, ROLE), name
        assert target["DeadLetterConfig"]["Arn"], name
        assert not {"Input", "InputPath", "InputTransformer"} & set(target), name
        assert rule["Name"].startswith("keepwatch-"), name


def test_there_is_no_alarm_and_nothing_that_costs_money_for_standing_still(forwarder):
    kinds = {resource["Type"] for resource in forwarder.resources.values()}
    assert kinds == {"AWS::Events::Rule", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"}


def test_what_cannot_be_sent_is_kept_for_a_fortnight_and_only_the_rules_put_it_there(forwarder):
    assert forwarder.properties("DeadLetters")["MessageRetentionPeriod"] == 14 * 24 * 3600
    denied = [s for s in forwarder.statements("DeadLettersPolicy") if s["Effect"] == "Deny"]
    assert {s["Sid"] for s in denied} == {"TlsOnly", "RulesOnly"}


def test_nobody_but_the_forwarders_role_sends_to_the_home_bus(stack):
    statement = stack.properties("RegionsBusPolicy")["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "events:PutEvents")
    assert statement["Condition"] == {
        "ArnNotEquals": {
            "aws:PrincipalArn": {
                "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${AWS::StackName}-forwarder"
            }
        }
    }


def test_what_the_forwarders_send_goes_into_the_queue_read_only_calls_too(stack):
    rule = stack.properties("RegionsRule")
    assert rule["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    assert rule["EventBusName"] == {"Ref": "RegionsBus"}
    # Of this account, and from AWS: who sends with a source of its own says what it likes.
    assert rule["EventPattern"] == {"source": [{"prefix": "aws."}], "account": [{"Ref": "AWS::AccountId"}]}


def test_the_role_may_do_nothing_else_and_only_rules_of_the_forwarders_have_it():
    role = read("forwarder-role.yaml").properties("Role")
    (policy,) = role["Policies"]
    (allowed,) = policy["PolicyDocument"]["Statement"]
    assert allowed["Action"] == "events:PutEvents"
    assert allowed["Resource"]["Fn::Sub"].endswith(":event-bus/${HomeStack}-regions")
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Principal"] == {"Service": "events.amazonaws.com"}
    condition = trusted["Condition"]
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    # Both hold for the same key: the region by its beginning, the name by the rest.
    assert condition["StringLike"] == {"aws:SourceArn": {"Ref": "Sources"}}


def trusted_names():
    role = read("forwarder-role.yaml").properties("Role")
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    names = [name["Fn::Sub"] for name in trusted["Condition"]["ArnLike"]["aws:SourceArn"]]
    prefix = "arn:${AWS::Partition}:events:*:${AWS::AccountId}:rule/${HomeStack}-"
    assert all(name.startswith(prefix) for name in names)
    return [name.removeprefix(prefix) for name in names]


def test_every_rule_of_a_forwarder_may_have_the_role_and_each_name_is_one_of_them(resolved):
    names, rules = trusted_names(), [rule["Name"].removeprefix("keepwatch-") for rule in resolved.values()]
    for rule in rules:
        assert any(fnmatchcase(rule, name) for name in names), rule
    for name in names:
        assert any(fnmatchcase(rule, name) for rule in rules), name
    for other in ("", "regions", "scan", "anything", "guards", "calls"):
        assert not any(fnmatchcase(other, name) for name in names), other


def test_the_roles_trust_has_no_more_characters_than_iam_takes():
    """2,048 (IAM user guide, "IAM and AWS STS quotas"), with the longest name of a stack that is likely."""
    role = read("forwarder-role.yaml")
    deployed = Deployed(role)
    longest = ",".join(["ap-southeast-2"] * regions.MOST_NAMED)
    deployed.known.update(
        PARAMETERS, HomeStack="a-stack-of-a-long-name", Sources=regions.sources("aws", longest.split(",")).split(",")
    )
    trust = deployed.resolve(role.properties("Role")["AssumeRolePolicyDocument"])
    assert len(json.dumps(trust, separators=(",", ":"))) <= 2_048


def test_the_command_names_the_regions_that_have_a_forwarder():
    assert (
        regions.sources("aws", {"eu-west-1", "af-south-1"}) == "arn:aws:events:af-south-1:*,arn:aws:events:eu-west-1:*"
    )
    assert regions.sources("aws", set()) == regions.NOWHERE
    assert regions.sources("aws", {f"eu-west-{n}" for n in range(regions.MOST_NAMED + 1)}) == "arn:aws:events:*"
