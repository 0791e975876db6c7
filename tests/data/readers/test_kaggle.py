"""The Kaggle challenge's layout, boxes worked out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.sample import Sample, data_sha256
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr

BALL, DOG, SCORPION = "n02802426", "n02106662", "n01770393"


def _train(root: Path) -> dict[str, Sample]:
    return {sample.image_id: sample for sample in open_dataset(root).samples("train")}


def test_inclusive_corners_become_edges(kaggle_root: Path) -> None:
    samples = _train(kaggle_root)
    np.testing.assert_array_equal(samples[f"{BALL}/{BALL}_0"].boxes_xyxy_px, [[26, 52, 33, 59]])
    np.testing.assert_array_equal(samples[f"{SCORPION}/{SCORPION}_146"].boxes_xyxy_px, [[0, 25, 64, 53]])


def test_a_box_one_pixel_thin_is_one_pixel_high(kaggle_root: Path) -> None:
    (box,) = _train(kaggle_root)[f"{BALL}/{BALL}_1"].boxes_xyxy_px
    np.testing.assert_array_equal(box, [20, 0, 26, 1])


def test_a_grey_image_is_read_in_colour(kaggle_root: Path) -> None:
    image = read_image_bgr(_train(kaggle_root)[f"{SCORPION}/{SCORPION}_146"].image_path)
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_names_are_first_synonyms_in_the_order_of_the_file(kaggle_root: Path) -> None:
    dataset = open_dataset(kaggle_root)
    assert dataset.class_names == ("scorpion", "German shepherd", "basketball")
    assert (dataset.layout, dataset.name) == ("kaggle", "ILSVRC CLS-LOC")
    assert _train(kaggle_root)[f"{BALL}/{BALL}_0"].class_ids.tolist() == [2]


def test_classes_are_chosen_by_name_or_wnid(kaggle_root: Path) -> None:
    dataset = open_dataset(kaggle_root, class_names=("basketball", SCORPION))
    assert dataset.class_names == ("basketball", "scorpion")
    samples = {sample.image_id: sample for sample in dataset.samples("train")}
    assert samples[f"{SCORPION}/{SCORPION}_0"].class_ids.tolist() == [1]
    assert not any(image_id.startswith(DOG) for image_id in samples)  # what else is on a dog's picture, nobody says
    assert (dataset.report.images, dataset.report.background_images) == (4, 0)


def test_two_classes_of_one_name_are_told_apart(kaggle_copy: Path) -> None:
    (kaggle_copy / "LOC_synset_mapping.txt").write_text(
        f"{DOG} crane\n{BALL} crane, lifting machine\n{SCORPION} scorpion"
    )
    assert open_dataset(kaggle_copy).class_names == (f"crane ({DOG})", f"crane ({BALL})", "scorpion")


def test_the_csv_file_stands_in_for_missing_xml_files(kaggle_copy: Path) -> None:
    from_xml = data_sha256(open_dataset(kaggle_copy).samples("train"))
    shutil.rmtree(kaggle_copy / "ILSVRC" / "Annotations")
    dataset = open_dataset(kaggle_copy)
    assert data_sha256(dataset.samples("train")) == from_xml
    assert dataset.report.to_dict()["problems"] == {}


def test_a_csv_row_may_hold_several_boxes(kaggle_copy: Path) -> None:
    shutil.rmtree(kaggle_copy / "ILSVRC" / "Annotations")
    (kaggle_copy / "LOC_train_solution.csv").write_text(
        f"ImageId,PredictionString\n{BALL}_0,{BALL} 1 2 3 4 {DOG} 10 10 10 10 \n"
    )
    sample = _train(kaggle_copy)[f"{BALL}/{BALL}_0"]
    np.testing.assert_array_equal(sample.boxes_xyxy_px, [[1, 2, 4, 5], [10, 10, 11, 11]])
    assert sample.class_ids.tolist() == [2, 1]


def test_val_images_lie_in_one_folder(kaggle_copy: Path) -> None:
    name = "ILSVRC2012_val_00000001"
    source = kaggle_copy / "ILSVRC" / "Data" / "CLS-LOC" / "train" / BALL / f"{BALL}_0.JPEG"
    target = kaggle_copy / "ILSVRC" / "Data" / "CLS-LOC" / "val" / f"{name}.JPEG"
    target.parent.mkdir()
    shutil.copyfile(source, target)
    (kaggle_copy / "ILSVRC" / "ImageSets" / "CLS-LOC" / "val.txt").write_text(f"{name} 1\n")
    (kaggle_copy / "LOC_val_solution.csv").write_text(f"ImageId,PredictionString\n{name},{DOG} 0 0 63 63 \n")
    (sample,) = open_dataset(kaggle_copy).samples("val")
    assert (sample.image_id, sample.image_path) == (name, target)
    np.testing.assert_array_equal(sample.boxes_xyxy_px, [[0, 0, 64, 64]])


def test_train_is_the_list_that_localization_trains_on(kaggle_copy: Path) -> None:
    lists = kaggle_copy / "ILSVRC" / "ImageSets" / "CLS-LOC"
    (lists / "train_loc.txt").write_text(f"{BALL}/{BALL}_0 1\n")
    dataset = open_dataset(kaggle_copy)
    assert dataset.sample_ids("train") == [f"{BALL}/{BALL}_0"]
    assert len(dataset.sample_ids("train_cls")) == 6
    (lists / "train_loc.txt").unlink()
    assert len(open_dataset(kaggle_copy).sample_ids("train")) == 6


def test_the_seeded_split_needs_no_annotation_of_training_images(kaggle_copy: Path) -> None:
    shutil.rmtree(kaggle_copy / "ILSVRC" / "Annotations")
    (kaggle_copy / "LOC_train_solution.csv").unlink()
    dataset = open_dataset(kaggle_copy)
    assert len(dataset.sample_ids("seeded-train")) == 5
    assert len(dataset.sample_ids("seeded-val")) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("basketbal", "Near: basketball.", id="a slip of the pen"),
        pytest.param("zeppelin", "LOC_synset_mapping.txt lists them.", id="nothing near"),
    ],
)
def test_an_unknown_class_is_an_error(kaggle_root: Path, name: str, hint: str) -> None:
    with pytest.raises(InputError) as raised:
        open_dataset(kaggle_root, class_names=(name,))
    assert str(raised.value) == f"{name}: expected one of the 3 classes of ILSVRC CLS-LOC. {hint}"


def test_missing_class_names_are_an_error(kaggle_copy: Path) -> None:
    (kaggle_copy / "LOC_synset_mapping.txt").unlink()
    with pytest.raises(
        InputError, match=r"LOC_synset_mapping\.txt: expected the names of the classes, got: No such file"
    ):
        open_dataset(kaggle_copy)


def test_missing_lists_are_an_error(kaggle_copy: Path) -> None:
    for path in (kaggle_copy / "ILSVRC" / "ImageSets" / "CLS-LOC").iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"CLS-LOC: expected lists of images such as train_loc\.txt, got none"):
        open_dataset(kaggle_copy)


def test_a_broken_csv_row_is_reported(kaggle_copy: Path) -> None:
    shutil.rmtree(kaggle_copy / "ILSVRC" / "Annotations")
    (kaggle_copy / "LOC_train_solution.csv").write_text(f"ImageId,PredictionString\n{BALL}_0,{BALL} 1 2 3 \n")
    (kaggle_copy / "ILSVRC" / "ImageSets" / "CLS-LOC" / "train_loc.txt").write_text(f"{BALL}/{BALL}_0 1\n")
    with pytest.raises(InputError, match=rf"LOC_\*_solution\.csv, {BALL}/{BALL}_0: expected groups of"):
        list(open_dataset(kaggle_copy, strict=True).samples("train"))
