"""`singleshot evaluate`, on a graph whose detections are known: it finds bright quarters of the frame."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.calib.accuracy.average_precision import MIN_OBJECTS
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import GRAPHS

GRAPH = GRAPHS / "quarters.onnx"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write images with a bright lower left quarter; the graph sees a dog in its middle half."""
    folder = tmp_path / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    image = np.zeros((64, 64, 3), np.uint8)
    image[32:, :32] = 250
    image_ids = [f"image{number}" for number in range(MIN_OBJECTS)]
    for image_id in image_ids:
        cv2.imwrite(str(folder / "JPEGImages" / f"{image_id}.jpg"), image)
        (folder / "Annotations" / f"{image_id}.xml").write_text(
            "<annotation><size><width>64</width><height>64</height></size><object><name>dog</name><bndbox>"
            "<xmin>9</xmin><ymin>41</ymin><xmax>24</xmax><ymax>56</ymax></bndbox></object></annotation>"
        )
    (folder / "ImageSets" / "Main" / "val.txt").write_text("\n".join(image_ids))
    return tmp_path


def test_the_table_shows_every_class_and_averages_the_supported(root: Path) -> None:
    result = run_verb("evaluate", GRAPH, "--data", root)
    assert result.exit_code == 0, result.stderr
    cells = {line.split("│")[1].strip(): line for line in result.stdout.splitlines() if line.startswith("│")}
    assert [cell.strip() for cell in cells["dog"].split("│")[2:-1]] == ["1.000", "1.000", "1.000", "10", "0"]
    assert [cell.strip() for cell in cells["cat"].split("│")[2:-1]] == ["-", "-", "-", "0", "0"]
    assert [cell.strip() for cell in cells["mean"].split("│")[2:5]] == ["1.000", "1.000", "1.000"]
    assert "10 images. Means over dog." in result.stdout
    assert "ILSVRC localization error: top-1 0.000, top-5 0.000." in result.stdout
    assert "voc layout: VOC2012, split val" in result.stderr
    assert "10 images read, 0 of them without objects; 10 objects" in result.stderr


def test_json_is_all_there_is_on_stdout(root: Path) -> None:
    result = run_verb("evaluate", GRAPH, "--data", root, "--json", "--split", "seeded-val", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert written["data"] == {"layout": "voc", "name": "VOC2012", "split": "seeded-val", "seed": 3}
    assert (written["network"], written["artefact"]) == ("quarters", str(GRAPH))
    assert written["result"]["classes"][2]["ap50_voc"] == pytest.approx(1)
    assert written["result"]["localization_error"] == {"images": 2, "top1": 0, "top5": 0}
    assert written["result"]["mean"] == {"over": [], "ap50_voc": None, "ap50": None, "ap50_95": None}
    assert written["report"]["images"] == 2


def test_the_localization_error_is_printed_of_one_class_an_image_alone(root: Path) -> None:
    annotation = root / "VOCdevkit" / "VOC2012" / "Annotations" / "image3.xml"
    cat = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
    annotation.write_text(annotation.read_text().replace("</annotation>", f"{cat}</annotation>"))
    result = run_verb("evaluate", GRAPH, "--data", root)
    assert result.exit_code == 0, result.stderr
    assert "10 images. Means over dog." in result.stdout
    assert "localization error" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--split", "tset"], "error: tset: expected a split of VOC2012, one of val,", id="unknown split"),
        pytest.param(
            ["--seed", "1"],
            "error: --seed: expected none with the official list val of VOC2012, got 1. Leave it out,",
            id="a seed that would do nothing",
        ),
    ],
)
def test_wrong_options_are_one_line(root: Path, arguments: list[str], message: str) -> None:
    result = run_verb("evaluate", GRAPH, "--data", root, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(message)


def test_a_missing_artefact_is_one_line(root: Path) -> None:
    result = run_verb("evaluate", root / "none.onnx", "--data", root)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {root / 'none.onnx'}: ")


def test_strict_stops_at_the_first_problem(root: Path) -> None:
    (root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "image3.jpg").unlink()
    assert run_verb("evaluate", GRAPH, "--data", root).exit_code == 0
    result = run_verb("evaluate", GRAPH, "--data", root, "--strict")
    assert result.exit_code == 2
    assert "image3.jpg: expected an image, got no such file. Mend the data" in result.stderr
