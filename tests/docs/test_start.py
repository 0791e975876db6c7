"""The commands of the pages about start run, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.tests.fixtures.doc_runs import PARTS, run_page


@pytest.mark.documents
@pytest.mark.parametrize("page", PARTS["start"])
def test_they_run(page: str, tmp_path: Path, stock: Path) -> None:
    run_page(page, tmp_path, stock)
