"""`singleshot check-data` and `singleshot convert-data`, on five real images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.parsed_page import ParsedPage
from singleshot.tests.places import VOC_ROOT
from singleshot.tools.pages.data_tables import interval_names


def test_tables_fit_a_terminal_and_say_what_is_there() -> None:
    result = run_verb("check-data", VOC_ROOT, "--split", "trainval", columns=80)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "voc layout: VOC2012"
    assert "trainval: 5 images" in result.stdout
    row = next(line.split() for line in lines if line.split()[:1] == ["person"])
    assert row[:-1] == ["person", "4", "2", "0", "0", "2", "2", "0", "0"]
    assert "…" not in result.stdout, "nothing is cut off at 80 columns"
    assert "suspicious: 1 boxes over 98% or more of their image: 2010_002531" in lines
    assert "0 groups of images with nearly the same picture, 0 across splits" in lines


def test_json_is_all_there_is_on_stdout() -> None:
    result = run_verb("check-data", VOC_ROOT, "--split", "seeded-val", "--seed", 1, "--classes", "dog,person", "--json")
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert (written["layout"], written["name"], written["seed"]) == ("voc", "VOC2012", 1)
    assert list(written["splits"]) == ["seeded-val"] == list(written["default_boxes"])
    assert written["default_boxes"]["seeded-val"]["network"] == "ssd_lite0"
    assert written["report"]["images"] == written["splits"]["seeded-val"]["images"] == 1


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    result = run_verb("check-data", VOC_ROOT, "--html", path)
    assert result.exit_code == 0, result.stderr
    page = ParsedPage(path.read_text(encoding="utf-8"))
    assert len(page.pictures) >= 10
    assert len(page.figures) == 4 * 3, "four plots for each of three splits"
    assert "Suspicious: 1 boxes over 98% or more of their image: 2010_002531" in page.text


@pytest.mark.slow
def test_fitted_default_boxes_match_no_fewer_objects(tmp_path: Path) -> None:
    arguments = (VOC_ROOT, "--split", "train", "--split", "val", "--fit-default-boxes")
    told = json.loads(run_verb("check-data", *arguments, "--json").stdout)
    fitted = told["fitted_default_boxes"]
    assert (fitted["split"], list(fitted["splits"])) == ("train", ["train", "val"])
    assert fitted["splits"]["train"]["share"] >= told["default_boxes"]["train"]["share"]
    assert len(fitted["scales"]) == len(fitted["aspect_ratios"]) + 1
    page = tmp_path / "page.html"
    shown = run_verb("check-data", *arguments, "--html", page)
    scales = ", ".join(f"{scale:g}" for scale in fitted["scales"])
    for text in (shown.stdout, ParsedPage(page.read_text(encoding="utf-8")).text):
        assert f"default boxes fitted to train: scales {scales}" in text
        assert "train: matched at IoU 0.5, with the network's own boxes and with the fitted ones" in text
        assert " all: " in text


def test_the_sheet_shows_images_as_trained_on(tmp_path: Path) -> None:
    sheet, page, config = tmp_path / "sheet.png", tmp_path / "page.html", tmp_path / "config.toml"
    config.write_text("[augmentation]\ncrop = false\nexpansion = 0\ncolour = 0\nhorizontal_flip = 1\n")
    arguments = ["--split", "trainval", "--show-augmented", sheet, "--config", config, "--html", page]
    result = run_verb("check-data", VOC_ROOT, *arguments)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.splitlines()[-2:] == [f"{sheet}: written", f"{page}: written"]
    assert "As trained on" in page.read_text(encoding="utf-8")
    image = np.asarray(cv2.imread(str(sheet)))
    assert image.shape == (5 * 184, 7 * 184, 3)  # five images, each plain and in six epochs
    plain, *seen = (image[:180, left : left + 180].astype(int) for left in range(0, 7 * 184, 184))
    for mirrored in seen:  # boxes are drawn on whole pixels: their edges may be one pixel apart
        assert np.median(np.abs(mirrored[:, ::-1] - plain)) <= 1
    orange = (np.abs(image.astype(int) - [0, 140, 255]).max(axis=2) == 0).mean()
    assert orange > 0.01


def test_names_are_written_as_text_into_the_page(tmp_path: Path) -> None:
    first = tmp_path / "<i>first & foremost's"
    assert run_verb("convert-data", VOC_ROOT, "--to", "csv", "-o", first).exit_code == 0
    (first / "classes.txt").unlink()
    for path in first.glob("*.csv"):
        path.write_text(path.read_text().replace(",dog,", ",<b>dog's & $x^</b>,"))
    path = tmp_path / "page.html"
    result = run_verb("check-data", first, "--html", path)
    assert result.exit_code == 0, result.stderr
    page = ParsedPage(path.read_text(encoding="utf-8"))
    assert page.title == first.name
    assert {"i", "b"}.isdisjoint(page.tags)
    assert "<b>dog's & $x^</b>" in page.figure_texts
    assert any(caption.endswith(": <b>dog's & $x^</b>") for caption in page.pictures)


def test_a_page_without_matplotlib_is_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run_verb("check-data", VOC_ROOT, "--html", tmp_path / "page.html")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: --html needs the package 'matplotlib', which is not installed. "
        "pip install 'singleshot[pages]' brings it.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["--split", "tset"], "error: tset: expected a split of VOC2012, one of train,", id="no such split"
        ),
        pytest.param(["--network", "yolo"], "error: yolo: expected a network, one of", id="no such network"),
        pytest.param(
            ["--show-augmented", "sheet.none"], "error: sheet.none: expected a picture to write", id="no such picture"
        ),
        pytest.param(
            ["--html", "page.txt"], "error: page.txt: expected a name that ends in .html, got .txt.", id="no page"
        ),
        pytest.param(
            ["--config", "none.toml"], "error: --config: expected with --show-augmented", id="settings of nothing"
        ),
        pytest.param(
            ["--show-augmented", "a.png", "--config", "none.toml"],
            "error: none.toml: expected a TOML file of settings",
            id="no such settings",
        ),
    ],
)
def test_wrong_options_are_one_line(arguments: list[str], message: str) -> None:
    result = run_verb("check-data", VOC_ROOT, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(message)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        pytest.param(["=train"], "error: --split: expected NAME or NAME=NEW, got =train.", id="no name"),
        pytest.param(["train="], "error: --split: expected NAME or NAME=NEW, got train=.", id="no new name"),
        pytest.param(
            ["train", "seeded-train"],
            "error: --split: expected a name of its own for each, got train, train.",
            id="twice",
        ),
    ],
)
def test_splits_are_named_each_once(tmp_path: Path, splits: list[str], message: str) -> None:
    options = [word for split in splits for word in ("--split", split)]
    result = run_verb("convert-data", VOC_ROOT, "--to", "csv", "-o", tmp_path / "out", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_several_folders_are_converted_to_one(tmp_path: Path) -> None:
    options = ("--split", "seeded-train", "--split", "seeded-val", "--rename", "dog=animal")
    result = run_verb("convert-data", VOC_ROOT, VOC_ROOT, "--to", "yolo", "-o", tmp_path / "out", *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{tmp_path / 'out'}: yolo layout, train 8, val 2\n")
    assert (tmp_path / "out" / "images" / "VOC2012-2").is_dir()


@pytest.mark.parametrize("pair", ["dog", "dog=", "=animal"])
def test_classes_are_renamed_by_pairs_alone(tmp_path: Path, pair: str) -> None:
    result = run_verb("convert-data", VOC_ROOT, "--to", "csv", "-o", tmp_path / "out", "--rename", pair)
    assert (result.exit_code, result.stdout) == (2, "")
    message = f"error: --rename: expected OLD=NEW, got {pair}. Write the class's name, = and its new one."
    assert result.stderr.splitlines() == [message]
    assert not (tmp_path / "out").exists()


def test_conversion_says_what_it_wrote_and_what_is_lost(tmp_path: Path) -> None:
    result = run_verb("convert-data", VOC_ROOT, "--to", "yolo", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'out'}: yolo layout, train 3, trainval 5, val 2",
        "not kept, difficult: 1 objects so marked become ordinary ones",
    ]
    assert "5 images read, 0 of them without objects; 13 objects, 1 of them difficult" in result.stderr
    again = run_verb("convert-data", VOC_ROOT, "--to", "yolo", "-o", tmp_path / "out")
    assert again.exit_code == 2
    assert "expected a new or empty folder, got one that holds something" in again.stderr


@pytest.mark.parametrize(
    ("edges", "percent", "names"),
    [
        pytest.param((0, 0.05, 1), True, ["0-5 %", "5-100 %"], id="shares"),
        pytest.param((0.5, 2, float("inf")), False, ["0.5-2", "over 2"], id="an open end"),
    ],
)
def test_names_of_groups(edges: tuple[float, ...], percent: bool, names: list[str]) -> None:
    assert interval_names(edges, percent=percent) == names
