"""The event rules of the template are those that the compiled rules ask for."""

import json
import subprocess

import pytest

from conftest import ROOT

# What brings the events of users' own rules; it is not made from the built-in ones.
OWN_RULES = "OwnRulesRule"

# What names a resource of the stack, and so is written by hand.
OPERATOR = "OperatorRule"
OPERATOR_ARN = {"Fn::GetAtt": ["OperatorRole", "Arn"]}

# What other regions have heard, on a bus of its own.
REGIONS = "RegionsRule"

BINARIES = ROOT / "target" / "debug"


def run(name, *arguments):
    """What a program of this repository prints."""
    program = BINARIES / name
    assert program.exists(), f"{name} is not built. Run: cargo build --workspace --bins"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def named(value):
    """The same with the texts in which CloudFormation puts the stack's name in."""
    match value:
        case {"Fn::Sub": text}:
            return text
        case dict():
            return {key: named(one) for key, one in value.items()}
        case list():
            return [named(one) for one in value]
        case _:
            return value


@pytest.fixture(scope="module")
def wanted():
    """What the rules listen to, said by the compiled rules."""
    return json.loads(run("keepwatch", "rules", "patterns"))


def test_the_template_listens_to_what_the_rules_ask_for():
    assert "unchanged" in run("xtask", "patterns", "--check")


def test_the_patterns_arrive_in_the_stack_as_they_were_asked_for(stack, wanted):
    rules = {
        rule["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}-"): rule["Properties"]
        for name, rule in stack.heard().items()
        if name not in (OWN_RULES, OPERATOR, REGIONS)
    }
    assert set(rules) == {rule["name"] for rule in wanted}
    for rule in wanted:
        assert rules[rule["name"]]["State"] == rule["state"]
        assert named(rules[rule["name"]]["EventPattern"]) == rule["pattern"]


def test_the_daily_call_is_brought_although_it_fails(stack):
    """StartLogging on a trail that does not exist, which counts as a write: a trail that keeps no others is enough."""
    hears = []
    for rule in stack.heard().values():
        pattern = rule["Properties"]["EventPattern"]
        detail = pattern.get("detail", {})
        if "StartLogging" in detail.get("eventName", []) and "cloudtrail.amazonaws.com" in detail["eventSource"]:
            assert set(detail) == {"eventSource", "eventName"}, "nothing else decides"
            hears.append(rule["Properties"]["State"])
    assert "ENABLED" in hears


def test_root_is_heard_even_when_it_only_reads(stack):
    assert stack.properties("ReadsRule")["State"] == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


def test_rules_that_hear_read_only_calls_are_narrow(stack):
    """Such a rule gets every Describe of the account. One that did not say whose or which would cost real money."""
    for name, rule in stack.heard().items():
        properties = rule["Properties"]
        if properties["State"] != "ENABLED" and name not in (OWN_RULES, REGIONS):
            detail = properties["EventPattern"]["detail"]
            for either in detail.get("$or", [detail]):
                assert either.get("eventName") or either.get("userIdentity", {}).get("type") == ["Root"], name


def test_own_rules_hear_every_call_and_only_when_they_are_asked_for(stack):
    rule = stack.resources[OWN_RULES]
    assert rule["Condition"] == "HasSigmaRules"
    assert stack.body["Conditions"]["HasSigmaRules"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "SigmaRules"}, "none"]}]}
    assert rule["Properties"]["State"] == {
        "Fn::If": ["SigmaHearsReads", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", "ENABLED"]
    }
    # detect reads an encrypted queue: a KMS call that it hears would make another one.
    other, kms = rule["Properties"]["EventPattern"]["detail"]["$or"]
    assert other == {"eventSource": [{"anything-but": ["kms.amazonaws.com"]}]}
    assert kms == {"eventSource": ["kms.amazonaws.com"], "readOnly": [False]}
    # The same kinds of event as the built-in rules.
    (built_in,) = stack.properties("ReadsRule")["EventPattern"]["detail-type"]
    kinds = rule["Properties"]["EventPattern"]["detail-type"]
    assert len(kinds) == 5
    assert all(kind.endswith(built_in["suffix"]) for kind in kinds)


def test_whoever_becomes_the_operator_is_heard_and_no_other_role(stack):
    detail = stack.properties(OPERATOR)["EventPattern"]["detail"]
    assert detail == {
        "eventSource": ["sts.amazonaws.com"],
        "eventName": ["AssumeRole"],
        "requestParameters": {"roleArn": [OPERATOR_ARN, {"equals-ignore-case": OPERATOR_ARN}]},
    }


def test_only_aws_services_are_heard(stack):
    """Anybody in the account may put events of any other source on the bus."""
    for name, rule in stack.heard().items():
        for source in rule["Properties"]["EventPattern"]["source"]:
            prefix = source["prefix"] if isinstance(source, dict) else source
            assert prefix.startswith("aws."), name


def test_only_heartbeat_and_what_the_operations_topic_is_told_send_something_else_than_the_event(stack):
    """`self-event-rule-changed` takes an input of any other rule for tampering, CloudFormation's too."""
    own_input = {
        rule["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}")
        for rule in stack.of_type("AWS::Events::Rule").values()
        for target in rule["Properties"]["Targets"]
        if target.keys() & {"Input", "InputPath", "InputTransformer"}
    }
    assert own_input == {"-heartbeat", "-key-touched", "-own-stopped", "-own-touched"}


def test_only_own_rules_and_the_watch_over_a_key_come_and_go_with_a_parameter(stack):
    """`self-event-rule-changed` takes it for tampering when any other rule loses its targets."""
    optional = {
        rule["Properties"]["Name"]["Fn::Sub"].removeprefix("${AWS::StackName}")
        for rule in stack.of_type("AWS::Events::Rule").values()
        if "Condition" in rule
    }
    assert optional == {"-own-rules", "-key-touched"}


def test_no_role_or_function_is_bounded_by_anything_else(stack):
    """The rules on Keepwatch itself take it for tampering, CloudFormation's too.

    What the policies of the stack deny is in test_resource_policies.py.
    """
    for name, role in stack.of_type("AWS::IAM::Role").items():
        assert not {"ManagedPolicyArns", "PermissionsBoundary"} & role["Properties"].keys(), name
    for name, function in stack.of_type("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function["Properties"], name
