"""Plain CSV: the convention by hand, and what can be wrong."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.runtime.errors import InputError

HEADER = "image,label,xmin,ymin,xmax,ymax\n"
HW = (20, 40)


def write_csv(root: Path, text: str, *, name: str = "train.csv") -> Path:
    """Write two images and a file of boxes."""
    (root / "images").mkdir(exist_ok=True)
    for image in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(root / "images" / image), np.full((*HW, 3), 90, np.uint8))
    (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("corners", "edges"),
    [
        pytest.param("0,0,39,19", (0, 0, 40, 20), id="the whole image"),
        pytest.param("5,3,5,3", (5, 3, 6, 4), id="one pixel"),
        pytest.param("5.5,3.25,9,4", (5.5, 3.25, 10, 5), id="decimals"),
        pytest.param(" 1, 2, 3, 4 ", (1, 2, 4, 5), id="spaces"),
    ],
)
def test_boxes_by_hand(tmp_path: Path, corners: str, edges: tuple[float, ...]) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}a.jpg,dog,{corners}\nb.jpg,,,,,\n"), strict=True)
    first, second = dataset.samples("train")
    assert first.boxes_xyxy_px.tolist() == [list(edges)]
    assert (first.height_px, first.width_px) == HW
    assert len(second) == 0, "a line with an image alone"
    assert dataset.layout == "csv"


def test_boxes_in_another_convention_show_as_soon_as_they_touch_the_edge(tmp_path: Path) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,40,20\n"))
    list(dataset.samples("train"))
    assert dataset.report.count(Problem.CLIPPED_BOX) == 1


def test_columns_in_another_order_and_difficult_objects(tmp_path: Path) -> None:
    text = "label,difficult,image,ymin,xmin,ymax,xmax\ndog,1,a.jpg,1,2,3,4\n\ncat,0,b.jpg,1,2,3,4\ncat,,a.jpg,0,0,1,1\n"
    dataset = open_dataset(write_csv(tmp_path, text), strict=True)
    first, second = dataset.samples("train")
    assert dataset.class_names == ("cat", "dog")
    assert first.boxes_xyxy_px.tolist() == [[2, 1, 5, 4], [0, 0, 2, 2]]
    assert (first.class_ids.tolist(), first.difficult.tolist()) == ([1, 0], [True, False])
    assert second.difficult.tolist() == [False]


def test_every_file_is_a_split_and_one_alone_can_be_named(tmp_path: Path) -> None:
    root = write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,9,9\n")
    write_csv(tmp_path, f"{HEADER}b.jpg,cat,0,0,9,9\n", name="val.csv")
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    assert open_dataset(root).split_names()[:2] == ("train", "val")
    assert open_dataset(root / "val.csv").split_names()[:1] == ("val",)


@pytest.mark.parametrize(
    ("line", "problem", "example"),
    [
        pytest.param("a.jpg,dog,1,2,3", Problem.BROKEN_ANNOTATION, "train.csv line 2: expected a label", id="too few"),
        pytest.param("a.jpg,dog,1,2,3,4,5", Problem.BROKEN_ANNOTATION, "train.csv line 2: expected", id="too many"),
        pytest.param("a.jpg,dog,1,2,3,x", Problem.BROKEN_ANNOTATION, "four numbers, got 'dog,1,2,3,x'", id="a letter"),
        pytest.param("a.jpg,,1,2,3,4", Problem.BROKEN_ANNOTATION, "expected a label, four numbers", id="no label"),
        pytest.param("a.jpg,dog,,,,", Problem.BROKEN_ANNOTATION, "expected a label, four numbers", id="no numbers"),
        pytest.param(",dog,1,2,3,4", Problem.BROKEN_ANNOTATION, "line 2: expected an image's name", id="no image"),
        pytest.param("a.jpg,dog,9,2,8,4", Problem.EMPTY_BOX, "dog at (9.0, 2.0, 9.0, 5.0)", id="no width"),
        pytest.param("c.jpg,dog,1,2,3,4", Problem.MISSING_IMAGE, "c.jpg: expected an image", id="no such image"),
    ],
)
def test_what_is_wrong_is_reported(tmp_path: Path, line: str, problem: Problem, example: str) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}{line}\nb.jpg,dog,1,2,3,4\n"))
    assert [sample.image_id for sample in dataset.samples("train")][-1] == "b.jpg"
    assert dataset.report.count(problem) == 1
    assert example in dataset.report.examples(problem)[0]


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("image,label,xmin,ymin,xmax,ymax,xmin", id="a column twice"),
        pytest.param("image,label,shape", id="other columns, in the list to train on"),
    ],
)
def test_columns_that_are_not_understood(tmp_path: Path, header: str) -> None:
    write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,9,9\n", name="val.csv")
    write_csv(tmp_path, f"{header}\n")
    with pytest.raises(InputError, match=rf"expected a first line image,label.*got {header}\. Name the columns so"):
        open_dataset(tmp_path)


def test_a_layout_among_several_can_be_named(tmp_path: Path) -> None:
    write_csv(tmp_path, f"{HEADER}a.jpg,dog,0,0,9,9\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    (tmp_path / "classes.txt").write_text("dog\n")
    with pytest.raises(
        InputError, match=r"expected one data set, got several\. Name one of .*labels, .*train\.csv with"
    ):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path / "labels").layout == "yolo"
    assert open_dataset(tmp_path / "train.csv").layout == "csv"


@pytest.mark.parametrize(
    ("name", "text", "dialect"),
    [
        pytest.param(
            "train.csv", "image;label;xmin;ymin;xmax;ymax\na.jpg;dog;5,5;3;9;6\nb.jpg;;;;;\n", "", id="semicolons"
        ),
        pytest.param(
            "train.csv",
            "image,label,xmin,ymin,xmax,ymax,who,width\na.jpg,dog,5.5,3,9,6,me,40\nb.jpg,,,,,,,\n",
            "",
            id="further columns",
        ),
        pytest.param(
            "train_labels.csv",
            "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,20,dog,5.5,3,10,7\nb.jpg,40,20,,,,,\n",
            "TensorFlow's",
            id="TensorFlow's",
        ),
        pytest.param(
            "train.csv", "a.jpg,5.5,3,10,7,dog\nb.jpg,,,,,\n", "RetinaNet's", id="RetinaNet's, without a header"
        ),
        pytest.param("train.csv", "b.jpg,,,,,\na.jpg,5.5,3,10,7,dog\n", "RetinaNet's", id="a background image first"),
        pytest.param("train.csv", "a.jpg,dog,5.5,3,9,6\nb.jpg,,,,,\n", "no header", id="our own without a header"),
        pytest.param(
            "annotations/annotations_train.csv",
            "a.jpg,5.5,3,10,7,dog,40,20\nb.jpg,,,,,,40,20\n",
            "SKU110K's",
            id="SKU110K's",
        ),
        pytest.param(
            "train.csv", "dog,5.5,3,4.5,4,a.jpg,40,20\n,,,,,b.jpg,40,20\n", "makesense.ai's", id="makesense.ai's"
        ),
        pytest.param(
            "train-annotations-bbox.csv",
            "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
            "a,xclick,/m/0bt9lr,1,0.1375,0.25,0.15,0.35,0,0\nb,x,,,,,,,,\n",
            "Open Images'",
            id="Open Images'",
        ),
        pytest.param(
            "train.csv",
            "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
            'a.jpg,9,{},1,0,"{""name"":""rect"",""x"":5.5,""y"":3,""width"":4.5,""height"":4}","{""class"":""dog""}"\n'
            "b.jpg,9,{},0,0,{},{}\n",
            "VIA's",
            id="VIA's rectangles",
        ),
        pytest.param(
            "train.csv",
            "#filename,filename,region_shape_attributes,region_attributes\n"
            'x,a.jpg,"{""all_points_x"":[5.5,10,7],""all_points_y"":[4,3,7]}","{""k"":{""cat"":false,""dog"":true}}"\n'
            "x,b.jpg,{},{}\n",
            "VIA's",
            id="VIA's polygons and ticked boxes",
        ),
        pytest.param(
            "train.csv",
            "TRAIN,gs://bucket/set/a.jpg,dog,0.1375,0.15,,,0.25,0.35,,\nTRAIN,gs://bucket/set/b.jpg,,,,,,,,,\n",
            "AutoML's",
            id="AutoML's",
        ),
    ],
)
def test_dialects_by_hand(tmp_path: Path, name: str, text: str, dialect: str) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/0bt9lr,dog\n/m/01yrx,cat\n")
    dataset = open_dataset(write_csv(tmp_path, text, name=name), strict=True)
    found = {sample.image_id: sample for sample in dataset.samples("train")}
    assert found.keys() == {"a.jpg", "b.jpg"}
    np.testing.assert_allclose(found["a.jpg"].boxes_xyxy_px, [[5.5, 3, 10, 7]], rtol=1e-6)
    assert (dataset.class_names, len(found["b.jpg"])) == (("dog",), 0)
    assert dataset.found.startswith(f"csv layout ({dialect}): " if dialect else "csv layout: ")


def test_automl_tells_of_all_splits_in_one_file(tmp_path: Path) -> None:
    text = "TRAIN,gs://x/a.jpg,dog,0,0,,,1,1,,\nVALIDATION,gs://x/b.jpg,cat,0,0,,,1,1,,\nTEST,,dog,0,0,,,1,1,,\n"
    dataset = open_dataset(write_csv(tmp_path, text, name="all.csv"))
    assert dataset.official_splits() == ("train", "val", "test")
    assert [sample.boxes_xyxy_px.tolist() for sample in dataset.samples("val")] == [[[0, 0, 40, 20]]]
    assert list(dataset.samples("test")) == []
    assert "all.csv line 3: expected an image's name" in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


def test_shares_in_tensorflows_columns_show_by_their_numbers(tmp_path: Path) -> None:
    header = "filename,class,xmin,ymin,xmax,ymax\n"
    dataset = open_dataset(write_csv(tmp_path, f"{header}a.jpg,dog,0.25,0.5,1,1\n"))
    assert next(dataset.samples("train")).boxes_xyxy_px.tolist() == [[10, 10, 40, 20]]
    whole = open_dataset(write_csv(tmp_path, f"{header}a.jpg,dog,0,0,1,1\n"))
    assert next(whole.samples("train")).boxes_xyxy_px.tolist() == [[0, 0, 1, 1]], "whole numbers are pixels"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        pytest.param("filename,label,left,top,right,bottom", "a.jpg,dog,10,5,30,15", id="left and right"),
        pytest.param("filename,label,left,top,width,height", "a.jpg,dog,10,5,20,10", id="left, width"),
        pytest.param("filename,class,x_center,y_center,width,height", "a.jpg,dog,20,10,20,10", id="the centre"),
        pytest.param("image,width,height,label,cx,cy,w,h", "a.jpg,40,20,dog,20,10,20,10", id="a centre in short"),
        pytest.param("image,label,xmin,ymin,width,height", "a.jpg,dog,10,5,20,10", id="a corner and a size"),
        pytest.param(
            "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
            "dog,10,5,20,10,a.jpg,40,20",
            id="makesense.ai with a header",
        ),
        pytest.param("image_id,label,bbox", "a,dog,[10 5 20 10]", id="spaces in brackets"),
    ],
)
def test_columns_of_other_names(header: str, row: str, tmp_path: Path) -> None:
    (sample,) = open_dataset(write_csv(tmp_path, f"{header}\n{row}\n"), strict=True).samples("train")
    assert sample.boxes_xyxy_px.tolist() == [[10, 5, 30, 15]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            f'{HEADER}a.jpg,dog,1,2,3,4\n"b.jpg,dog,1,2,3,4\na.jpg,dog,2,2,3,4\n',
            "train.csv line 4: expected CSV, got unexpected end of data. Look for a quotation mark without its other.",
            id="a quotation mark without its other",
        ),
        pytest.param(
            f"{HEADER}a.jpg,dog,0.25,0.5,1,1\n",
            "train.csv: expected pixels in xmin, ymin, xmax and ymax, got numbers from 0 to 1, which are shares of the "
            "image. Multiply x by its width and y by its height.",
            id="shares in our own columns",
        ),
    ],
)
def test_tables_that_cannot_be_read(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_dataset(write_csv(tmp_path, text))
    assert str(error.value) == f"{tmp_path}/{message}"


def test_numbers_of_classes(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    dataset = open_dataset(write_csv(tmp_path, "image,class_id,xmin,ymin,xmax,ymax\na.jpg,1,1,2,3,4\n"), strict=True)
    (sample,) = dataset.samples("train")
    assert (dataset.class_names, sample.class_ids.tolist()) == (("cat", "dog"), [1])


def test_lines_as_old_macs_end_them_and_fields_of_pages(tmp_path: Path) -> None:
    text = f"{HEADER.strip()},more\na.jpg,dog,1,2,3,4,{'x' * 200_000}\n".replace("\n", "\r")
    (sample,) = open_dataset(write_csv(tmp_path, text, name="train.CSV"), strict=True).samples("train")
    assert sample.boxes_xyxy_px.tolist() == [[1, 2, 4, 5]]


def test_open_images_groups_are_crowds(tmp_path: Path) -> None:
    header = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    dataset = open_dataset(write_csv(tmp_path, f"{header}a,/m/1,0,1,0,1,1\na,/m/1,0,1,0,1,0\n"), strict=True)
    sample = next(dataset.samples("train"))
    assert sample.crowd is not None
    assert (sample.crowd.tolist(), sample.difficult.tolist(), dataset.class_names) == (
        [True, False],
        [True, False],
        ("/m/1",),
    )


@pytest.mark.parametrize(
    ("shape", "attributes"),
    [
        pytest.param('{"cx": 4, "cy": 5}', '{"class": "dog"}', id="a point"),
        pytest.param('{"all_points_x": [1, 2], "all_points_y": [1, 2]}', '{"class": "dog"}', id="a line"),
        pytest.param('{"all_points_x": [1, 2, 3], "all_points_y": [1, 2, "x"]}', '{"class": "dog"}', id="a word"),
        pytest.param('{"x": 1, "y": 1, "width": 2, "height": 3}', "{}", id="no class"),
        pytest.param('{"x": 1, "y": 1, "width": 2, "height": 3}', "[1]", id="a list for attributes"),
        pytest.param("{cut", '{"class": "dog"}', id="cut short"),
    ],
)
def test_via_shapes_that_give_no_box(tmp_path: Path, shape: str, attributes: str) -> None:
    quoted = ",".join('"' + text.replace('"', '""') + '"' for text in (shape, attributes))
    text = f"filename,region_shape_attributes,region_attributes\na.jpg,{quoted}\nb.jpg,{{}},{{}}\n"
    dataset = open_dataset(write_csv(tmp_path, text))
    assert [sample.image_id for sample in dataset.samples("train")] == ["b.jpg"]
    assert "expected a class and a shape with an extent" in dataset.report.examples(Problem.BROKEN_ANNOTATION)[0]


@pytest.mark.parametrize(
    ("shape", "edges"),
    [
        pytest.param('{"cx": 10, "cy": 9, "r": 4}', (6, 5, 14, 13), id="a circle"),
        pytest.param('{"cx": 10, "cy": 9, "rx": 4, "ry": 2}', (6, 7, 14, 11), id="an ellipse"),
    ],
)
def test_via_round_shapes(tmp_path: Path, shape: str, edges: tuple[float, ...]) -> None:
    quoted = '"' + shape.replace('"', '""') + '"'
    text = f'filename,region_shape_attributes,region_attributes\na.jpg,{quoted},"{{""name"":""dog""}}"\n'
    dataset = open_dataset(write_csv(tmp_path, text), strict=True)
    assert next(dataset.samples("train")).boxes_xyxy_px.tolist() == [list(edges)]


def test_an_image_that_no_list_has_cannot_be_asked_for(tmp_path: Path) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{HEADER}a.jpg,dog,1,1,9,9\n"), strict=True)
    with pytest.raises(InputError, match=r"expected b\.jpg in one of the lists, got it in none"):
        dataset.sample("b.jpg")


def test_files_beside_the_images_name_splits_by_their_folders(tmp_path: Path) -> None:
    for split, image in (("train", "a.jpg"), ("valid", "b.jpg")):
        (tmp_path / split).mkdir()
        (tmp_path / split / "_annotations.csv").write_text(f"filename,class,xmin,ymin,xmax,ymax\n{image},dog,1,1,9,9\n")
        cv2.imwrite(str(tmp_path / split / image), np.zeros((*HW, 3), np.uint8))
    dataset = open_dataset(tmp_path, strict=True)
    assert dataset.official_splits() == ("train", "val")
    assert [sample.image_id for sample in dataset.samples("valid")] == ["valid/b.jpg"]
    alone = open_dataset(tmp_path / "train", strict=True)
    assert [sample.image_id for sample in alone.samples("all")] == ["a.jpg"]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        pytest.param("filename,x,y,width,height,label", "a.jpg,1,2,3,4,dog", id="a corner, width and height"),
        pytest.param("image,class_id,x,y,w,h", "a.jpg,dog,1,2,3,4", id="the same in short"),
        pytest.param("image_id,width,height,bbox,label", 'a,40,20,"[1.0, 2, 3, 4]",dog', id="a box in brackets"),
    ],
)
def test_boxes_by_corner_and_size(tmp_path: Path, header: str, line: str) -> None:
    dataset = open_dataset(write_csv(tmp_path, f"{header}\n{line}\n"), strict=True)
    assert next(dataset.samples("train")).boxes_xyxy_px.tolist() == [[1, 2, 4, 6]]
    assert dataset.class_names == ("dog",)


@pytest.mark.parametrize("box", ["[1, 2, 3]", "[]", "nothing"])
def test_a_box_in_brackets_that_is_none(tmp_path: Path, box: str) -> None:
    dataset = open_dataset(write_csv(tmp_path, f'image,label,bbox\na.jpg,dog,"{box}"\n'))
    assert list(dataset.samples("train")) == []
    assert dataset.report.count(Problem.BROKEN_ANNOTATION) == 1


def test_a_column_tells_the_split(tmp_path: Path) -> None:
    text = "image,set,label,xmin,ymin,xmax,ymax\na.jpg,training,dog,1,2,3,4\nb.jpg,Valid,dog,1,2,3,4\n"
    dataset = open_dataset(write_csv(tmp_path, text), strict=True)
    assert {split: len(list(dataset.samples(split))) for split in dataset.official_splits()} == {"train": 1, "val": 1}


@pytest.mark.parametrize("name", ["train.csv", "train_labels.csv"])
def test_a_list_to_train_on_that_cannot_be_read_is_not_passed_over(tmp_path: Path, name: str) -> None:
    table = "filename,class,xmin,ymin,xmax,ymax\na.jpg,dog,1,1,9,9\n"
    write_csv(tmp_path, table, name=name.replace("train", "val"))
    (tmp_path / name).write_text(table, encoding="utf-16")
    with pytest.raises(InputError, match=rf"{name} line 1: expected UTF-8, got the byte 0xff"):
        open_dataset(tmp_path)
