"""The template passes the linters its readers will run, as written and as AWS will see it.

Both, because a linter on the SAM source misses what the transform makes of it: a wrong runtime in Globals, or a
reference to nothing inside a SAM shorthand. Every exception is in template.yaml, on the resource, with its reason.
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

TEMPLATE = ROOT / "template.yaml"
BIN = Path(sys.executable).parent
CFN_LINT = [BIN / "cfn-lint", "--regions", "us-east-1", "--append-rules", "cfn_lint_serverless.rules"]
CFN_LINT += ["--include-checks", "I"]


def run(command, **environment):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ, **environment)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sam_finds_it_valid(tmp_path):
    run(
        [BIN / "sam", "validate", "--template", TEMPLATE, "--region", "us-east-1"],
        SAM_CLI_TELEMETRY="0",
        HOME=str(tmp_path),
    )


def test_cfn_lint_of_the_source():
    run([*CFN_LINT, "--template", TEMPLATE])


@pytest.mark.parametrize("name", ["forwarder.yaml", "forwarder-role.yaml"])
def test_cfn_lint_of_what_stands_in_other_regions(name):
    run([BIN / "cfn-lint", "--regions", "eu-west-1", "ap-south-1", "--template", ROOT / "infra" / name])


def test_cfn_lint_of_what_aws_will_see(stack, tmp_path):
    body = copy.deepcopy(stack.body)
    # The exceptions stand on the function; the transform does not hand them on to the mapping it makes of its event.
    for mapping in ("DetectFunctionIntake", "ScanFunctionRecheck"):
        body["Resources"][mapping]["Metadata"] = body["Resources"]["DetectFunction"]["Metadata"]
    plain = tmp_path / "template.json"
    plain.write_text(json.dumps(body))
    run([*CFN_LINT, "--template", plain])


@pytest.mark.parametrize(
    ("sound", "broken", "code"),
    [
        ("Runtime: provided.al2023", "Runtime: provided.al2099", "E3030"),
        ("Queue: !GetAtt IntakeQueue.Arn", "Queue: !GetAtt NoSuchQueue.Arn", "E1010"),
    ],
)
def test_the_gate_on_the_transformed_template_closes(source, tmp_path, sound, broken, code):
    """The same linter, given mistakes that the source alone hides."""
    from samtranslator.yaml_helper import yaml_parse

    from conftest import Template, translate

    text = TEMPLATE.read_text(encoding="utf-8")
    assert sound in text
    plain = tmp_path / "template.json"
    plain.write_text(json.dumps(translate(Template(yaml_parse(text.replace(sound, broken)))).body))
    done = subprocess.run([*CFN_LINT, "--template", plain], capture_output=True, text=True, check=False)
    assert code in done.stdout


def test_checkov():
    checkov = ROOT / ".tools" / "checkov" / "bin" / "checkov"
    assert checkov.exists(), "checkov is not installed. Run: make lint-template"
    command = [checkov, "--file", TEMPLATE, "--framework", "cloudformation", "--skip-download", "--compact"]
    summary = run([*command, "--output", "json"])
    report = json.loads(summary)
    assert report["summary"]["failed"] == 0
    for check in report["results"]["skipped_checks"]:
        assert len(check["check_result"]["suppress_comment"]) > 20, f"{check['check_id']} is skipped without a reason"


def test_every_suppression_of_cfn_lint_has_its_reason_beside_it():
    lines = TEMPLATE.read_text(encoding="utf-8").splitlines()
    suppressed = [line for i, line in enumerate(lines) if re.search(r"\b[EW]S?\d{4}\b", line.split("#")[0])]
    assert suppressed
    for line in suppressed:
        assert "# " in line, line.strip()
