"""An update from version 0.1.0 to today's template, and back, replaces nothing that holds something.

tests/e2e/test_upgrade.py does it on the local cloud. What AWS replaces stands in the resource types' schemas, which
cfn-lint ships: a change of one of `createOnlyProperties` makes a new resource, and leaves the old one with its data."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from samtranslator.yaml_helper import yaml_parse

from conftest import ROOT, Template, translate

HOLDS = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Logs::LogGroup")

# What 0.1.0 had and is not needed any more: it is retained, or a table that is kept could not be read.
LEFT_BEHIND = {"Key": "AWS::KMS::Key"}


@pytest.fixture(scope="module")
def old():
    return translate(Template(yaml_parse((ROOT / "tests/fixtures/template-0.1.0.yaml").read_text(encoding="utf-8"))))


def fixed(kind):
    """The properties of a type that no update changes: what CloudFormation replaces it for."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    paths = [*schema.get("createOnlyProperties", []), *schema.get("conditionalCreateOnlyProperties", [])]
    assert all(path.startswith("/properties/") for path in paths)
    return {path.split("/")[2] for path in paths}


def holding(template):
    return {name: r for name, r in template.resources.items() if r["Type"] in HOLDS}


def test_what_holds_something_is_the_same_resource_in_both_versions(old, stack):
    assert len(holding(old)) >= 9
    for name, before in holding(old).items():
        now = stack.resources.get(name)
        assert now is not None, f"{name} is gone: what it holds is left behind"
        assert now["Type"] == before["Type"], name
        assert now.get("Condition") == before.get("Condition"), name
        for part in fixed(before["Type"]):
            was, is_now = before["Properties"].get(part), now["Properties"].get(part)
            assert is_now == was, f"{name}: with another {part} CloudFormation makes a new one, empty"


def test_the_schemas_know_what_replaces_a_resource():
    assert "TableName" in fixed("AWS::DynamoDB::Table")
    assert "KeySchema" in fixed("AWS::DynamoDB::Table")
    assert "QueueName" in fixed("AWS::SQS::Queue")
    assert "TopicName" in fixed("AWS::SNS::Topic")
    assert "LogGroupName" in fixed("AWS::Logs::LogGroup")


def test_what_holds_something_is_kept_when_its_template_does_not_know_it(old, stack):
    """Going back takes what is new out of the stack, and not its messages and logs."""
    for template in (old, stack):
        for name, resource in holding(template).items():
            # A topic holds nothing but its subscriptions, and is told with them where it goes.
            if resource["Type"] != "AWS::SNS::Topic":
                assert resource["DeletionPolicy"] in ("Retain", "RetainExceptOnCreate"), name
                assert resource["UpdateReplacePolicy"] == "Retain", name
    gone = {
        name: resource
        for name, resource in old.resources.items()
        if name not in stack.resources and resource.get("DeletionPolicy") not in (None, "Delete")
    }
    assert {name: resource["Type"] for name, resource in gone.items()} == LEFT_BEHIND


def test_nothing_that_is_kept_has_a_name_of_its_own(old, stack):
    """A kept resource with a fixed name would stand in the way of the next stack, and of this one after going back."""
    for template in (old, stack):
        for name, resource in holding(template).items():
            own = {"TableName", "QueueName", "TopicName", "LogGroupName"} & set(resource["Properties"])
            assert not own, name
