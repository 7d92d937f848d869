"""The dashboard shows what is really written: metrics of AWS about the stack, and fields that the functions log."""

import json
import re

import pytest
from test_resource_policies import Deployed

from conftest import ROOT

# Free are three dashboards with 50 metrics each (CloudWatch pricing).
MOST_METRICS = 50

# The metrics of AWS's services that are shown, and the dimensions under which each is written (the services' guides:
# "Lambda metrics", "Available CloudWatch metrics for Amazon SQS", "Monitoring Amazon SNS", "Monitoring EventBridge").
WRITTEN = {
    ("AWS/Lambda", ("FunctionName",)): {"Duration", "Errors", "IteratorAge", "Throttles"},
    ("AWS/SQS", ("QueueName",)): {
        "ApproximateAgeOfOldestMessage",
        "ApproximateNumberOfMessagesVisible",
        "NumberOfMessagesDeleted",
        "NumberOfMessagesSent",
    },
    ("AWS/SNS", ("TopicName",)): {
        "NumberOfMessagesPublished",
        "NumberOfNotificationsDelivered",
        "NumberOfNotificationsFailed",
    },
    ("AWS/Events", ("EventBusName", "RuleName")): {"Invocations"},
}

# Which resource of the template a dimension's value must be.
TYPES = {
    "FunctionName": "AWS::Lambda::Function",
    "QueueName": "AWS::SQS::Queue",
    "TopicName": "AWS::SNS::Topic",
    "EventBusName": "AWS::Events::EventBus",
}

# Whose log group is whose.
SOURCES = {"DetectLogs": "detect", "NotifyLogs": "notify", "ScanLogs": "scan"}


@pytest.fixture(scope="module")
def widgets(stack):
    text = stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
    return json.loads(text)["widgets"]


def of(widgets, kind):
    return [widget["properties"] for widget in widgets if widget["type"] == kind]


def metrics(widget):
    """The metrics of a widget, without what is worked out from them, and how each is shown."""
    for metric in widget["metrics"]:
        if isinstance(metric[0], str):
            yield [part for part in metric if isinstance(part, str)]


def test_it_is_one_dashboard_within_the_free_quota(stack, widgets):
    assert len(stack.of_type("AWS::CloudWatch::Dashboard")) == 1
    assert sum(len(widget["metrics"]) for widget in of(widgets, "metric")) <= MOST_METRICS
    places = {(widget["x"], widget["y"]) for widget in widgets}
    assert len(places) == len(widgets)
    # Of this stack's region, wherever it is.
    assert {widget["properties"]["region"] for widget in widgets} == {"${AWS::Region}"}


def test_each_metric_is_written_by_a_resource_of_the_stack(stack, widgets):
    for widget in of(widgets, "metric"):
        for namespace, name, *dimensions in metrics(widget):
            names, values = tuple(dimensions[::2]), dimensions[1::2]
            assert name in WRITTEN[namespace, names], (widget["title"], name)
            for dimension, value in zip(names, values, strict=True):
                if dimension == "RuleName":
                    rules = [
                        rule["Properties"]["Name"]["Fn::Sub"] for rule in stack.of_type("AWS::Events::Rule").values()
                    ]
                    assert value in rules
                    continue
                logical = re.fullmatch(r"\$\{(\w+)(\.\w+)?\}", value)[1]
                assert stack.resources[logical]["Type"] == TYPES[dimension], value


def test_the_home_region_is_shown_beside_the_others(widgets):
    """No metric counts what home's own rules bring: it is what comes into the queue less what forwarders send."""
    (widget,) = [one for one in of(widgets, "metric") if "other regions" in one["title"]]
    shown = {one[-1]["id"]: one for one in widget["metrics"]}
    (home,) = shown["home"]
    assert home["label"] == "this region: ${AWS::Region}"
    assert home["expression"] == "all - FILL(others, 0)"
    assert shown["all"][:4] == ["AWS/SQS", "NumberOfMessagesSent", "QueueName", "${IntakeQueue.QueueName}"]
    assert shown["others"][1] == "Invocations"
    assert "${AWS::StackName}-regions" in shown["others"]
    assert shown["all"][-1]["visible"] is False
    # Both are counts of the same moments.
    assert widget["stat"] == "Sum"


def test_each_question_to_the_logs_names_fields_that_the_function_logs(stack, widgets):
    """A field is called in the log as in the code: `fields.received` is `received =`, or a variable of that name."""
    asked = of(widgets, "log")
    assert len(asked) >= 4
    for widget in asked:
        groups = re.findall(r"SOURCE '\$\{(\w+)\}'", widget["query"])
        assert len(groups) == widget["query"].count("SOURCE")
        code = ""
        for group in groups:
            assert stack.resources[group]["Type"] == "AWS::Logs::LogGroup"
            for source in sorted((ROOT / "functions" / SOURCES[group] / "src").glob("*.rs")):
                code += source.read_text(encoding="utf-8")
        for message in re.findall(r"fields\.message = '([^']*)'", widget["query"]):
            logged = re.search(rf'info!\(((?:(?!info!).)*?)"{re.escape(message)}"\s*\)', code, re.DOTALL)
            assert logged, message
            for field in set(re.findall(r"fields\.(\w+)", widget["query"])) - {"message"}:
                assert re.search(rf"\b{field}\b", logged[1]), (message, field)


def test_a_stack_in_any_region_has_a_dashboard_of_its_own(stack):
    deployed = Deployed(stack)
    name = deployed.resolve(stack.properties("Dashboard")["DashboardName"])
    assert name == f"keepwatch-{deployed.known['AWS::Region']}"
