"""template.yaml, as written and as AWS will see it after the SAM transform."""

import copy
import json
import os
from pathlib import Path

import pytest
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]


class NoManagedPolicies:
    """The transform asks for AWS's managed policies by name; the template names none."""

    def load(self):
        return {}


class Template:
    """A CloudFormation template and the questions the tests ask of it."""

    def __init__(self, body):
        self.body = body
        self.resources = body["Resources"]

    def heard(self):
        """The rules that hear events for detect; the others are clocks, re-checks, and for the operations topic."""
        rules = self.of_type("AWS::Events::Rule")
        heard = {name: rule for name, rule in rules.items() if "EventPattern" in rule["Properties"]}
        heard = {name: rule for name, rule in heard.items() if name not in self.rechecked()}
        return {name: rule for name, rule in heard.items() if not name.endswith(("TouchedRule", "StoppedRule"))}

    def rechecked(self):
        """The rules that hear what may have changed a check's answer, here and in other regions."""
        return {name: rule for name, rule in self.of_type("AWS::Events::Rule").items() if "Recheck" in name}

    def of_type(self, kind):
        """Resources of a type, by logical id."""
        return {name: r for name, r in self.resources.items() if r["Type"] == kind}

    def properties(self, name):
        return self.resources[name]["Properties"]

    def statements(self, name):
        """Statements of a role's only inline policy, or of a resource policy."""
        properties = self.properties(name)
        if "Policies" in properties:
            (policy,) = properties["Policies"]
        else:
            policy = properties
        return [chosen(statement)[0] for statement in policy["PolicyDocument"]["Statement"]]


def chosen(value):
    """What a value is with a condition met, and without; twice the value where it hangs on none."""
    if isinstance(value, dict) and set(value) == {"Fn::If"}:
        _, met, unmet = value["Fn::If"]
        return met, unmet
    return value, value


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def source():
    """The template as written."""
    return Template(yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8")))


def translate(template):
    """What CloudFormation gets after the SAM transform."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    body = copy.deepcopy(template.body)
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"  # what `sam deploy` makes of the folder
    # Through JSON: the transform works in place and returns its own dictionary types.
    return Template(json.loads(json.dumps(transform(body, {}, NoManagedPolicies()))))


@pytest.fixture(scope="session")
def stack(source):
    """The template after the SAM transform: nothing that SAM adds escapes the tests."""
    return translate(source)
