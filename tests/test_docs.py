"""Documents: tests, files and headings that they name exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    ROOT / "cluster" / "README.md",
    ROOT / "benchmarks" / "README.md",
]
EVERY_PAGE = pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def quoted(page):
    return set(re.findall(r"`([^`\n]+)`", FENCED.sub("", page.read_text(encoding="utf-8"))))


def anchors(page):
    """Anchors of a page: its headings', as GitHub makes them, and those that it sets itself."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    titles = [re.sub(r"<.*?>", "", line).strip("# ").lower() for line in text.splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles} | set(
        re.findall(r'<a id="(.+?)">', text)
    )


@pytest.fixture(scope="module")
def tests():
    files = (ROOT / "tests").rglob("*.py")
    return {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text(encoding="utf-8"))}


@EVERY_PAGE
def test_tests_that_a_page_names_exist(page, tests):
    named = {text.removesuffix("…") for text in quoted(page) if re.fullmatch(r"test_\w+…?", text)}
    assert {name for name in named if not any(test.startswith(name) for test in tests)} == set()


@EVERY_PAGE
def test_files_that_a_page_names_exist(page):
    named = {text for text in quoted(page) if re.fullmatch(r"(tests|benchmarks|tools|jobs)/[\w/]+\.(py|md)", text)}
    assert {
        name for name in named if not (ROOT / name).exists() and not (ROOT / "lipsync_ray" / name).exists()
    } == set()


@EVERY_PAGE
def test_headings_that_a_page_links_to_exist(page):
    text = page.read_text(encoding="utf-8")
    links = set(re.findall(r"\]\(([^)#:]*\.md|)#([^)]+)\)", text))
    missing = {link for link in links if link[1] not in anchors(page.parent / link[0] if link[0] else page)}
    assert missing == set()
