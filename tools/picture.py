"""Draws the mail that the README shows, from the text that the tests hold every mail to: `make picture`."""

import sys
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAIL = ROOT / "shared/alert/src/tests/snapshots/admin-inline-policy.snap"
PICTURE = ROOT / "docs/mail.svg"

# Nobody reads further in a picture.
LAST_LINE = "aws iam delete-user-policy"
WIDTH, MARGIN, LINE, HEADER = 760, 24, 18, 64


def mail(snapshot: str) -> tuple[str, list[str]]:
    """Subject and lines of a snapshot, up to the command that takes the grant away."""
    text = snapshot.split("---\n", 2)[2]
    subject, body = text.split("\n\n", 1)
    lines = body.splitlines()
    end = next(number for number, line in enumerate(lines) if LAST_LINE in line)
    return subject.removeprefix("Subject: "), [*lines[: end + 1], "  ..."]


def kind(line: str) -> str:
    """How a line is drawn: headings, commands, remarks on commands, and the rest."""
    if line.isupper():
        return "heading"
    if line.startswith("  aws "):
        return "command"
    return "remark" if line.startswith("  # ") else "text"


def svg(subject: str, lines: list[str]) -> str:
    """The mail as a picture."""
    height = HEADER + MARGIN + LINE * len(lines) + MARGIN // 2
    label = escape(f"A mail of Keepwatch: {subject}", quote=True)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' role="img" aria-label="{label}">',
        "<style>text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:pre;fill:#1f2328}"
        ".subject{font:600 14px system-ui,sans-serif;fill:#b42318}.from{font:12px system-ui,sans-serif;fill:#59636e}"
        ".heading{font-weight:700}.command{fill:#0550ae}.remark{fill:#59636e}</style>",
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="#fff" stroke="#d1d9e0"/>',
        f'<path d="M0 {HEADER}H{WIDTH}" stroke="#d1d9e0"/>',
        f'<text class="subject" x="{MARGIN}" y="28">{escape(subject)}</text>',
        f'<text class="from" x="{MARGIN}" y="48">keepwatch-alerts, by Amazon SNS</text>',
    ]
    for number, line in enumerate(lines):
        y = HEADER + MARGIN + LINE * number
        if line:
            out.append(f'<text class="{kind(line)}" x="{MARGIN}" y="{y}">{escape(line)}</text>')
    return "\n".join([*out, "</svg>", ""])


def drawn() -> str:
    """What the picture must be."""
    return svg(*mail(MAIL.read_text(encoding="utf-8")))


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: written\n")
