"""The script for whoever has an account: what it says, and that its grant never outlives it."""

import re
import sys
from argparse import Namespace

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import first_hour

NAMES = [step.name for step in first_hour.STEPS]


class Account:
    """Stands for AWS and the shell: writes down what is asked, and fails where it is told to."""

    def __init__(self, fails=None):
        self.fails = fails
        self.asked = []
        self.findings = []

    def client(self, service, region):
        account = self

        class Client:
            def __getattr__(self, name):
                return lambda **request: account.answer(name, request)

        return Client()

    def answer(self, name, request):
        self.asked.append((name, request))
        if name == self.fails:
            raise first_hour.FailedError("refused")
        return {"Arn": "arn:aws:iam::111122223333:user/alice"}

    def names(self):
        return [name for name, _ in self.asked]


def hour(monkeypatch, account):
    given = Namespace(stack="keepwatch", region="us-east-1", keepwatch=None, boundary=None, wait=0, pause=0)
    made = first_hour.Hour(given)
    monkeypatch.setattr(first_hour, "client", account.client)

    def command(*command, quiet=False):
        words = " ".join(str(word) for word in command)
        account.asked.append((words, {}))
        return "", 1 if account.fails and account.fails in words else 0

    monkeypatch.setattr(made, "command", command)
    monkeypatch.setattr(made, "confirm", lambda: None)
    state = {"policy": lambda: made.has_policy}

    def finding():
        status = "NEW" if state["policy"]() else "RESOLVED"
        return {"alert_state": "SENT", "status": status, "severity": "CRITICAL", "finding_id": "x", "title": "x"}

    monkeypatch.setattr(made, "finding", finding)
    return made


def test_a_dry_run_tells_each_step_with_its_price_and_does_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["first_hour.py", "--dry-run"])
    monkeypatch.setattr(first_hour, "client", None)
    monkeypatch.setattr(first_hour.subprocess, "run", None)
    assert first_hour.main() == 0
    printed = capsys.readouterr().out
    for step in first_hour.STEPS:
        assert f"] {step.name}\n  does:  {step.does}\n  costs: {step.costs}\n" in printed


def test_each_step_is_something_that_the_script_can_do():
    for name in NAMES:
        assert callable(getattr(first_hour.Hour, name.replace("-", "_")))


def test_the_whole_hour_leaves_nothing_behind(monkeypatch):
    account = Account()
    assert first_hour.run(hour(monkeypatch, account), first_hour.STEPS) == 0
    calls = [name for name in account.names() if name.startswith(("create", "put", "delete"))]
    assert calls == ["create_user", "put_user_policy", "delete_user_policy", "delete_user"]
    assert account.names()[-1] == "make undeploy EVERYTHING=yes"


def test_nobody_can_use_the_grant(monkeypatch):
    """No password and no key is ever made, and the boundary stands before the policy does."""
    account = Account()
    first_hour.run(hour(monkeypatch, account), first_hour.chosen(["grant"]))
    (made,) = [request for name, request in account.asked if name == "create_user"]
    assert made["PermissionsBoundary"] == "arn:aws:iam::aws:policy/AWSDenyAll"
    assert not {"create_access_key", "create_login_profile"} & set(account.names())


@pytest.mark.parametrize("fails", ["put_user_policy", "make deploy", "doctor", "test-alert", "make undeploy"])
def test_a_step_that_fails_is_told_and_the_grant_does_not_stay(monkeypatch, capsys, fails):
    account = Account(fails)
    assert first_hour.run(hour(monkeypatch, account), first_hour.STEPS) == 1
    assert "FAILED" in capsys.readouterr().out
    made, gone = (account.names().count(name) for name in ("create_user", "delete_user"))
    assert made == gone
    assert ("delete_user_policy" in account.names()) == (made == 1 and fails != "put_user_policy")


def test_a_finding_that_never_comes_is_a_failure_and_the_grant_does_not_stay(monkeypatch, capsys):
    account = Account()
    made = hour(monkeypatch, account)
    monkeypatch.setattr(made, "finding", lambda: None)
    monkeypatch.setattr(made.given, "wait", -1)
    assert first_hour.run(made, first_hour.chosen(["told"])) == 1
    printed = capsys.readouterr().out
    assert "there still is not the finding, and its mail is published" in printed
    assert account.names().count("delete_user") == 1


def test_the_steps_of_the_grant_go_together():
    assert tuple(step.name for step in first_hour.chosen(["undo"])) == first_hour.GRANTED
    assert [step.name for step in first_hour.chosen(["doctor"])] == ["doctor"]
    assert [step.name for step in first_hour.chosen([])] == NAMES
    with pytest.raises(SystemExit, match="there is no step"):
        first_hour.chosen(["undeploy"])


NEVER_TRIED = ROOT / "docs" / "never-tried.md"


def test_what_says_that_it_was_never_tried_is_on_the_one_list():
    """Whoever reads of it there finds the whole list, and the list names the place."""
    documents = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
    untried = re.compile(r"(nothing|none|never)\b[^.]{0,40}\btried\b", re.IGNORECASE)
    saying = [document for document in documents if untried.search(document.read_text(encoding="utf-8"))]
    listed = NEVER_TRIED.read_text(encoding="utf-8")
    assert len(saying) > 5
    for document in saying:
        if document != NEVER_TRIED:
            assert "never-tried.md" in document.read_text(encoding="utf-8"), document.name
            assert document.name in listed, document.name


def test_the_list_is_numbered_and_names_only_steps_that_there_are():
    rows = re.findall(r"^\| (\d+) \|.*\| ([^|]+) \|$", NEVER_TRIED.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    for number, seen in rows:
        if not seen.startswith(("no", "only", "after")):
            steps = re.findall(r"`([a-z-]+)`", seen)
            assert steps, number
            assert set(steps) <= set(NAMES), number
