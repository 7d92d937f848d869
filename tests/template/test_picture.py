"""The picture in the README shows a mail as it is."""

import sys

from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import picture


def test_the_readme_shows_a_mail_as_it_is_sent():
    current = picture.PICTURE.read_text(encoding="utf-8")
    assert current == picture.drawn(), "make picture draws it anew"
    assert "docs/mail.svg" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_stands_in_a_mail_cannot_break_the_picture():
    drawn = picture.svg('<a> & "b"', ["  # <script>", "WHO", "  aws x '<y>'"])
    assert "<script>" not in drawn
    assert "&lt;a&gt; &amp; &quot;b&quot;" in drawn
    assert [picture.kind(line) for line in ["WHO", "  aws x", "  # x", "  By  x"]] == [
        "heading",
        "command",
        "remark",
        "text",
    ]
