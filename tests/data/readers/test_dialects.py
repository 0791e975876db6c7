"""What tools write, one picture and one box each: read as it lies there, and named in the table of docs/data.md."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.tests.places import ROOT

HW = (20, 40)
EDGES = [10.0, 5.0, 30.0, 15.0]
"""Of the one box, a dog, in every dialect."""

XML = (
    "<annotation><filename>a.jpg</filename><size><width>40</width><height>20</height></size><object><name>dog</name>"
    "<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30</xmax><ymax>15</ymax></bndbox></object></annotation>"
)
JSON = (
    '{"images": [{"id": 0, "file_name": "NAME", "width": 40, "height": 20}], "categories": [CATEGORIES], '
    '"annotations": [{"id": 0, "image_id": 0, "category_id": 1, "iscrowd": 0, SHAPE}]}'
)
BOX, DOG = '"bbox": [10, 5, 20, 10]', '{"id": 1, "name": "dog"}'
LINE, CORNERS = "0 .5 .5 .5 .5\n", "0 .25 .25 .75 .25 .75 .75 .25 .75\n"
YAML = "train: images/train\nnames: [dog]\n"


def coco(name: str = "a.jpg", categories: str = DOG, shape: str = BOX) -> str:
    return JSON.replace("NAME", name).replace("CATEGORIES", categories).replace("SHAPE", shape)


ROBOFLOW_CATEGORIES = '{"id": 0, "name": "pets", "supercategory": "none"}, ' + DOG[:-1] + ', "supercategory": "pets"}'
VIA_HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
VIA = '"{""name"":""rect"",""x"":10,""y"":5,""width"":20,""height"":10}","{""class"":""dog""}"\n'

DIALECTS: dict[str, tuple[str, dict[str, str]]] = {
    "PASCAL VOC": ("VOC2012/JPEGImages", {"VOC2012/Annotations/a.xml": XML, "VOC2012/ImageSets/Main/train.txt": "a\n"}),
    "VOC without lists": ("VOCdevkit/Mine/JPEGImages", {"VOCdevkit/Mine/Annotations/a.xml": XML}),
    "CVAT, VOC": (
        "JPEGImages",
        {
            "Annotations/a.xml": XML,
            "ImageSets/Main/default.txt": "a\n",
            "labelmap.txt": "# label:color_rgb:parts:actions\ndog:1,2,3::\n",
        },
    ),
    "labelImg": (".", {"a.xml": XML}),
    "Roboflow, VOC": ("train", {"train/a.xml": XML}),
    "XML in a folder": ("images", {"annotations/a.xml": XML}),
    "COCO": ("train2017", {"annotations/instances_train2017.json": coco()}),
    "CVAT, COCO": ("images", {"annotations/instances_default.json": coco()}),
    "Label Studio, COCO": ("images", {"result.json": coco("..\\\\data\\\\images\\\\a.jpg")}),
    "Roboflow, COCO": ("train", {"train/_annotations.coco.json": coco(categories=ROBOFLOW_CATEGORIES)}),
    "COCO, masks alone": (
        "images",
        {"annotations/instances_train.json": coco(shape='"segmentation": [[10, 5, 30, 5, 30, 15, 10, 15]]')},
    ),
    "YOLO, Ultralytics": ("images/train", {"labels/train/a.txt": LINE, "data.yaml": "path: /gone\n" + YAML}),
    "Roboflow, YOLO": (
        "train/images",
        {"train/labels/a.txt": LINE, "data.yaml": "train: ../train/images\nnc: 1\nnames: ['dog']\n"},
    ),
    "YOLO, polygons": ("images/train", {"labels/train/a.txt": CORNERS, "data.yaml": YAML}),
    "YOLO, key points": ("images/train", {"labels/train/a.txt": LINE[:-1] + " .5 .5 2\n", "data.yaml": YAML}),
    "YOLO, with scores": ("images/train", {"labels/train/a.txt": LINE[:-1] + " .9\n", "data.yaml": YAML}),
    "darknet": ("data", {"data/a.txt": LINE, "data/classes.txt": "dog\n"}),
    "CVAT, YOLO": (
        "obj_train_data",
        {"obj_train_data/a.txt": LINE, "obj.names": "dog\n", "train.txt": "data/obj_train_data/a.jpg\n"},
    ),
    "Label Studio, YOLO": (
        "images",
        {"labels/a.txt": LINE, "classes.txt": "dog\n", "notes.json": '{"categories": []}'},
    ),
    "CSV": ("images", {"train.csv": "image,label,xmin,ymin,xmax,ymax\na.jpg,dog,10,5,29,14\n"}),
    "CSV, semicolons": ("images", {"train.csv": "image;label;xmin;ymin;xmax;ymax\na.jpg;dog;10,0;5,0;29;14\n"}),
    "TensorFlow": (
        "images",
        {"train_labels.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,20,dog,10,5,30,15\n"},
    ),
    "RetinaNet": ("images", {"train.csv": "images/a.jpg,10,5,30,15,dog\n", "classes.csv": "dog,0\n"}),
    "SKU110K": ("images", {"annotations/annotations_train.csv": "a.jpg,10,5,30,15,dog,40,20\n"}),
    "makesense.ai": ("images", {"labels.csv": "dog,10,5,20,10,a.jpg,40,20\n"}),
    "Open Images": (
        "train",
        {
            "train-annotations-bbox.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/0bt9lr,.25,.75,.25,.75\n",
            "class-descriptions-boxable.csv": "/m/0bt9lr,dog\n",
        },
    ),
    "VIA": ("images", {"via_export_csv.csv": VIA_HEADER + "a.jpg,9,{},1,0," + VIA}),
    "LabelMe": (
        ".",
        {
            "a.json": '{"shapes": [{"label": "dog", "points": [[30, 5], [10, 15]], "shape_type": "rectangle"}], '
            '"imagePath": "a.jpg", "imageData": null, "imageHeight": 20, "imageWidth": 40}'
        },
    ),
    "Supervisely": (
        "ds0/img",
        {
            "ds0/ann/a.jpg.json": '{"size": {"height": 20, "width": 40}, "objects": [{"classTitle": "dog", '
            '"geometryType": "rectangle", "points": {"exterior": [[10, 5], [30, 15]], "interior": []}}]}',
            "meta.json": '{"classes": [{"title": "dog"}]}',
        },
    ),
    "KITTI": ("training/image_2", {"training/label_2/a.txt": "dog 0.00 0 -1.5 10 5 30 15 1.5 1.6 3.2 1 2 3 -1.6\n"}),
    "CVAT for images": (
        "images",
        {
            "annotations.xml": "<annotations><meta><task><labels><label><name>dog</name></label></labels></task></meta>"
            '<image id="0" name="a.jpg" width="40" height="20"><box label="dog" xtl="10.00" ytl="5.00" xbr="30.00" '
            'ybr="15.00"></box></image></annotations>'
        },
    ),
    "VIA, JSON": (
        "images",
        {
            "via_region_data.json": '{"a.jpg9": {"filename": "a.jpg", "size": 9, "regions": [{"shape_attributes": '
            '{"name": "rect", "x": 10, "y": 5, "width": 20, "height": 10}, "region_attributes": {"label": "dog"}}]}}'
        },
    ),
    "CreateML": (
        "train",
        {
            "train/_annotations.createml.json": '[{"image": "a.jpg", "annotations": [{"label": "dog", "coordinates": '
            '{"x": 20, "y": 10, "width": 20, "height": 10}}]}]'
        },
    ),
    "Label Studio, JSON": (
        "images",
        {
            "project-1-at-2024.json": '[{"id": 1, "data": {"image": "/data/upload/1/0123abcd-a.jpg"}, "annotations": '
            '[{"result": [{"original_width": 40, "original_height": 20, "type": "rectanglelabels", "value": {"x": 25, '
            '"y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["dog"]}}]}]}]'
        },
    ),
    "Label Studio, short JSON": (
        "images",
        {
            "project-1-min.json": '[{"image": "/data/upload/1/a.jpg", "id": 1, "label": [{"x": 25, "y": 25, '
            '"width": 50, "height": 50, "rectanglelabels": ["dog"], "original_width": 40, "original_height": 20}]}]'
        },
    ),
    "Datumaro": (
        "images/default",
        {
            "annotations/default.json": '{"info": {}, "categories": {"label": {"labels": [{"name": "dog"}]}}, "items": '
            '[{"id": "a", "annotations": [{"type": "bbox", "label_id": 0, "bbox": [10, 5, 20, 10]}], '
            '"image": {"path": "a.jpg", "size": [20, 40]}}]}'
        },
    ),
    "FiftyOne": (
        "data",
        {
            "labels.json": '{"classes": ["dog"], "labels": {"a": [{"label": 0, "bounding_box": '
            "[0.25, 0.25, 0.5, 0.5]}]}}"
        },
    ),
    "SageMaker": (
        "images",
        {
            "output.manifest": '{"source-ref": "s3://bucket/a.jpg", "boxes": {"image_size": [{"width": 40, '
            '"height": 20}], "annotations": [{"class_id": 0, "left": 10, "top": 5, "width": 20, "height": 10}]}, '
            '"boxes-metadata": {"class-map": {"0": "dog"}}}\n'
        },
    ),
    "Vertex AI": (
        "images",
        {
            "data.jsonl": '{"imageGcsUri": "gs://bucket/a.jpg", "boundingBoxAnnotations": [{"displayName": "dog", '
            '"xMin": 0.25, "yMin": 0.25, "xMax": 0.75, "yMax": 0.75}]}\n'
        },
    ),
    "Ultralytics NDJSON": (
        "images",
        {
            "data.ndjson": '{"type": "dataset", "task": "detect", "class_names": {"0": "dog"}}\n{"type": "image", '
            '"file": "a.jpg", "width": 40, "height": 20, "annotations": {"boxes": [[0, 0.5, 0.5, 0.5, 0.5]]}}\n'
        },
    ),
    "AutoML": ("images", {"all.csv": "TRAIN,gs://bucket/a.jpg,dog,.25,.25,,,.75,.75,,\n"}),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_it_is_read_as_it_lies_there(tmp_path: Path, dialect: str) -> None:
    images, files = DIALECTS[dialect]
    (tmp_path / images).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(tmp_path / images / "a.jpg"), np.full((*HW, 3), 90, np.uint8))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    dataset = open_dataset(tmp_path, strict=True)
    (sample,) = dataset.samples(dataset.official_splits()[0])
    assert sample.boxes_xyxy_px.tolist() == [EDGES]
    assert [dataset.class_names[at] for at in sample.class_ids] == ["dog"]


def test_the_table_of_the_docs_names_these_and_no_others() -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    table = text.partition("## Dialects")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:]
    assert rows == list(DIALECTS)
    assert len(rows) >= 15
