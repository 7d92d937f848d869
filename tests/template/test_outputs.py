"""What a deployment tells of itself."""

import dataclasses
import re

from samtranslator.yaml_helper import yaml_parse

from conftest import ROOT
from local_cloud import Stack


def test_the_local_cloud_knows_every_output():
    outputs = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))["Outputs"]
    always = {name for name, output in outputs.items() if "Condition" not in output}
    known = {field.name for field in dataclasses.fields(Stack)} - {"name"}
    assert {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in always} == known
