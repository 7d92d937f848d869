"""What people do to findings through the compiled command line, and what the functions make of it."""

import itertools
import json
import re
import subprocess

import pytest
from people import environment

from events import ADMIN, put_user_policy, unique
from local_cloud import ACCOUNT, play, until

# Formats of `findings list`, and what each object must have.
FORMATS = {"ndjson": "finding_id", "ocsf": "class_uid", "asff": "ProductArn"}


@pytest.fixture
def keepwatch(cloud, stack):
    """Runs the command line as a user of the account; what it prints."""

    def run(*arguments, code=0):
        command = [cloud.binaries / "keepwatch", *arguments]
        done = subprocess.run(
            command, env=environment(cloud, stack), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


def about(name):
    return lambda alert: name in alert.resource


def reason(alert):
    """Why it was sent."""
    return alert["unmapped"]["alert_reason"]


def user(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def alerts_about(mailbox, name):
    return [alert for alert in mailbox.alerts if about(name)(alert)]


def play_until_recorded(cloud, findings, name, times=1):
    """Another event about the user, up to its being counted."""
    play(cloud, put_user_policy(name, ADMIN))
    return until(lambda: [f for f in findings.about(name) if f["occurrences"] == times], f"{name} to be counted")[0]


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def silence(keepwatch, pattern):
    """Suppresses what matches; what the command says, and the suppression's name."""
    chosen = ["--rule", "admin-inline-*", "--resource", pattern]
    said = keepwatch("suppress", "add", *chosen, "--owner", "alice", "--reason", "a test", "--days", "1")
    return said, re.search(r"keepwatch suppress remove (\S+)", said)[1]


def test_what_is_suppressed_is_recorded_and_wakes_when_the_suppression_is_taken_away(
    cloud, mailbox, findings, sweep, keepwatch
):
    prefix, marker = unique("quiet"), unique("marker")
    said, row = silence(keepwatch, user(f"{prefix}-*"))
    assert "No open finding matches it now" in said
    assert sweep()
    announced = mailbox.wait_for(lambda alert: row in alert.text, "the announcement")
    assert "alice: a test" in announced.text

    # Within a minute, says the command: until then `detect` may judge by settings that it read before.
    numbers = itertools.count(1)

    def silent_from_the_start():
        finding = play_until_recorded(cloud, findings, f"{prefix}-{next(numbers)}")
        return finding if finding["status"] == "SUPPRESSED" and finding["alerts_due"] == 0 else None

    finding = until(silent_from_the_start, "the suppression to take effect", deadline=60, pause=2)
    name = finding["resource"].rsplit("/", 1)[1]
    assert "a test" in finding["status_reason"]
    play(cloud, put_user_policy(marker, ADMIN))
    mailbox.wait_for(about(marker), "an event after it")
    assert alerts_about(mailbox, name) == []
    assert name not in keepwatch("findings", "list", "--severity", "medium")
    assert name in keepwatch("findings", "list", "--status", "suppressed", "--format", "ndjson")

    keepwatch("suppress", "remove", row)
    assert sweep()
    mailbox.wait_for(lambda alert: about(name)(alert) and reason(alert) == "suppression ended", "it to wake")
    assert findings.get(finding["finding_id"])["status"] == "NEW"
    keepwatch("suppress", "remove", row, code=2)


def test_what_is_suppressed_while_it_is_open_falls_silent(cloud, mailbox, findings, sweep, keepwatch):
    name = unique("known")
    finding = play_until_recorded(cloud, findings, name)
    mailbox.wait_for(about(name), "the event")
    said, row = silence(keepwatch, user(name))
    assert "It silences 1 open finding" in said
    assert name in said
    assert sweep()
    assert findings.get(finding["finding_id"])["status"] == "SUPPRESSED"
    (listed,) = [s for s in lines(keepwatch("suppress", "list", "--format", "ndjson")) if s["name"] == row]
    assert (listed["state"], listed["owner"]) == ("active", "alice")
    keepwatch("suppress", "remove", row)


def test_settings_go_through_a_file_and_come_back_the_same(cloud, mailbox, sweep, keepwatch, tmp_path):
    """As the operator whom the tables' policies spare, in one transaction, and announced like any other change."""
    name = unique("file")
    _, row = silence(keepwatch, user(name))
    kept, changed = tmp_path / "kept.yaml", tmp_path / "changed.yaml"
    keepwatch("settings", "export", "--output", str(kept))
    assert "Nothing differs." in keepwatch("settings", "apply", str(kept))

    changed.write_text(kept.read_text().replace("reason: a test", f"reason: reviewed {name}"))
    shown = keepwatch("settings", "apply", str(changed), code=1)
    assert f"~ suppression#{row}: reason was a test, is now reviewed {name}" in shown
    assert "Nothing differs." in keepwatch("settings", "apply", str(kept))
    assert "written." in keepwatch("settings", "apply", str(changed), "--yes")
    assert keepwatch("settings", "export") == changed.read_text()
    assert sweep()
    announced = mailbox.wait_for(lambda alert: f"reviewed {name}" in alert.text, "the announcement")
    assert row in announced.text
    keepwatch("suppress", "remove", row)


def test_from_acknowledged_to_resolved_to_back_again(cloud, mailbox, findings, keepwatch):
    name, marker = unique("worked"), unique("marker")
    finding_id = play_until_recorded(cloud, findings, name)["finding_id"]
    mailbox.wait_for(about(name), "the event")
    until(lambda: findings.get(finding_id)["alert_state"] == "SENT", "the finding to say so")
    said = ["--by", "alice", "--note", "asking bob"]
    assert "acknowledged by alice: asking bob" in keepwatch("findings", "ack", finding_id, *said)
    assert play_until_recorded(cloud, findings, name, 2)["status"] == "IN_PROGRESS"
    play(cloud, put_user_policy(marker, ADMIN))
    mailbox.wait_for(about(marker), "an event after the repetition")
    assert len(alerts_about(mailbox, name)) == 1

    short = finding_id.rsplit("-", 1)[1]
    assert "fixed: alice says: asking bob" in keepwatch("findings", "resolve", short, *said)
    resolved = findings.get(finding_id)
    assert (resolved["status"], "expires_at" in resolved) == ("RESOLVED", True)

    # Events have whole seconds; one of the second in which it was resolved is from before that.
    def reopened():
        play(cloud, put_user_policy(name, ADMIN))
        return findings.get(finding_id)["status"] == "NEW"

    until(reopened, "the finding to be reopened", pause=1.1)
    alert = mailbox.wait_for(lambda a: about(name)(a) and reason(a) == "reopened", "the finding to come back")
    assert "again: " in alert.subject


def test_findings_are_listed_and_shown_in_every_format(cloud, findings, keepwatch):
    name = unique("shown")
    finding_id = play_until_recorded(cloud, findings, name)["finding_id"]
    hash_of_it = finding_id.rsplit("-", 1)[1]
    assert hash_of_it in keepwatch("findings", "list", "--severity", "critical", "--rule", "admin-*")
    for format_, key in FORMATS.items():
        listed = lines(keepwatch("findings", "list", "--all", "--format", format_))
        assert len(listed) == len(findings.all(records=True))
        assert all(key in finding for finding in listed)
    for format_, key in [("json", "finding_id"), ("ocsf", "class_uid"), ("asff", "ProductArn")]:
        assert key in json.loads(keepwatch("findings", "show", hash_of_it, "--format", format_))
    text = keepwatch("findings", "show", hash_of_it)
    assert "WHAT TO DO NOW" in text
    assert f"keepwatch findings ack {finding_id}" in text
    (stored,) = [f for f in lines(keepwatch("findings", "list", "--format", "ndjson")) if f["finding_id"] == finding_id]
    assert stored["resource"] == user(name)
