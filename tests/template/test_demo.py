"""What the demo shows."""

import itertools

import demo
import pytest

from conftest import ROOT


def event(number, name="PutUserPolicy"):
    identity = {"type": "IAMUser", "userName": "bob"}
    detail = {"eventID": f"event-{number}", "eventName": name, "userIdentity": identity}
    return {"time": "2026-01-01T03:00:00Z", "detail": detail}


def finding(severity, *numbers):
    return {"severity": severity, "events": [{"id": f"event-{number}"} for number in numbers]}


FINDINGS = [finding("LOW", 1), finding("CRITICAL", 1, 2), finding("INFORMATIONAL", 1, 3), finding("MEDIUM", 2)]


@pytest.mark.parametrize("findings", list(itertools.permutations(FINDINGS)))
def test_each_event_shows_the_worst_of_its_findings(findings, capsys):
    story = [event(1), event(2), event(2), event(3), event(4)]
    demo.show_story(story, list(findings))
    shown = [line.split("  ")[-1].strip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["CRITICAL", "CRITICAL", "delivered twice, counted once", "INFORMATIONAL", "-"]


def test_each_thing_to_try_next_is_there():
    """A command of the last lines that make or cargo does not know would be the last thing that a visitor sees."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command, _ in demo.NEXT:
        if command.startswith("make "):
            assert f"\n{command.split()[1]}:" in makefile, command
    assert [command.split()[0] for command, _ in demo.NEXT] == ["make", "cargo", "make"]
