"""The pages for people: every link leads somewhere, and what they show is what the programs print."""

import re
import subprocess
from urllib.parse import unquote

import pytest

from conftest import ROOT

KEEPWATCH = ROOT / "target" / "debug" / "keepwatch"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "infra/*.md", "shared/*/README.md", "tests/**/README.md")
    for page in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COST = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")


def prose(page):
    """The page without code, in which a bracket is no link."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"^    .*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """The anchors that GitHub gives to a page's headings: a repeated one is numbered."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    seen = {}
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        anchor = re.sub(r"[^\w\- ]", "", heading).replace(" ", "-")
        count = seen.get(anchor, 0)
        seen[anchor] = count + 1
        yield f"{anchor}-{count}" if count else anchor


def relative_links(page):
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in links if not re.match(r"[a-z]+:", link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_relative_link_leads_to_a_file_and_a_heading_that_are_there(page):
    for link in relative_links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in set(anchors(target)), link


def test_the_pages_link_to_each_other():
    assert sum(len(relative_links(page)) for page in PAGES) > 300


def test_each_page_of_docs_is_reached_from_the_readme():
    """Through other pages, too."""
    reached, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in relative_links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                queue.append(target)
    assert set((ROOT / "docs").glob("*.md")) <= reached


def month():
    """USD of a quiet month: the sum of the first table of docs/cost.md, which is that of its rows."""
    table = COST.split("\n## ")[0] if "\n## " in COST else COST
    rows = re.findall(r"^\| (.+) \| (\d+\.\d\d) \|$", table.split("| **sum**")[0], re.MULTILINE)
    (total,) = re.findall(r"^\| \*\*sum\*\* \|.*\| \*\*(\d+\.\d\d)\*\* \|$", table, re.MULTILINE)[:1]
    assert len(rows) > 10
    assert round(sum(float(price) for _, price in rows), 2) == float(total)
    return total


def test_a_quiet_month_costs_the_same_on_every_page():
    """docs/cost.md has the sum; whoever names it elsewhere names that."""
    total = month()
    said = r"(\d+\.\d\d)(?:\*\*)? USD a month"
    for name in ("README.md", "docs/never-tried.md", "tools/first_hour.py", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.findall(rf"{said}", text)[:1] == [total], name


def block(page, command):
    """The block of text that stands below a command, without what is left out of it."""
    after = page.split(command, 1)[1]
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", after, re.MULTILINE)
    lines = [" ".join(line.split()) for line in blocks[0].splitlines()]
    return [line for line in lines if line and line != "..."]


def test_the_readme_shows_what_a_replay_of_the_demo_prints():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    done = subprocess.run(
        [KEEPWATCH, "replay", "tests/stories/demo.jsonl"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    printed = [" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()]
    assert block(readme, "the break-in of `make demo`, prints:") == printed
