"""The command line on a terminal: colours there and only there, and cards where the window is narrow."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest

from local_cloud import ROOT

KEEPWATCH = ROOT / "target" / "debug" / "keepwatch"
EVENTS = ROOT / "cli" / "tests" / "fixtures" / "events.jsonl"
STATE = ROOT / "shared" / "checks" / "src" / "testing" / "state.json"
SCAN = ("scan", "--state", STATE)
DETECTIONS = ("replay", "--detections", EVENTS)
# What else decides about colours and width: with CI set, a dumb terminal has colours.
SAY_MORE = ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI", "COLUMNS")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(*arguments, columns=120, **environment):
    """What a command prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    plain = {name: value for name, value in os.environ.items() if name not in SAY_MORE}
    run = subprocess.Popen(
        [KEEPWATCH, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=plain | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        printed += part
    run.wait(timeout=30)
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def in_pipe(*arguments):
    return subprocess.run([KEEPWATCH, *arguments], capture_output=True, text=True, timeout=60).stdout


def test_colours_are_for_terminals_and_for_who_wants_them():
    assert COLOUR.search(on_terminal("replay", EVENTS))
    assert not COLOUR.search(on_terminal("replay", EVENTS, NO_COLOR="1"))
    assert not COLOUR.search(on_terminal("replay", EVENTS, TERM="dumb"))
    assert not COLOUR.search(in_pipe("replay", EVENTS))


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", EVENTS),
        ("replay", "--all", EVENTS),
        DETECTIONS,
        SCAN,
        ("rules", "list"),
        ("checks", "list"),
    ],
)
@pytest.mark.parametrize("columns", [60, 99, 100, 160])
def test_nothing_is_wider_than_the_window(arguments, columns):
    text = COLOUR.sub("", on_terminal(*arguments, columns=columns))
    assert text
    # A command is copied, and what has no space cannot be broken at one.
    wide = [line for line in text.splitlines() if len(line) > columns]
    assert [line for line in wide if "keepwatch " not in line and max(map(len, line.split())) < columns / 2] == []


@pytest.mark.parametrize("arguments", [SCAN, DETECTIONS, ("checks", "list")])
def test_below_a_hundred_columns_a_row_is_a_card(arguments):
    labels = ("  WHAT", "  EVENT")
    assert any(line.startswith(labels) for line in on_terminal(*arguments, columns=99).splitlines())
    wide = on_terminal(*arguments, columns=100).splitlines()
    assert not any(line.startswith(labels) for line in wide)


@pytest.mark.parametrize("arguments", [SCAN, DETECTIONS, ("rules", "list")])
def test_a_pipe_gets_a_line_for_each_row(arguments):
    lines = in_pipe(*arguments).splitlines()
    columns = lines[0].count("\t")
    assert columns >= 3
    rows = lines[: lines.index("")] if "" in lines else [line for line in lines if "\t" in line]
    assert {row.count("\t") for row in rows} == {columns}
    assert not any(row.endswith(" ") for row in rows)
