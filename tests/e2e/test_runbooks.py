"""Each command of the runbooks in docs/operations.md is one that works, tried where the local cloud has the service.

They are gone through in the order of the page, so that what one stops another starts."""

import re
import subprocess

import pytest
from botocore.exceptions import ClientError
from people import environment
from test_works import aws, well  # noqa: F401 (a fixture)

from local_cloud import REGION, ROOT

DOCS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PART = DOCS.split("\n## Alarms\n")[1].split("\n## What is not tested\n")[0]
COMMANDS = list(dict.fromkeys(re.findall(r"^    ((?:aws|keepwatch|make) .+)$", PART, re.M)))
CALLS = [command for command in COMMANDS if command.startswith("aws ")]
OWN = [command for command in COMMANDS if command.startswith("keepwatch ")]

# What the local cloud has not, or not in these tests. botocore holds them against AWS's models all the same.
NOT_HERE = ("aws securityhub", "aws sns confirm-subscription", "aws cloudformation describe-stacks --region")


@pytest.fixture(scope="module")
def filled(cloud, stack, well):  # noqa: F811
    """What stands for the words in capitals."""
    mapping = cloud.client("lambda").list_event_source_mappings(FunctionName=stack.detect_function)
    described = cloud.client("cloudformation").describe_stack_resource(
        StackName=stack.name, LogicalResourceId="DetectLogs"
    )
    group = described["StackResourceDetail"]["PhysicalResourceId"]
    words = {
        "QUEUE": stack.intake_queue,
        "TOPIC": stack.alert_topic,
        "GROUP": group,
        "UUID": mapping["EventSourceMappings"][0]["UUID"],
        "ADDRESS": "somebody@example.com",
        "TRAIL": well,
        "TABLE": stack.findings_table,
        "REGION": REGION,
        "EVENT": "7b9d1a52-0d3c-4f0e-9b9c-1f1e2d3c4b5a",
        "TOKEN": "2336412f37fb687f5d51e6e241d09c805a5a57b30d712f794cc5f6a988666d92",
    }

    def fill(command):
        return re.sub(r"\b[A-Z]{4,}\b", lambda word: words.get(word[0], word[0]), command)

    return fill


def test_the_page_has_the_commands():
    assert len(CALLS) > 20
    assert len(OWN) > 8


@pytest.mark.parametrize("command", CALLS)
def test_a_call_of_aws_works(cloud, stack, filled, command):
    if command.startswith(NOT_HERE):
        with pytest.raises(ClientError):
            aws(cloud, filled(command))
        return
    aws(cloud, filled(command))


@pytest.mark.parametrize("command", OWN)
def test_a_command_of_keepwatch_is_understood(cloud, stack, command):
    """What it does, others test; here it must be taken, and not be wrong use (exit code 2)."""
    words = command.replace("REGION", REGION).replace("'", "").split()[1:]
    if words[0] in ("test-alert", "scan"):
        words.append("--help")
    done = subprocess.run(
        [cloud.binaries / "keepwatch", *words],
        env=environment(cloud, stack),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
