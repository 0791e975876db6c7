"""COCO's JSON: its convention by hand, and everything that can be wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

if TYPE_CHECKING:
    from singleshot.tests.fixtures.voc_folder import VocFolder

HW = (32, 48)
IMAGES = [{"id": 7, "file_name": "a.jpg", "width": 48, "height": 32}, {"id": 9, "file_name": "b.jpg"}]
CATEGORIES = [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}]


def write_coco(
    root: Path, annotations: list[Any], *, name: str = "instances_train2017.json", **changes: object
) -> Path:
    """Write two images and one JSON with these annotations."""
    folder = root / "train2017"
    folder.mkdir(exist_ok=True)
    for image in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(folder / image), np.full((*HW, 3), 90, np.uint8))
    (root / "annotations").mkdir(exist_ok=True)
    content = {"images": IMAGES, "annotations": annotations, "categories": CATEGORIES, **changes}
    path = root / "annotations" / name
    path.write_text(json.dumps(content))
    return path


def box(
    image_id: object = 7, bbox: object = (10, 4, 20, 8), category_id: object = 90, **more: object
) -> dict[str, Any]:
    return {"image_id": image_id, "bbox": bbox, "category_id": category_id, **more}


@pytest.mark.parametrize(
    ("bbox", "edges"),
    [
        pytest.param((10, 4, 20, 8), (10, 4, 30, 12), id="x and y are edges, width and height are added"),
        pytest.param((0, 0, 48, 32), (0, 0, 48, 32), id="the whole image"),
        pytest.param((0.5, 1.25, 0.5, 0.75), (0.5, 1.25, 1.0, 2.0), id="fractions of pixels"),
    ],
)
def test_boxes_by_hand(tmp_path: Path, bbox: object, edges: tuple[float, ...]) -> None:
    write_coco(tmp_path, [box(bbox=bbox)])
    dataset = open_dataset(tmp_path, strict=True)
    first, second = dataset.samples("train")
    assert first.boxes_xyxy_px.tolist() == [list(edges)]
    assert (first.height_px, first.width_px) == HW
    assert len(second) == 0, "an image without annotations is a background image"
    assert (second.height_px, second.width_px) == HW, "told by the file where the JSON does not"


def test_categories_with_gaps_are_numbered_by_their_ids(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(), box(category_id=3)])
    dataset = open_dataset(tmp_path)
    assert (dataset.layout, dataset.class_names) == ("coco", ("cat", "dog"))
    assert next(dataset.samples("train")).class_ids.tolist() == [1, 0]
    assert open_dataset(tmp_path, class_names=("dog",)).class_names == ("dog",)
    with pytest.raises(InputError, match=r"dig: expected one of the 2 classes of .*Near: dog\."):
        open_dataset(tmp_path, class_names=("dig",))


def test_boxes_in_shares_are_refused(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(bbox=(0.1, 0.2, 0.5, 0.5)), box(bbox=(0, 0, 1, 1))])
    with pytest.raises(InputError, match=r"expected bbox in pixels, got numbers from 0 to 1, which are shares of"):
        open_dataset(tmp_path)


def test_a_box_of_negative_width_is_drawn_from_the_other_corner(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(bbox=(30, 4, -20, 8))])
    dataset = open_dataset(tmp_path)
    assert next(dataset.samples("train")).boxes_xyxy_px.tolist() == [[10, 4, 30, 12]]
    assert dict(dataset.report.remarks) == {"objects whose corners are exchanged (read in order)": 1}


@pytest.mark.parametrize(
    ("marks", "is_difficult", "is_crowd"),
    [
        pytest.param({}, False, False, id="nothing said"),
        pytest.param({"iscrowd": 0, "ignore": 0}, False, False, id="said to be an object"),
        pytest.param({"iscrowd": 1}, True, True, id="a crowd"),
        pytest.param(
            {"iscrowd": 1, "ignore": 1}, True, False, id="one object, marked as mmdetection marks VOC's difficult"
        ),
        pytest.param({"iscrowd": 0, "ignore": 1}, True, False, id="one object to be ignored"),
    ],
)
def test_crowds_are_told_from_difficult_objects(
    tmp_path: Path, marks: dict[str, int], is_difficult: bool, is_crowd: bool
) -> None:
    write_coco(tmp_path, [box(), box(bbox=(1, 2, 3, 4), **marks)])
    dataset = open_dataset(tmp_path)
    sample = next(dataset.samples("train"))
    assert sample.difficult.tolist() == [False, is_difficult]
    assert (sample.crowd is not None and sample.crowd.tolist() == [False, True]) == is_crowd
    assert dataset.report.lines()[0].endswith(", 1 of them difficult (1 crowds)") == is_crowd


@pytest.mark.parametrize(
    ("areas", "expected"),
    [
        pytest.param([None, None], None, id="none is annotated"),
        pytest.param([12.5, None], [12.5, 160], id="one is, the other is its box's"),
        pytest.param([12.5, "much"], [12.5, 160], id="a word is none"),
    ],
)
def test_areas_are_those_of_the_masks(tmp_path: Path, areas: list[object], expected: list[float] | None) -> None:
    write_coco(tmp_path, [box(area=area) for area in areas])
    found = next(open_dataset(tmp_path).samples("train")).areas_px
    assert (None if found is None else found.tolist()) == expected


def test_images_are_listed_by_their_ids(tmp_path: Path) -> None:
    write_coco(tmp_path, [], images=[{**IMAGES[0], "id": 10}, IMAGES[1]])
    assert open_dataset(tmp_path).sample_ids("train") == ["train2017/b.jpg", "train2017/a.jpg"]


def test_cocos_own_ids_are_told(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(), box(category_id=3)], categories=[*CATEGORIES, {"id": 95, "name": "dog"}])
    dataset = open_dataset(tmp_path, class_names=["dog"])
    for split in ("train", "train2017"):
        ids = dataset.coco_ids(split)
        assert ids.images == {"train2017/a.jpg": 7, "train2017/b.jpg": 9}
        assert ids.categories == {"cat": 3, "dog": 90}, "of two of one name, the first"
    assert dataset.coco_ids("seeded-val") == dataset.coco_ids("train"), "of one file"
    with pytest.raises(InputError, match=r"expected a split of .*, one of train, train2017"):
        dataset.coco_ids("tset")


def test_other_layouts_are_numbered(voc_folder: VocFolder) -> None:
    for name in "ba":
        voc_folder.add(name, [("emu", (1, 1, 9, 9)), ("dog", (1, 1, 9, 9))])
    ids = open_dataset(voc_folder.root, class_names=["emu"]).coco_ids("train")
    assert (ids.images, ids.categories) == ({"b": 1, "a": 2}, {"dog": 1, "emu": 2})


def test_objects_are_given_as_written_too(tmp_path: Path) -> None:
    written = [(10, 4, 20, 8), (10, 4, 20, 8), (1, 2, 0, 5), (900, 0, 9, 9), (-5, 0, 60, 5)]
    entries = [box(bbox=xywh, area=7) for xywh in written]
    write_coco(tmp_path, [*entries, box(ignore=1), box(iscrowd=1), box(category_id=3)])
    dataset = open_dataset(tmp_path, class_names=["dog"])
    sample = dataset.as_written(next(dataset.samples("train")))
    edges = [[x, y, x + width, y + height] for x, y, width, height in [*written, written[0], written[0]]]
    assert sample.boxes_xyxy_px.tolist() == edges
    assert sample.difficult.tolist() == [False] * 6 + [True]
    assert sample.areas_px is not None
    assert sample.areas_px.tolist() == [7] * 5 + [160] * 2


def test_a_year_in_the_name_of_a_split_may_be_left_out(tmp_path: Path) -> None:
    write_coco(tmp_path, [])
    write_coco(tmp_path, [], name="captions_train2017.json")
    dataset = open_dataset(tmp_path)
    assert dataset.split_names() == ("train", "train2017", "seeded-train", "seeded-val")
    assert dataset.official_splits() == ("train",)
    assert dataset.sample_ids("train") == ["train2017/a.jpg", "train2017/b.jpg"]
    assert open_dataset(tmp_path / "annotations").sample_ids("train2017") == dataset.sample_ids("train")


def test_json_beside_the_images(tmp_path: Path) -> None:
    write_coco(tmp_path, [box()]).rename(tmp_path / "train2017" / "_annotations.coco.json")
    assert [len(sample) for sample in open_dataset(tmp_path).samples("train2017")] == [1, 0]


@pytest.mark.parametrize(
    ("annotations", "changes", "problem", "example"),
    [
        pytest.param([box(category_id=5)], {}, Problem.UNLISTED_CLASS, "got category 5", id="unknown category"),
        pytest.param([box(image_id=8)], {}, Problem.BROKEN_ANNOTATION, "of a listed image", id="unknown image"),
        pytest.param(["?"], {}, Problem.BROKEN_ANNOTATION, "of a listed image, got {}", id="no object at all"),
        pytest.param(
            [box(bbox=[1, 2, 3])], {}, Problem.BROKEN_ANNOTATION, "four numbers, got [1, 2, 3]", id="3 numbers"
        ),
        pytest.param([box(bbox=None)], {}, Problem.BROKEN_ANNOTATION, "four numbers, got None", id="no box"),
        pytest.param([box(bbox=[1, 2, 3, "x"])], {}, Problem.BROKEN_ANNOTATION, "got [1, 2, 3, 'x']", id="a word"),
        pytest.param([box(bbox=[1, 2, 0, 4])], {}, Problem.EMPTY_BOX, "dog at (1.0, 2.0, 1.0, 6.0)", id="no area"),
        pytest.param(
            [], {"images": [{"id": 1, "file_name": "c.jpg"}]}, Problem.MISSING_IMAGE, "c.jpg: expected", id="no file"
        ),
        pytest.param([], {"images": [{"id": 1}]}, Problem.BROKEN_ANNOTATION, 'got {"id": 1}', id="no file name"),
        pytest.param(
            [],
            {"images": [IMAGES[0], {**IMAGES[1], "id": 7}]},
            Problem.BROKEN_ANNOTATION,
            "expected different image ids, got 7 twice",
            id="one id for two images",
        ),
        pytest.param([], {"images": [IMAGES[0]] * 2}, Problem.LISTED_TWICE, "a.jpg: expected once", id="twice"),
    ],
)
def test_what_is_wrong_is_reported(
    tmp_path: Path, annotations: list[Any], changes: dict[str, Any], problem: Problem, example: str
) -> None:
    write_coco(tmp_path, annotations, **changes)
    dataset = open_dataset(tmp_path)
    list(dataset.samples("train"))
    assert dataset.report.count(problem) >= 1
    assert example in dataset.report.examples(problem)[0]


def test_two_entries_of_one_file_keep_all_labels(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(7), box(8, (1, 2, 3, 4))], images=[IMAGES[0], {**IMAGES[0], "id": 8}])
    (sample,) = open_dataset(tmp_path).samples("train")
    assert len(sample) == 2


def test_a_list_of_images_alone_has_no_annotations(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    content = json.loads(path.read_text())
    del content["annotations"]
    path.write_text(json.dumps(content))
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples("train")) == []
    assert dataset.report.count(Problem.MISSING_ANNOTATION) == 2


def test_files_that_contradict_each_other(tmp_path: Path) -> None:
    write_coco(tmp_path, [box(), box(9)])
    write_coco(tmp_path, [box(), box(9, category_id=3)], name="instances_val.json")
    (tmp_path / "train2017").rename(tmp_path / "images")
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("train")] == ["a.jpg"]
    assert "expected the same labels in instances_train2017.json and" in dataset.report.lines()[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", r"expected COCO's JSON, got Expecting", id="cut short"),
        pytest.param("[]", r"expected COCO's lists images, annotations and categories, got list\.", id="a list"),
        pytest.param('{"images": []}', r"got images\. Keep only files with boxes there", id="no categories"),
        pytest.param('{"images": [], "categories": [{"id": 1}]}', r"categories with an id and a name", id="no name"),
        pytest.param(
            '{"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
            r"expected one name for category 1, got two",
            id="two names",
        ),
    ],
)
def test_a_file_that_is_not_cocos(tmp_path: Path, text: str, message: str) -> None:
    write_coco(tmp_path, []).write_text(text)
    with pytest.raises(InputError, match=message):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("image_id", "referred", "category_id"),
    [
        pytest.param(7, "7", "90", id="texts that refer to numbers"),
        pytest.param("7", 7, 90, id="numbers that refer to texts"),
        pytest.param(7.0, 7, 90.0, id="numbers with a point"),
        pytest.param("7", "7", 90, id="texts"),
        pytest.param("007", "007", 90, id="texts that are no numbers"),
    ],
)
def test_ids_as_tools_mix_them(tmp_path: Path, image_id: object, referred: object, category_id: object) -> None:
    images = [{"id": image_id, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}]
    write_coco(tmp_path, [box(referred, category_id=category_id)], images=images)
    dataset = open_dataset(tmp_path, strict=True)
    labelled = {sample.image_id: sample.class_ids.tolist() for sample in dataset.samples("train")}
    assert {Path(name).name: ids for name, ids in labelled.items()} == {"a.jpg": [1], "b.jpg": []}
    assert image_id in dataset.coco_ids("train").images.values(), "others know the image by what is written"


def test_a_list_of_annotations_that_is_null(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [])
    path.write_text(path.read_text().replace('"annotations": []', '"annotations": null'))
    assert [len(sample) for sample in open_dataset(tmp_path, strict=True).samples("train")] == [0, 0]


def test_a_roboflow_super_category_is_no_class(tmp_path: Path) -> None:
    above = {"id": 0, "name": "animals", "supercategory": "none"}
    below = [{**entry, "supercategory": "animals"} for entry in CATEGORIES]
    write_coco(tmp_path, [box()], categories=[above, *below])
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.class_names == ("cat", "dog"), "cat stays a class, though it has no object here"
    assert next(dataset.samples("train")).class_ids.tolist() == [1]
    assert dataset.found.startswith("coco layout (without the super-category animals): ")


@pytest.mark.parametrize(
    ("annotations", "categories", "names"),
    [
        pytest.param(
            [box(category_id=0)],
            [{"id": 0, "name": "animals"}, {"id": 90, "name": "dog", "supercategory": "animals"}],
            ("animals", "dog"),
            id="a super-category with an object of its own",
        ),
        pytest.param(
            [],
            [
                {"id": 1, "name": "person", "supercategory": "person"},
                {"id": 2, "name": "child", "supercategory": "person"},
            ],
            ("person", "child"),
            id="COCO's person is its own super-category",
        ),
    ],
)
def test_a_category_above_others_that_is_a_class(
    tmp_path: Path, annotations: list[Any], categories: list[Any], names: tuple[str, ...]
) -> None:
    write_coco(tmp_path, annotations, categories=categories)
    assert open_dataset(tmp_path).class_names == names


@pytest.mark.parametrize(
    ("place", "named", "split"),
    [
        pytest.param("result.json", ".", "result", id="at the root, as Label Studio leaves it"),
        pytest.param("result.json", "result.json", "result", id="one file named"),
        pytest.param("annotations/instances_default.json", ".", "default", id="CVAT's one file"),
        pytest.param(
            "annotations/instances_val.json", "annotations/instances_val.json", "val", id="one of annotations named"
        ),
        pytest.param("train2017/labels.json", ".", "train", id="under any name beside the images"),
        pytest.param("_annotations.coco.json", ".", "all", id="Roboflow's, without splits"),
    ],
)
def test_places_of_one_json(tmp_path: Path, place: str, named: str, split: str) -> None:
    write_coco(tmp_path, [box()]).rename(tmp_path / "moved.json")
    (tmp_path / "annotations").rmdir()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / "moved.json").rename(tmp_path / place)
    (tmp_path / "notes.json").write_text('{"categories": [], "info": {}}')
    dataset = open_dataset(tmp_path / named, strict=True)
    assert [len(sample) for sample in dataset.samples(split)] == [1, 0]


def test_a_folder_with_a_json_for_each_image_is_not_cocos(tmp_path: Path) -> None:
    write_coco(tmp_path, []).unlink()
    for number in range(3):
        (tmp_path / "train2017" / f"{number}.json").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    assert open_dataset(tmp_path).layout == "labelme"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("C:\\data\\images\\{}", id="a path of Windows"),
        pytest.param("/mnt/disk/me/{}", id="a path of another machine"),
        pytest.param("https://example.org/up/1/{}?token=a/b.jpg", id="a web address"),
        pytest.param("/data/local-files/?d=set%201/{}", id="Label Studio's local path"),
    ],
)
def test_pictures_of_another_machine_are_found_by_the_end_of_their_path(tmp_path: Path, written: str) -> None:
    images = [{**entry, "file_name": written.format(entry["file_name"])} for entry in IMAGES]
    write_coco(tmp_path, [box()], images=images)
    (tmp_path / "train2017").rename(tmp_path / "elsewhere")
    dataset = open_dataset(tmp_path, strict=True)
    assert [sample.image_id for sample in dataset.samples("train")] == ["elsewhere/a.jpg", "elsewhere/b.jpg"]
    line = "2 images named by a path that is not here (found by the end of it)"
    assert line in dataset.report.lines()
    assert dataset.report.to_dict()["remarks"] == {line.removeprefix("2 "): 2}


def test_names_that_fit_several_pictures_find_none(tmp_path: Path) -> None:
    write_coco(tmp_path, [], images=[{"id": 1, "file_name": "/x/a.jpg"}, {"id": 2, "file_name": "/y/b.jpg"}])
    (tmp_path / "train2017").rename(tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.jpg").write_bytes((tmp_path / "one" / "a.jpg").read_bytes())
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("train")] == ["one/b.jpg"]
    assert "/x/a.jpg: expected an image" in dataset.report.examples(Problem.MISSING_IMAGE)[0]


def test_two_names_are_not_taken_for_one_picture(tmp_path: Path) -> None:
    write_coco(tmp_path, [], images=[{"id": 1, "file_name": "/x/a.jpg"}, {"id": 2, "file_name": "/y/a.jpg"}])
    dataset = open_dataset(tmp_path)
    assert list(dataset.samples("train")) == []
    assert dataset.report.count(Problem.MISSING_IMAGE) == 2


@pytest.mark.parametrize(
    ("segmentation", "edges"),
    [
        pytest.param([[10, 4, 30, 4, 30, 12]], (10, 4, 30, 12), id="a polygon"),
        pytest.param([[10, 4, 11, 4, 11, 5], [20, 8, 30, 9, 25, 12.5]], (10, 4, 30, 12.5), id="two polygons"),
        pytest.param({"size": [32, 48], "counts": [33, 2, 1501]}, (1, 1, 2, 3), id="runs within one column"),
        pytest.param({"size": [32, 48], "counts": [63, 2, 1471]}, (1, 0, 3, 32), id="a run into the next column"),
    ],
)
def test_masks_without_a_box_by_hand(tmp_path: Path, segmentation: object, edges: tuple[float, ...]) -> None:
    write_coco(tmp_path, [box(bbox=None, segmentation=segmentation), box()])
    dataset = open_dataset(tmp_path, strict=True)
    assert next(dataset.samples("train")).boxes_xyxy_px[0].tolist() == list(edges)
    assert "1 objects given by masks alone (their enclosing boxes are taken)" in dataset.report.lines()


@pytest.mark.parametrize(
    "segmentation",
    [
        pytest.param([[1, 2, 3, 4]], id="two corners"),
        pytest.param([[1, 2, 3, 4, 5, "x"]], id="a word"),
        pytest.param([1, 2, 3, 4, 5], id="an odd number"),
        pytest.param({"counts": [1, 2]}, id="no size"),
        pytest.param({"size": [0, 4], "counts": [0, 2]}, id="a height of 0"),
        pytest.param({"size": [4, 4], "counts": None}, id="no runs"),
        pytest.param({"size": [4, 4], "counts": [16]}, id="an empty mask"),
    ],
)
def test_masks_that_give_no_box(tmp_path: Path, segmentation: object) -> None:
    write_coco(tmp_path, [box(bbox=[], segmentation=segmentation)])
    dataset = open_dataset(tmp_path)
    assert [sample.image_id for sample in dataset.samples("train")] == ["train2017/b.jpg"]
    assert "four numbers, got []" in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


def test_packed_masks_have_the_boxes_that_pycocotools_gives(tmp_path: Path) -> None:
    masks = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    annotations, expected = [], []
    for _ in range(30):
        pixels = np.zeros(HW, np.uint8, order="F")
        y, x = rng.integers(0, 20, 2)
        pixels[y : y + rng.integers(1, 12), x : x + rng.integers(1, 28)] = 1
        pixels[:, x] &= rng.integers(0, 2, HW[0]).astype(np.uint8)
        packed = masks.encode(pixels)
        if not pixels.any():
            continue
        left, top, width, height = masks.toBbox(packed)
        expected.append([left, top, left + width, top + height])
        annotations.append(box(bbox=None, segmentation={**packed, "counts": packed["counts"].decode()}))
    write_coco(tmp_path, annotations)
    assert next(open_dataset(tmp_path).samples("train")).boxes_xyxy_px.tolist() == expected
