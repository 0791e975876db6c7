"""Each public family's stand-in is adapted with the options of its row, and the table is put where it belongs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from singleshot.runtime.errors import InputError
from singleshot.runtime.session import open_session
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tools.families import table
from singleshot.tools.families.families import FAMILIES, NAMES, Family
from singleshot.tools.families.net import save
from singleshot.tools.families.styles import CLASSES
from singleshot.tools.families.styles import NAMES as CLASS_NAMES

QUICK = ("YOLOX", "RF-DETR", "PicoDet")
"""Of each kind one: the others are slow together."""


def adapted(family: Family, folder: Path) -> None:
    (folder / "names.txt").write_text("\n".join(CLASS_NAMES))
    options = [text for name in family.options for text in ([name, folder / "names.txt"] if name == NAMES else [name])]
    out = folder / "adapted.onnx"
    done = run_verb("adapt", save(family.make(), folder / "foreign.onnx"), *options, "-o", out)
    assert done.exit_code == 0, done.stderr
    with open_session(out) as session:
        assert session.card.class_names == CLASS_NAMES
    (matched,) = (line.split()[-1] for line in done.stderr.splitlines() if "detections matched" in line)
    assert int(matched) > 100


def test_there_are_at_least_25() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) >= 25
    assert len(CLASS_NAMES) == CLASSES


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.name in QUICK], ids=lambda family: family.name
)
def test_a_few(family: Family, tmp_path: Path) -> None:
    adapted(family, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", [family for family in FAMILIES if family.name not in QUICK], ids=lambda family: family.name
)
def test_the_others(family: Family, tmp_path: Path) -> None:
    adapted(family, tmp_path)


def test_same_weights_each_time(tmp_path: Path) -> None:
    first, second = (save(FAMILIES[0].make(), tmp_path / f"{place}.onnx").read_bytes() for place in range(2))
    assert first == second


def test_table_goes_between_its_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    monkeypatch.setattr(table, "rows", lambda *_: iter([("YOLOX", "rows", "none", "3 alike", "0.1", "0.2", "1 MB")]))
    table.main(images=tmp_path, page=page)
    assert page.read_text() == (
        f"before\n{table.BEGIN}\n| detectors | what they put out | options | proved | fp16 | int8 | RTX |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        f"| YOLOX | rows | none | 3 alike | 0.1 | 0.2 | 1 MB |\n{table.END}\nafter\n"
    )


def test_page_without_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing\n")
    with pytest.raises(InputError, match=r"page.md: expected <!-- families: begin --> and .*, got neither or one\."):
        table.put_into(page, "table")


@pytest.mark.parametrize(
    ("exit_code", "text", "expected"),
    [
        pytest.param(0, "fp16 0.002 and more", "0.002", id="a figure"),
        pytest.param(0, "nothing", "yes", id="none"),
        pytest.param(1, "fp16 0.002", "refused", id="a refusal"),
    ],
)
def test_figures(exit_code: int, text: str, expected: str) -> None:
    assert table.Outcome(exit_code=exit_code, text=text).figure(r"fp16 (\d\.\d+)", "{}") == expected


def test_row_of_a_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What verbs say becomes figures; verbs themselves have tests of their own."""
    said = {
        "adapt": "proof     detections matched     12\n",
        "quantize": "disagreement ...: minmax 0.166, fp16 0.002\n",
        "build": "x.engine: 1.5 MB, fp16\n",
    }

    class Runner(CliRunner):
        def invoke(self, _: object, args: list[str], **__: object) -> object:  # type: ignore[override]
            return type("Result", (), {"exit_code": 0, "stdout": said[args[0]], "stderr": ""})

    monkeypatch.setattr(table, "CliRunner", Runner)
    monkeypatch.setattr(table, "FAMILIES", FAMILIES[1:2])
    from rich.console import Console

    (row,) = table.rows(tmp_path, None, Console(quiet=True))
    assert row == ("YOLOv5", "`[1, D, 5 + C]`", "`--names`", "12 alike", "0.002", "0.166", "1.5 MB")
