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


def months():
    """USD of a quiet month, with the free quotas and without: the sums of the first two tables of docs/cost.md."""
    sums = []
    for table in COST.split("\n## ")[:2]:
        rows, total = re.search(r"(?s)\|---.*?\n(.*)\n\| \*\*sum\*\* \| \| \*\*(\d+\.\d\d)\*\* \|", table).groups()
        prices = [float(row.rsplit("|", 2)[1]) for row in rows.splitlines()]
        assert len(prices) > 5
        assert f"{sum(prices):.2f}" == total
        sums.append(total)
    return sums


def test_a_month_costs_the_same_on_every_page():
    """docs/cost.md has the sums; whoever names one elsewhere names that."""
    free, without = months()
    said = rf"\b{re.escape(free)}(?:\*\*)? USD a month"
    for name in ("README.md", "docs/never-tried.md", "tools/first_hour.py", "CHANGELOG.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert re.search(said, text), name
    for name in ("README.md", "docs/never-tried.md"):
        assert without in (ROOT / name).read_text(encoding="utf-8"), name


def test_the_pages_say_how_many_calls_are_read_from_the_event_history():
    source = (ROOT / "shared/core/src/history/decisive.rs").read_text(encoding="utf-8")
    calls = source.split("pub const CALLS")[1].split("\n];")[0]
    count = len(re.findall(r'"[A-Za-z0-9]+"', calls))
    assert count > 30
    for name in ("SECURITY.md", "CHANGELOG.md", "docs/architecture.md", "docs/glossary.md"):
        assert re.search(rf"\b{count}\s+calls\b", (ROOT / name).read_text(encoding="utf-8")), name


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
