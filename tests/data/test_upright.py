"""Photos that are stored sideways: every part sees them upright, and labels lie on what they name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from singleshot.data.cache.building import open_image_cache
from singleshot.data.cache.image_cache import DecodedImages
from singleshot.data.dataset import Dataset, open_dataset
from singleshot.data.image_stream import streamed_images
from singleshot.data.report import Problem
from singleshot.data.writers.convert import Target, convert_data
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.exif import with_exif_orientation
from singleshot.tests.fixtures.voc_folder import BoxText, VocFolder

STORED_HW = 48, 96
STORED_BOX = 8, 16, 24, 40
"""Of the one bright object, in the stored pixels: xyxy."""
SIDEWAYS = range(5, 9)


def stored() -> NDArray[np.uint8]:
    image = np.zeros((*STORED_HW, 3), np.uint8)
    xmin, ymin, xmax, ymax = STORED_BOX
    image[ymin:ymax, xmin:xmax] = 255
    return image


def bright_box(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Find the object again: xyxy."""
    rows, columns = np.nonzero(image[:, :, 1] > 127)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def photo(orientation: int) -> tuple[bytes, tuple[int, int], tuple[int, int, int, int]]:
    """Give a JPEG, and the size and the object's box of the picture that one sees."""
    data = with_exif_orientation(bytes(cv2.imencode(".jpg", stored(), [cv2.IMWRITE_JPEG_QUALITY, 100])[1]), orientation)
    seen = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8)
    xmin, ymin, xmax, ymax = map(int, bright_box(seen))
    return data, (seen.shape[0], seen.shape[1]), (xmin, ymin, xmax, ymax)


Box = tuple[int, int, int, int]


def put(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def write_voc(root: Path, image: bytes, hw: tuple[int, int], box: Box) -> None:
    year = root / "VOC2012"
    corners = zip(("xmin", "ymin", "xmax", "ymax"), (box[0] + 1, box[1] + 1, box[2], box[3]), strict=True)
    bndbox = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
    size = f"<size><width>{hw[1]}</width><height>{hw[0]}</height></size>"
    put(year / "JPEGImages" / "a.jpg", image)
    put(year / "ImageSets" / "Main" / "train.txt", "a\n")
    put(
        year / "Annotations" / "a.xml",
        f"<annotation>{size}<object><name>dog</name><bndbox>{bndbox}</bndbox></object></annotation>",
    )


def write_coco(root: Path, image: bytes, hw: tuple[int, int], box: Box) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": hw[0], "width": hw[1]}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]]}
        ],
        "categories": [{"id": 1, "name": "dog"}],
    }
    put(root / "images" / "a.jpg", image)
    put(root / "annotations" / "instances_train.json", json.dumps(content))


def write_yolo(root: Path, image: bytes, hw: tuple[int, int], box: Box) -> None:
    width, height = box[2] - box[0], box[3] - box[1]
    cx, cy = (box[0] + box[2]) / 2 / hw[1], (box[1] + box[3]) / 2 / hw[0]
    put(root / "images" / "train" / "a.jpg", image)
    put(root / "labels" / "train" / "a.txt", f"0 {cx} {cy} {width / hw[1]} {height / hw[0]}\n")
    put(root / "classes.txt", "dog\n")


def write_csv(root: Path, image: bytes, hw: tuple[int, int], box: Box) -> None:
    put(root / "images" / "a.jpg", image)
    put(root / "train.csv", f"image,label,xmin,ymin,xmax,ymax\na.jpg,dog,{box[0]},{box[1]},{box[2] - 1},{box[3] - 1}\n")


Write = Callable[[Path, bytes, tuple[int, int], Box], None]
WRITERS = [write_voc, write_coco, write_yolo, write_csv]


def pictures(dataset: Dataset, folder: Path) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Give what measuring, training from the cache and drawing see: the pixels, and the object's box in them."""
    for sample, image in streamed_images(dataset, "train"):
        yield image, sample.boxes_xyxy_px
    ids = dataset.sample_ids("train")
    for source in (
        open_image_cache(dataset, "train", input_hw=(96, 96), folder=folder),
        DecodedImages(dataset, ids, input_hw=(96, 96)),
    ):
        item = source.image(0)
        height, width = item.image_rgb.shape[:2]
        yield item.image_rgb, item.boxes_xyxy * [width, height, width, height]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("write", WRITERS)
def test_labels_of_what_one_sees_are_right_everywhere(tmp_path: Path, write: Write, orientation: int) -> None:
    image, hw, box = photo(orientation)
    write(tmp_path / "data", image, hw, box)
    dataset = open_dataset(tmp_path / "data", class_names=["dog"], strict=True)
    for pixels, boxes in pictures(dataset, tmp_path / "caches"):
        assert pixels.shape[:2] == hw
        np.testing.assert_allclose(boxes, [bright_box(pixels)], atol=1e-3)


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("write", [write_voc, write_coco])
def test_labels_of_the_stored_pixels_are_turned_and_told(tmp_path: Path, write: Write, orientation: int) -> None:
    image, hw, _ = photo(orientation)
    write(tmp_path / "data", image, STORED_HW, STORED_BOX)
    dataset = open_dataset(tmp_path / "data", class_names=["dog"])
    for pixels, boxes in pictures(dataset, tmp_path / "caches"):
        assert pixels.shape[:2] == hw
        np.testing.assert_allclose(boxes, [bright_box(pixels)], atol=1e-3)
    assert dataset.report.count(Problem.SIDEWAYS) == 1
    (told,) = dataset.report.examples(Problem.SIDEWAYS)
    assert "a.jpg: expected 96 x 48 as annotated, got 48 x 96 as seen upright; its boxes are turned with" in told
    with pytest.raises(InputError, match="expected 96 x 48 as annotated, got 48 x 96 as seen upright"):
        list(open_dataset(tmp_path / "data", class_names=["dog"], strict=True).samples("train"))


def test_upright_boxes_with_the_stored_size_stay(tmp_path: Path) -> None:
    image, _, box = photo(6)
    low = (box[0], 60, box[2], 90)
    write_voc(tmp_path, image, STORED_HW, low)
    dataset = open_dataset(tmp_path, class_names=["dog"])
    (sample,) = dataset.samples("train")
    np.testing.assert_array_equal(sample.boxes_xyxy_px, [low])
    assert (sample.height_px, sample.width_px) == (96, 48)
    assert "its boxes fit the upright picture alone and stay" in dataset.report.examples(Problem.SIDEWAYS)[0]


def test_a_size_that_is_neither_is_wrong_before_anything_is_decoded(tmp_path: Path) -> None:
    image, _, box = photo(6)
    write_voc(tmp_path, image, (48, 90), box)
    dataset = open_dataset(tmp_path, class_names=["dog"])
    assert list(dataset.samples("train")) == []
    assert "expected 90 x 48 as annotated, got 48 x 96" in dataset.report.examples(Problem.WRONG_SIZE)[0]


@pytest.mark.parametrize("target", ["coco", "yolo", "voc", "csv"])
def test_converted_labels_are_of_what_one_sees(tmp_path: Path, target: Target) -> None:
    image, _, _ = photo(8)
    write_voc(tmp_path / "data", image, STORED_HW, STORED_BOX)
    convert_data(open_dataset(tmp_path / "data", class_names=["dog"]), target, tmp_path / "out")
    again = open_dataset(tmp_path / "out", class_names=["dog"], strict=True)
    for pixels, boxes in pictures(again, tmp_path / "caches"):
        np.testing.assert_allclose(boxes, [bright_box(pixels)], atol=1e-3)


EXCHANGED = "<size><width>32</width><height>48</height></size>"
SMALL, WIDE, HIGH = (1, 1, 9, 9), (1, 1, 48, 20), (1, 1, 20, 48)


@pytest.mark.parametrize(
    ("boxes", "kept"),
    [
        pytest.param([SMALL, WIDE], 2, id="one fits the picture alone, as the tool wrote width for height"),
        pytest.param([SMALL, SMALL], 0, id="nothing shows it"),
        pytest.param([SMALL, HIGH], 0, id="one fits the annotated size alone, as the picture was turned later"),
        pytest.param([WIDE, HIGH], 0, id="both"),
    ],
)
def test_width_and_height_exchanged(voc_folder: VocFolder, boxes: list[BoxText], kept: int) -> None:
    for name, box in zip("ab", boxes, strict=True):
        voc_folder.add(name, [("dog", box)], size_xml=EXCHANGED)  # of pictures of 48 x 32
    dataset = open_dataset(voc_folder.root)
    samples = list(dataset.samples("train"))
    assert len(samples) == dataset.report.count(Problem.EXCHANGED_SIDES) == kept
    assert dataset.report.count(Problem.WRONG_SIZE) == 2 - kept
    for sample, (xmin, ymin, xmax, ymax) in zip(samples, boxes, strict=False):
        assert sample.boxes_xyxy_px.tolist() == [[int(str(xmin)) - 1, int(str(ymin)) - 1, xmax, ymax]]
    named = dataset.report.examples(Problem.EXCHANGED_SIDES if kept else Problem.WRONG_SIZE)
    assert "a.jpg: expected 32 x 48 as annotated, got 48 x 32" in named[0]
