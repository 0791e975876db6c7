"""`singleshot evaluate`, on a graph whose detections are known: it finds bright quarters of the frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from singleshot.calib.accuracy.average_precision import MIN_OBJECTS
from singleshot.data.dataset import open_dataset
from singleshot.runtime.session import open_session
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.fixtures.coco_oracle import figures_of
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.voc_folder import VocFolder
from singleshot.tests.places import GRAPHS, VOC_ROOT

GRAPH = GRAPHS / "quarters.onnx"
SHIPPED = shipped_detector()
CLASSIFIER = GRAPHS / "quarters_classifier.onnx"


@pytest.fixture
def root(voc_folder: VocFolder) -> Path:
    """Write images with a bright lower left quarter; the graph sees a dog in its middle half."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[32:, :32] = 250
    for number in range(MIN_OBJECTS):
        voc_folder.add(f"image{number}", [("dog", (9, 41, 24, 56))], image=image, split="val")
    return voc_folder.root


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


@pytest.fixture
def coco_root(tmp_path: Path) -> Path:
    """Write photos of animals as COCO has them: ids with gaps and out of order, a crowd, a class that is not listed.

    And as people have them: an object to be ignored, one that stands twice, without area, outside, reaching out.
    """
    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    names = ["sheep", "chair", *open_session(SHIPPED).card.class_names]
    categories = {name: 90 - 3 * at for at, name in enumerate(dict.fromkeys(names))}
    images: list[dict[str, object]] = []
    annotations: list[dict[str, Any]] = []
    samples = open_dataset(VOC_ROOT, class_names=list(categories)).samples("trainval")
    for image_id, sample in zip([70, 9, 100, 12, 3], samples, strict=True):
        (root / "images" / f"{image_id}.jpg").write_bytes(sample.image_path.read_bytes())
        images.append(
            {"id": image_id, "file_name": f"{image_id}.jpg", "width": sample.width_px, "height": sample.height_px}
        )
        for box, class_id in zip(sample.boxes_xyxy_px.tolist(), sample.class_ids.tolist(), strict=True):
            xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
            annotations.append(
                {"image_id": image_id, "category_id": list(categories.values())[class_id], "bbox": xywh}
                | {"area": 0.7 * xywh[2] * xywh[3], "iscrowd": int(len(annotations) % 4 == 1)}
            )
    odd = {**annotations[0], "iscrowd": 0, "area": 900}
    annotations += [
        {**odd, "ignore": 1},
        odd,
        odd,
        {**odd, "bbox": [20, 20, 0, 40], "area": 0},
        {**odd, "bbox": [5000, 5000, 40, 40]},
        {**odd, "bbox": [-30, -20, 120, 90]},
    ]
    content = {
        "images": images,
        "annotations": [{"id": at, **item} for at, item in enumerate(annotations, 1)],
        "categories": [{"id": category_id, "name": name} for name, category_id in categories.items()],
    }
    (root / "annotations" / "instances_val.json").write_text(json.dumps(content))
    return root


def test_a_real_detectors_figures_are_cocos_own(coco_root: Path, tmp_path: Path) -> None:
    written = tmp_path / "found.json"
    result = run_verb("evaluate", SHIPPED, "--data", coco_root, "--json", "--save-detections", written)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["result"]["coco"]
    truth = json.loads((coco_root / "annotations" / "instances_val.json").read_text())
    known = open_session(SHIPPED).card.class_names
    truth["categories"] = [item for item in truth["categories"] if item["name"] in known]
    expected, _ = figures_of(truth, json.loads(written.read_text()))
    assert found.pop("classes") >= 2
    assert [-1 if value is None else value for value in found.values()] == pytest.approx(expected.tolist(), abs=1e-6)
    assert found["ap50"] > 0.3, "something is found"
    assert sum(item["iscrowd"] for item in truth["annotations"]) >= 2

    shown = run_verb("evaluate", SHIPPED, "--data", coco_root)
    assert (
        f"classes that have objects:\n  precision: AP50:95 {found['ap']:.3f}, AP50 {found['ap50']:.3f}" in shown.stdout
    )
    assert f"recall: AR@1 {found['ar_1']:.3f}, AR@10 {found['ar_10']:.3f}" in shown.stdout
    assert "of them difficult (" in shown.stderr


def test_detections_in_other_layouts_have_the_ids_that_convert_data_gives(tmp_path: Path) -> None:
    written, plain = tmp_path / "found.json", tmp_path / "plain"
    classes = ("--classes", "cat,dog,horse,person")
    assert run_verb("convert-data", VOC_ROOT, "--to", "yolo", "-o", plain, *classes).exit_code == 0
    data = (plain, "--split", "trainval")
    result = run_verb("evaluate", SHIPPED, "--data", *data, "--json", "--save-detections", written)
    assert result.exit_code == 0, result.stderr
    assert run_verb("convert-data", plain, "--to", "coco", "-o", tmp_path / "coco").exit_code == 0
    truth = json.loads((tmp_path / "coco" / "annotations" / "instances_trainval.json").read_text())
    expected, _ = figures_of(truth, json.loads(written.read_text()))
    found = json.loads(result.stdout)["result"]["coco"]
    del found["classes"]
    assert [-1 if value is None else value for value in found.values()] == pytest.approx(expected.tolist(), abs=1e-6)
    assert found["ap50"] > 0.2


def test_detections_that_no_annotation_could_speak_of_are_not_written(coco_root: Path, tmp_path: Path) -> None:
    path = coco_root / "annotations" / "instances_val.json"
    content = json.loads(path.read_text())
    (dog,) = (item["id"] for item in content["categories"] if item["name"] == "dog")
    content["categories"] = [item for item in content["categories"] if item["id"] == dog]
    path.write_text(json.dumps(content))
    assert (
        run_verb("evaluate", SHIPPED, "--data", coco_root, "--save-detections", tmp_path / "found.json").exit_code == 0
    )
    written = json.loads((tmp_path / "found.json").read_text())
    assert {item["category_id"] for item in written} == {dog}


def test_detections_are_written_whole_or_not_at_all(coco_root: Path, tmp_path: Path) -> None:
    written = tmp_path / "found" / "found.json"
    (coco_root / "images" / "12.jpg").write_bytes(b"no image")
    assert run_verb("evaluate", SHIPPED, "--data", coco_root, "--strict", "--save-detections", written).exit_code == 2
    assert list(written.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("artefact", "data", "message"),
    [
        pytest.param(
            CLASSIFIER, "coco", "--save-detections: expected a detector, got a classifier.", id="a classifier"
        ),
    ],
)
def test_detections_that_cannot_be_written(
    root: Path, coco_root: Path, artefact: Path, data: str, message: str
) -> None:
    folder = coco_root if data == "coco" else root / "VOCdevkit"
    result = run_verb("evaluate", artefact, "--data", folder, "--save-detections", root / "found.json")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (root / "found.json").exists()


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


@pytest.fixture
def small_root(voc_folder: VocFolder) -> Path:
    """Write images with a small dog, in the middle of the lower left quarter of the lower left of 2x2 parts."""
    image = np.zeros((128, 128, 3), np.uint8)
    image[92:, :36] = 250
    for number in range(MIN_OBJECTS):
        voc_folder.add(f"image{number}", [("dog", (10, 102, 27, 119))], image=image, split="val")
    return voc_folder.root


def test_tiles_are_measured_beside_the_image_alone(small_root: Path) -> None:
    result = run_verb("evaluate", GRAPH, "--data", small_root, "--tiles", "2x2", "--json")
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert written["tiles"] == "2x2"
    found, alone = written["result"], written["result"]["without_tiles"]
    assert found["mean"]["ap50"] == pytest.approx(1)
    assert found["coco"]["ap_small"] > 0.5
    assert (alone["mean"]["ap50"], alone["coco"]["ap_small"], alone["without_tiles"]) == (0, 0, None)
    shown = run_verb("evaluate", GRAPH, "--data", small_root, "--tiles", "2x2").stdout
    first, second = shown.split("The same without --tiles, over all 1 classes that have objects:")
    assert (
        f"COCO's own figures, over all 1 classes that have objects:\n  precision: AP50:95 {found['coco']['ap']:.3f}"
        in first
    )
    assert "small 0.000" in second


@pytest.mark.parametrize(
    ("artefact", "tiles", "message"),
    [
        pytest.param(GRAPH, "two", "--tiles: expected COLUMNSxROWS with 2 to 64 parts, got 'two'", id="nonsense"),
        pytest.param(CLASSIFIER, "2x2", "--tiles: expected a detector, which finds boxes, got a classifier", id="task"),
    ],
)
def test_tiles_that_are_refused(root: Path, artefact: Path, tiles: str, message: str) -> None:
    result = run_verb("evaluate", artefact, "--data", root, "--tiles", tiles)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"error: {message}")


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
