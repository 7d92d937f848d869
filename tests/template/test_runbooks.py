"""Whoever gets an alarm, or a mail of the operations topic, is told which section of docs/operations.md to read.

shared/alert/src/runbook.rs has the same for the mails that `notify` writes."""

import re

import pytest

from conftest import ROOT

DOCS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def sections(heading):
    """The sections under a heading of the page, with their texts."""
    part = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = [section.split("\n", 1) for section in part.split("\n### ")[1:]]
    return dict(found)


ALARMS = sections("Alarms")
MAILS = sections("Mails about Keepwatch itself")


def named(text):
    """The only section that a text names."""
    (section,) = re.findall(r"docs/operations\.md, section (\w+|'[^']+')\.", text)
    return section.strip("'")


def test_each_alarm_names_its_section_and_each_section_is_an_alarms(stack):
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    names = {name: named(alarm["Properties"]["AlarmDescription"]) for name, alarm in alarms.items()}
    assert names == {name: name for name in alarms}
    assert set(ALARMS) == set(alarms)


def test_each_mail_that_needs_no_function_names_a_section(stack):
    rules = stack.of_type("AWS::Events::Rule").values()
    targets = [target for rule in rules for target in rule["Properties"]["Targets"]]
    told = [target for target in targets if target["Arn"] == {"Ref": "OpsTopic"}]
    assert len(told) == 3
    for target in told:
        text = target["InputTransformer"]["InputTemplate"]["Fn::Sub"]
        assert named(text) in MAILS


@pytest.mark.parametrize("text", [*ALARMS.values(), *MAILS.values()], ids=[*ALARMS, *MAILS])
def test_a_section_says_what_it_means_how_to_look_and_how_to_mend(text):
    parts = re.findall(r"^\*\*(.+?)\*\*", text, re.M)
    assert parts == ["What it means.", "Look.", "Mend."]
    for command in re.findall(r"^    (\S+)", text, re.M):
        assert command in ("aws", "keepwatch", "make"), command


def test_what_the_page_links_to_in_itself_is_there():
    headings = re.findall(r"^#+ (.+)$", DOCS, re.M)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = set(re.findall(r"\]\(#([^)]+)\)", DOCS))
    assert links
    assert links <= anchors
