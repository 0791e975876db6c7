"""The page of benchmarks has the tables of what was measured, and its command says what it cannot take."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.tests.fixtures.bench_runs import answers, bench_run, contender
from singleshot.tests.places import ROOT
from singleshot.tools.benchmarks.ledger import read_runs, save_run
from singleshot.tools.benchmarks.runs import BenchRun
from singleshot.tools.benchmarks.tables import BEGIN, END, tables, with_tables

PAGE = ROOT / "docs" / "benchmarks.md"


def looped() -> BenchRun:
    found = []
    for at, one in enumerate((contender(), contender((20, 21, 20, 19, 20), name="peer"))):
        loop = answers((5.0 + 5 * at,) * 5, seed=at)
        found.append(one.model_copy(update={"repetitions": {**one.repetitions, "loop": loop}}))
    return bench_run(*found)


def test_the_page_is_what_was_measured() -> None:
    (run,) = read_runs(PAGE.with_suffix(".json"))
    text = PAGE.read_text(encoding="utf-8")
    assert text == with_tables(text, run), (
        "write it anew: python -m singleshot.tools.benchmarks.tables --page docs/benchmarks.md --as-measured"
    )


def test_tables_stand_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nbehind\n")
    save_run(looped(), page.with_suffix(".json"))
    tables(page, as_measured=True)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\nA processor, 4 cores")
    assert text.endswith(f"{END}\nbehind\n")
    assert "old" not in text
    assert "| a.onnx (1) |" in text
    assert "| peer (2) | 1.99 [1.99, 2.00] times |" in text
    tables(page, as_measured=True)
    assert page.read_text() == text


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        pytest.param("no marks", {}, f"expected {BEGIN} and {END}, got neither or one.", id="no marks"),
        pytest.param(None, {}, "expected a page, got No such file or directory.", id="no page"),
        pytest.param(f"{BEGIN}{END}", {"peer": ["x"]}, "--peer x: expected one of opencv_loop, opencv_dnn", id="peer"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, options: dict[str, list[str]], message: str
) -> None:
    page = tmp_path / "page.md"
    if text is not None:
        page.write_text(text)
    with pytest.raises(SystemExit) as ended:
        tables(page, **options)  # type: ignore[arg-type]
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
