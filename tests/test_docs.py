"""The documents: their code runs, and what they point at is there."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_line_of_the_lesson_runs_and_prints_what_it_says():
    result = doctest.testfile(str(ROOT / "docs/attention.md"), module_relative=False)
    assert result.attempted > 40 and not result.failed


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose)
    absent = [target for target in targets if not (page.parent / target).exists()]
    assert targets and not absent
