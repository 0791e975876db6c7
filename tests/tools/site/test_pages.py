"""Pages are gathered with links that lead to pages, and every page stands in the navigation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from singleshot.tests.places import ROOT
from singleshot.tools.site.pages import gather_pages, with_links


def test_pages_of_the_root_and_of_docs_are_gathered(tmp_path: Path) -> None:
    gather_pages(ROOT, tmp_path / "pages")
    assert "(docs/" not in (tmp_path / "pages" / "index.md").read_text(encoding="utf-8")
    assert (tmp_path / "pages" / "detections.jpg").is_file()
    assert "## handover" in (tmp_path / "pages" / "commands.md").read_text(encoding="utf-8")
    assert not (tmp_path / "pages" / "paper-results" / "runs").exists()


def test_every_page_stands_in_the_navigation_once(tmp_path: Path) -> None:
    gather_pages(ROOT, tmp_path / "pages")
    named = re.findall(r"[\w-]+\.md$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (tmp_path / "pages").glob("*.md"))


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        pytest.param("[a](docs/data.md#yolo)", ".", "[a](data.md#yolo)", id="from the root to docs"),
        pytest.param("[a](../CHANGELOG.md)", "docs", "[a](changelog.md)", id="from docs to the root"),
        pytest.param("[a](engines.md)", "docs", "[a](engines.md)", id="within docs"),
        pytest.param("[a](https://example.org/a.md)", "docs", "[a](https://example.org/a.md)", id="elsewhere"),
        pytest.param("![a](docs/longer.png)", ".", "![a](longer.png)", id="a picture"),
    ],
)
def test_links_lead_to_pages(text: str, place: str, expected: str) -> None:
    assert with_links(text, ROOT, Path(place), "page.md") == expected


def test_a_link_to_a_file_that_is_no_page_is_named() -> None:
    with pytest.raises(ValueError, match=r"page\.md: links to \.\./Makefile, which is no page of the site"):
        with_links("[a](../Makefile)", ROOT, Path("docs"), "page.md")


@pytest.mark.slow
def test_the_site_is_built_strictly_and_loads_nothing_from_elsewhere() -> None:
    done = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / "site" / "index.html").is_file()
