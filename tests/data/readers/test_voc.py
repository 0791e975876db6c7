"""PASCAL VOC's layout, boxes worked out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.readers.voc import VOC_CLASS_NAMES
from singleshot.data.report import Problem
from singleshot.data.sample import Sample
from singleshot.runtime.errors import InputError

if TYPE_CHECKING:
    from singleshot.tests.fixtures.voc_folder import BoxText, VocFolder

ANIMALS = ("cat", "cow", "dog", "horse", "sheep", "person")


def _samples(root: Path, split: str, **options: object) -> dict[str, Sample]:
    dataset = open_dataset(root, **options)  # type: ignore[arg-type] # passed on
    return {sample.image_id: sample for sample in dataset.samples(split)}


@pytest.mark.parametrize(
    ("written", "edges"),
    [
        pytest.param((1, 1, 48, 32), (0, 0, 48, 32), id="the whole image of 48 x 32"),
        pytest.param((1, 1, 1, 1), (0, 0, 1, 1), id="the first pixel alone"),
        pytest.param((48, 32, 48, 32), (47, 31, 48, 32), id="the last pixel alone"),
        pytest.param((5, 3, 5, 9), (4, 2, 5, 9), id="one pixel thin, width 1"),
        pytest.param(("10.5", "20.25", "30.75", "31.5"), (9.5, 19.25, 30.75, 31.5), id="decimals"),
        pytest.param(("0.6", 1, 10, 10), (0, 0, 10, 10), id="rounding below the first pixel is cut"),
    ],
)
def test_corners_become_edges(
    voc_folder: VocFolder, written: BoxText, edges: tuple[float, float, float, float]
) -> None:
    voc_folder.add("a", [("dog", written)])
    dataset = open_dataset(voc_folder.root)
    (sample,) = dataset.samples("train")
    np.testing.assert_allclose(sample.boxes_xyxy_px, [edges], atol=1e-6)
    assert sample.boxes_xyxy_px.dtype == np.float32
    assert dataset.report.to_dict()["problems"] == {}


def test_a_real_image_is_read_whole(voc_root: Path) -> None:
    sample = _samples(voc_root, "train")["2010_001911"]
    assert [VOC_CLASS_NAMES[class_id] for class_id in sample.class_ids] == ["dog", "chair", "chair"]
    assert sample.difficult.tolist() == [False, False, True]
    np.testing.assert_allclose(sample.boxes_xyxy_px[0], [63.333, 29.583, 127.5, 124.167], atol=1e-3)
    assert sample.image_path.name == "2010_001911.jpg"
    assert (sample.height_px, sample.width_px) == (150, 200)


def test_parts_of_a_person_are_no_objects(voc_root: Path) -> None:
    sample = _samples(voc_root, "train")["2008_008487"]
    assert [VOC_CLASS_NAMES[class_id] for class_id in sample.class_ids] == ["horse", "person", "person"]
    np.testing.assert_allclose(sample.boxes_xyxy_px[1], [122.4, 43.2, 148.4, 136.0], atol=1e-3)


def test_class_ids_follow_the_list_that_is_given(voc_root: Path) -> None:
    samples = _samples(voc_root, "val", class_names=ANIMALS)
    assert samples["2009_000017"].class_ids.tolist() == [3, 5, 5, 3]
    assert samples["2010_002531"].class_ids.tolist() == [0]  # the sofa is dropped


def test_official_lists_keep_their_names_and_lists_per_class_are_no_splits(voc_root: Path) -> None:
    dataset = open_dataset(voc_root)
    assert dataset.split_names() == ("train", "trainval", "val", "seeded-train", "seeded-val")
    assert (dataset.layout, dataset.name) == ("voc", "VOC2012")
    assert dataset.sample_ids("train") == ["2010_000276", "2010_001911", "2008_008487"]


def test_the_seeded_split_divides_trainval_whatever_the_classes(voc_root: Path) -> None:
    every, animals = open_dataset(voc_root), open_dataset(voc_root, class_names=("cat",))
    halves = [every.sample_ids(split, seed=3) for split in ("seeded-train", "seeded-val")]
    assert sorted(halves[0] + halves[1]) == sorted(every.sample_ids("trainval"))
    assert len(halves[1]) == 1
    assert [animals.sample_ids(split, seed=3) for split in ("seeded-train", "seeded-val")] == halves


def test_without_trainval_the_seeded_split_divides_train_and_val_but_not_test(voc_folder: VocFolder) -> None:
    for number in range(5):
        voc_folder.add(f"t{number}", [("dog", (1, 1, 9, 9))])
        voc_folder.add(f"v{number}", [("dog", (1, 1, 9, 9))], split="val")
        voc_folder.add(f"x{number}", [("dog", (1, 1, 9, 9))], split="test")
    dataset = open_dataset(voc_folder.root)
    union = dataset.sample_ids("seeded-train") + dataset.sample_ids("seeded-val")
    assert sorted(union) == sorted(dataset.sample_ids("train") + dataset.sample_ids("val"))
    assert len(dataset.sample_ids("seeded-val")) == 2


def test_classes_of_ones_own_are_welcome(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("forklift", (1, 1, 10, 10))])
    assert _samples(voc_folder.root, "train", class_names=("forklift",))["a"].class_ids.tolist() == [0]


def test_an_object_without_a_name_is_told(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("", (1, 1, 9, 9))])
    voc_folder.add("b", [("dog", (1, 1, 9, 9))])
    dataset = open_dataset(voc_folder.root)
    assert [sample.image_id for sample in dataset.samples("train")] == ["b"]
    assert dataset.report.count(Problem.BROKEN_ANNOTATION) == 1
    with pytest.raises(InputError, match=r"a\.xml: expected a name for each object, got none"):
        list(open_dataset(voc_folder.root, strict=True).samples("train"))


def test_an_annotated_size_of_nothing_is_looked_up(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 48, 32))], size_xml="<size><width>0</width><height>0</height></size>")
    voc_folder.add("b", [("dog", (1, 1, 48, 32))], size_xml="")
    sizes = [(sample.height_px, sample.width_px) for sample in _samples(voc_folder.root, "train").values()]
    assert sizes == [(32, 48), (32, 48)]


def test_a_folder_without_lists_is_named(voc_folder: VocFolder) -> None:
    voc_folder.add("a")
    (voc_folder.folder / "ImageSets" / "Main" / "train.txt").unlink()
    with pytest.raises(InputError, match=r"Main: expected lists of images such as train\.txt, got none\. Write one"):
        open_dataset(voc_folder.root)


def test_a_folder_of_ones_own_in_a_devkit(voc_folder: VocFolder) -> None:
    voc_folder.year = "MyData"
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    for root in (voc_folder.root, voc_folder.root / "VOCdevkit", voc_folder.folder):
        assert open_dataset(root).found == "voc layout: MyData"


def test_without_lists_every_picture_is_in_one(voc_folder: VocFolder) -> None:
    for name in ("b", "a"):
        voc_folder.add(name, [("dog", (1, 1, 9, 9))])
    shutil.rmtree(voc_folder.folder / "ImageSets")
    dataset = open_dataset(voc_folder.root)
    assert dataset.found == "voc layout (without lists): VOC2012"
    assert dataset.sample_ids("all") == ["a", "b"]


@pytest.mark.parametrize(
    ("image_id", "line"),
    [
        pytest.param("a", "a.jpg", id="a suffix"),
        pytest.param("a", "/data/VOCdevkit/VOC2012/JPEGImages/a.jpg", id="a path of another machine"),
        pytest.param("a", "C:\\VOC2012\\JPEGImages\\a.jpg", id="a path of Windows"),
        pytest.param("a", "a  1", id="whether the class is there"),
        pytest.param("IMG at 10.00.1", "IMG at 10.00.1", id="spaces"),
        pytest.param("photo 1", "photo 1", id="a name that ends like that column"),
        pytest.param("cam 1/a", "cam 1/a", id="folders"),
    ],
)
def test_what_people_write_into_lists(voc_folder: VocFolder, image_id: str, line: str) -> None:
    voc_folder.add(image_id, [("dog", (1, 1, 9, 9))])
    (voc_folder.folder / "ImageSets" / "Main" / "train.txt").write_text(f"{line}\n")
    dataset = open_dataset(voc_folder.root, strict=True)
    assert [sample.image_id for sample in dataset.samples("train")] == [image_id]


def test_suffixes_in_capitals(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    path = voc_folder.image_path("a")
    path.rename(path.with_suffix(".JPG"))
    assert len(list(open_dataset(voc_folder.root, strict=True).samples("train"))) == 1


def test_the_classes_that_cvat_writes_down(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("wheel", (1, 1, 9, 9))])
    (voc_folder.folder / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nhub:1,2,3::\nbackground:0,0,0::\nwheel:::\n"
    )
    dataset = open_dataset(voc_folder.root, strict=True)
    assert dataset.class_names == ("hub", "wheel")
    (sample,) = dataset.samples("train")
    assert sample.class_ids.tolist() == [1]


def _write(voc_folder: VocFolder, data: bytes) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.annotation_path("a").write_bytes(data)


OBJECT = "<annotation><folder>{}</folder><object><name>{}</name>{}</object></annotation>"
BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "cp1252", "utf-8", "utf-16"])
def test_an_encoding_that_is_declared_is_followed(voc_folder: VocFolder, encoding: str) -> None:
    name = "Möhre" if encoding == "cp1252" else "猫"
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + OBJECT.format("x", name, BOX)
    _write(voc_folder, text.encode(encoding))
    dataset = open_dataset(voc_folder.root, strict=True)
    assert dataset.class_names == (name,)
    assert next(dataset.samples("train")).boxes_xyxy_px.tolist() == [[0, 0, 9, 9]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            OBJECT.format("文件夹", "dog", BOX).encode("gbk"),
            "line 1: expected UTF-8, got the byte 0xce. Save the file as UTF-8.",
            id="GBK that nobody declares",
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="gbk"?>' + OBJECT.format("\xff", "dog", BOX).encode("latin-1"),
            "expected UTF-8, got the byte 0xff",
            id="another encoding than is declared",
        ),
        pytest.param(
            b'<?xml version="1.0" encoding="klingon"?>' + OBJECT.format("x", "dog", BOX).encode(),
            "expected an encoding that is known, got klingon. Save it as UTF-8.",
            id="one that is none",
        ),
        pytest.param(
            OBJECT.format("\na & b", "dog", BOX).encode(), "got a bare & in line 2. Write &amp; there.", id="a bare &"
        ),
    ],
)
def test_text_that_cannot_be_read_is_named(voc_folder: VocFolder, data: bytes, message: str) -> None:
    _write(voc_folder, data)
    dataset = open_dataset(voc_folder.root)
    assert list(dataset.samples("train")) == []
    assert message in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


@pytest.mark.parametrize(
    ("shape", "edges"),
    [
        pytest.param(
            "<polygon><x1>3</x1><y1>9</y1><x2>7</x2><y2>5</y2><x3>11</x3><y3>9</y3></polygon>",
            [2, 4, 11, 9],
            id="an outline",
        ),
        pytest.param(
            "<robndbox><cx>20</cx><cy>10</cy><w>8</w><h>4</h><angle>1.5707963</angle></robndbox>",
            [17, 5, 22, 14],
            id="a box turned by a quarter, as roLabelImg writes it",
        ),
    ],
)
def test_of_what_is_no_box_the_enclosing_one_is_read(voc_folder: VocFolder, shape: str, edges: list[int]) -> None:
    _write(voc_folder, OBJECT.format("x", "dog", shape).encode())
    dataset = open_dataset(voc_folder.root, strict=True)
    np.testing.assert_allclose(next(dataset.samples("train")).boxes_xyxy_px, [edges], atol=1e-5)
    assert dict(dataset.report.remarks) == {"objects given by corners (their enclosing boxes are taken)": 1}


def test_other_classes_than_vocs_are_those_of_the_objects(voc_folder: VocFolder) -> None:
    voc_folder.add("a", [("zebra", (1, 1, 9, 9)), ("dog", (2, 2, 9, 9))])
    voc_folder.add("b", [("emu", (1, 1, 9, 9))], split="val")
    dataset = open_dataset(voc_folder.root, strict=True)
    assert dataset.class_names == ("dog", "emu", "zebra")
    assert dataset.found == "voc layout (with classes of its own): VOC2012"
    with pytest.raises(InputError, match=r"^zebras: expected one of the 3 classes of VOC2012\. Near: zebra\.$"):
        open_dataset(voc_folder.root, class_names=["zebras"])


@pytest.mark.parametrize(
    ("place", "line"),
    [
        pytest.param("ImageSets/{}.txt", "a", id="in ImageSets itself"),
        pytest.param("{}.txt", "./JPEGImages/a.jpg ./Annotations/a.xml", id="PaddlePaddle's, beside the folders"),
        pytest.param("{}_list.txt", "JPEGImages/a.jpg Annotations/a.xml", id="under another name"),
    ],
)
def test_lists_in_other_places(voc_folder: VocFolder, place: str, line: str) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.add("b", [("dog", (1, 1, 9, 9))])
    shutil.rmtree(voc_folder.folder / "ImageSets")
    for split, name in (("train", "a"), ("val", "b")):
        path = voc_folder.folder / place.format(split)
        path.parent.mkdir(exist_ok=True)
        path.write_text(line.replace("/a.", f"/{name}.") + "\n" if "/" in line else f"{name}\n")
    dataset = open_dataset(voc_folder.root, strict=True)
    assert {split: [s.image_id for s in dataset.samples(split)] for split in ("train", "val")} == {
        "train": ["a"],
        "val": ["b"],
    }
