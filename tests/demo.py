"""`make demo`: a break-in, played into a local AWS, and what Keepwatch says of it.

Everything is real but AWS itself: the compiled functions, the template, `sam deploy`. Nothing leaves this machine.
"""

import contextlib
import os
import re
import shutil
import sys
import textwrap
import time

from local_cloud import ACCOUNT, CloudError, LocalCloud, Mailbox, play, until
from local_cloud.endings import end_in_order
from local_cloud.night import delivered, findings_of, furnish, judged, story_of, waiting

COLOURS = {"CRITICAL": "1;31", "HIGH": "31", "MEDIUM": "33", "LOW": "36", "INFORMATIONAL": "2"}
NEXT = [
    ("make local-cloud", "the same cloud, kept up: play this night, list findings, silence one"),
    (
        "cargo run --release -p keepwatch-cli -- replay FOLDER",
        "what it would have told you of your own log",
    ),
    ("make deploy", "put it into your account"),
]
WIDTH = min(shutil.get_terminal_size((100, 24)).columns, 110)
IN_COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if IN_COLOUR and code else text


def heading(text):
    print(f"\n{paint(text, '1')}\n")


@contextlib.contextmanager
def step(doing):
    """One line of progress: what is being done, then how long it took."""
    print(f"  {doing} ".ljust(54, "."), end=" ", flush=True)
    start = time.monotonic()
    yield
    print(f"{time.monotonic() - start:4.1f} s", flush=True)


# --- showing it ---


def who(envelope):
    identity = envelope["detail"].get("userIdentity")
    if identity is None:
        return "AWS"
    if identity["type"] == "Root":
        return "root"
    return identity.get("userName") or identity["sessionContext"]["sessionIssuer"]["userName"]


def what(envelope):
    detail = envelope["detail"]
    name = detail.get("eventName") or detail.get("eventTypeCode") or detail.get("check-name")
    return f"{name} (denied)" if "errorCode" in detail else name


def show_story(story, findings):
    """Each event, and the worst of the findings that it led to."""
    worst_first = list(COLOURS)
    led_to = {}
    for finding in findings:
        for seen in finding.get("events", []):
            led_to.setdefault(seen["id"], []).append(finding["severity"])
    rows = []
    delivered = set()
    for envelope in story:
        detail = envelope["detail"]
        event = detail.get("eventID") or detail["eventArn"]
        again = event in delivered
        delivered.add(event)
        results = [severity for seen, severities in led_to.items() if event in seen for severity in severities]
        result = min(results, key=worst_first.index, default="-")
        note = "delivered twice, counted once" if again else result
        colour = "2" if again else COLOURS.get(result)
        row = [envelope["time"][11:19], what(envelope), who(envelope), detail.get("sourceIPAddress", "-")]
        rows.append((row, note, colour))
    widths = [max(len(row[column]) for row, _, _ in rows) for column in range(4)]
    for row, note, colour in rows:
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
        print(f"  {cells}  {paint(note, colour)}")


def show_mail(alert, number, count):
    """A mail, as a mail client would show it."""
    inner = WIDTH - 4
    severity = COLOURS.get(alert.severity, "")
    print(paint(f"┌─ mail {number} of {count} ".ljust(WIDTH - 1, "─") + "┐", severity))

    def line(text, code=""):
        edge = paint("│", severity)
        print(f"{edge} {paint(text.ljust(inner), code)} {edge}")

    line("From: Keepwatch <no-reply@sns.amazonaws.com>", "2")
    for part in textwrap.wrap(f"Subject: {alert.subject}", inner, subsequent_indent="         "):
        line(part, "1")
    print(paint(f"├{'─' * (WIDTH - 2)}┤", severity))
    for text in alert.text.rstrip().splitlines():
        indent = re.match(r" *", text).group()
        parts = textwrap.wrap(
            text, inner, subsequent_indent=f"{indent}  ", drop_whitespace=True, break_on_hyphens=False
        )
        for part in parts or [""]:
            line(part, "1" if re.fullmatch(r"[A-Z][A-Z ?]+", text) else "")
    print(paint(f"└{'─' * (WIDTH - 2)}┘", severity) + "\n")


def show_findings(findings):
    """The table a person would read, cells wrapped to the terminal."""
    order = list(COLOURS)
    findings.sort(key=lambda finding: (order.index(finding["severity"]), finding["first_seen"]))
    titles = ["SEVERITY", "STATUS", "WHAT", "RESOURCE", "FIRST SEEN", "TIMES"]
    rows = [
        [
            finding["severity"],
            finding["status"],
            finding["title"],
            finding["resource"].replace(f"arn:aws:iam::{ACCOUNT}:", ""),
            str(finding["first_seen"])[11:19],
            str(finding["occurrences"]),
        ]
        for finding in findings
    ]
    fixed = {0: 8, 1: 10, 4: 10, 5: 5}
    fixed[0] = max(len(row[0]) for row in [titles, *rows])
    room = WIDTH - 2 - sum(fixed.values()) - 2 * (len(titles) - 1)
    resource = min(max(len(row[3]) for row in [titles, *rows]), max(room // 3, 20))
    widths = [fixed[0], fixed[1], room - resource, resource, fixed[4], fixed[5]]
    print("  " + paint("  ".join(title.ljust(width) for title, width in zip(titles, widths)), "1"))
    for row in rows:
        cells = [textwrap.wrap(cell, width) or [""] for cell, width in zip(row, widths)]
        for i in range(max(map(len, cells))):
            texts = [cell[i] if i < len(cell) else "" for cell in cells]
            padded = [text.ljust(width) for text, width in zip(texts, widths)]
            padded[0] = paint(padded[0], COLOURS.get(row[0]))
            print(("  " + "  ".join(padded)).rstrip())


def main():
    began = time.monotonic()
    heading("Keepwatch: one night in an AWS account. Everything stays on this machine.")
    with contextlib.ExitStack() as stack_of:
        cloud = LocalCloud()
        with step("starting a local AWS"):
            stack_of.enter_context(cloud)
        with step("deploying template.yaml with sam deploy"):
            stack = cloud.deploy()
        mailbox = Mailbox(cloud, stack.alert_topic)
        story = story_of(furnish(cloud))
        played = []
        with step(f"playing {len(story)} recorded events"):
            for envelope in story:
                played.append(time.time())
                play(cloud, envelope)
                # One after the other, as it happened: a night has minutes between them.
                until(lambda: judged(cloud, stack), "an event to be judged", pause=0.05)
        with step("fetching the mails"):
            until(lambda: delivered(cloud, stack, mailbox), "the mails")
        findings = findings_of(cloud, stack)

        heading("The night (times in UTC): what happened, by whom, from where, and how bad Keepwatch finds it")
        show_story(story, findings)
        heading(f"Your mailbox: {len(mailbox.alerts)} mails, wrapped to this width; in a mail each command is one line")
        for number, alert in enumerate(mailbox.alerts, 1):
            show_mail(alert, number, len(mailbox.alerts))
        heading("The findings table")
        show_findings(findings)
        left = waiting(cloud, stack.dead_letter_queue)
        # A mail answers the last event before it.
        times = [alert.arrived - max(t for t in played if t <= alert.arrived) for alert in mailbox.alerts]
    total = time.monotonic() - began
    heading(
        f"{len(story)} events became {len(findings)} findings and {len(times)} mails, "
        f"each sent within {max(times):.1f} s of its event."
    )
    print(f"  Dead letters: {left}. The whole demo took {total:.0f} s, and all it started is stopped.")
    print("  What to try next:\n")
    for command, what in NEXT:
        print(f"    {command:<{max(len(command) for command, _ in NEXT)}}  {what}")
    print()


if __name__ == "__main__":
    end_in_order()
    try:
        main()
    except (AssertionError, CloudError) as error:
        sys.exit(f"\n\ndemo: {error}")
