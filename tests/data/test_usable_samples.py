"""How much of a split has to be usable, whatever is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from singleshot.data.dataset import open_dataset
from singleshot.data.usable_samples import check_samples
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.voc_folder import VocFolder

DOG = ("dog", (1, 1, 20, 20))
IMAGES = 6

Spoil = Callable[[VocFolder, str], None]


def _no_labels(voc: VocFolder, image_id: str) -> None:
    voc.annotation_path(image_id).unlink()


def _half_a_polygon(voc: VocFolder, image_id: str) -> None:
    path = voc.annotation_path(image_id)
    path.write_text(path.read_text().replace("<xmax>20</xmax>", "<xmax></xmax>"))


def _cut(voc: VocFolder, image_id: str) -> None:
    path = voc.image_path(image_id)
    path.write_bytes(path.read_bytes()[:-40])


def _outside(voc: VocFolder, image_id: str) -> None:
    path = voc.annotation_path(image_id)
    path.write_text(path.read_text().replace(">1<", ">90<").replace(">20<", ">99<"))


def _other_class(voc: VocFolder, image_id: str) -> None:
    path = voc.annotation_path(image_id)
    path.write_text(path.read_text().replace("dog", "emu"))


def _voc(root: Path, spoil: Spoil, count: int) -> Path:
    voc = VocFolder(root)
    for number in range(IMAGES):
        voc.add(f"p{number}", [DOG])
    (voc.folder / "labelmap.txt").write_text("dog:::\n")
    for number in range(count):
        spoil(voc, f"p{number}")
    return root


CASES = [
    pytest.param(
        _no_labels,
        "expected most of 6 images to be usable, got 3. 3 images without an annotation (left out); .*p0.xml: expected "
        "an annotation, got no such file. Mend them, or take them for images without objects by --missing-is-background"
        ", or go on with the rest by --anyway.",
        id="no labels",
    ),
    pytest.param(
        _half_a_polygon,
        "expected most of 6 images to be usable, got 3. 3 annotations that cannot be read (image left out); .*expected "
        "a number for bndbox/xmax, got ''. Mend them, or go on with the rest by --anyway.",
        id="labels that cannot be read",
    ),
    pytest.param(
        _cut,
        "expected most of 6 images to be usable, got 3. 3 images that do not decode or end early (left out); ",
        id="cut images",
    ),
    pytest.param(
        _outside,
        "expected most of 6 objects to be usable, got 3. 3 boxes outside their image (dropped); .*Mend the labels, or "
        "go on with the rest by --anyway.",
        id="boxes outside their image",
    ),
    pytest.param(
        _other_class,
        "expected most of 6 objects to be usable, got 3. 3 objects of a class not in the list (dropped): emu 3; ",
        id="objects of a class that the data themselves do not list",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), CASES)
def test_half_is_refused_and_the_rest_is_used_on_request(tmp_path: Path, spoil: Spoil, message: str) -> None:
    root = _voc(tmp_path, spoil, IMAGES // 2)
    start, _, end = message.partition(".*")
    with pytest.raises(InputError) as raised:
        check_samples(open_dataset(root), "train")
    assert str(raised.value).startswith(f"VOC2012 train: {start}")
    assert str(raised.value).endswith(end)
    check_samples(open_dataset(root, anyway=True), "train")


@pytest.mark.parametrize(("spoil", "message"), CASES)
def test_a_third_is_reported(tmp_path: Path, spoil: Spoil, message: str) -> None:
    assert message
    report = check_samples(open_dataset(_voc(tmp_path, spoil, IMAGES // 3)), "train")
    assert report.objects["dog"] == IMAGES - IMAGES // 3


def test_classes_that_somebody_chose_lose_nothing(tmp_path: Path) -> None:
    root = _voc(tmp_path, _other_class, IMAGES - 1)
    assert check_samples(open_dataset(root, class_names=["dog"]), "train").objects["dog"] == 1


@pytest.mark.parametrize(
    ("box", "message"),
    [
        pytest.param(
            (0.2, 0.2, 0.4, 0.6),
            "expected most of 6 objects to be usable, got 0. 6 boxes within the first pixel of their image (dropped; "
            "numbers up to 1 are shares of it, not pixels); p0: dog at (-0.8, -0.8, 0.4, 0.6) in an image of 64 x 48. "
            "Mend the labels, or go on with the rest by --anyway.",
            id="shares for pixels",
        ),
        pytest.param(
            (30, 20, 100, 60),
            "expected boxes within their images, got 6 of 6 that reach far out of them (p0: dog at (29.0, 19.0, 100.0, "
            "60.0) in an image of 64 x 48). Two corners may be written where a size is expected. Mend the labels, or "
            "go on with them by --anyway.",
            id="far beyond the edges",
        ),
    ],
)
def test_numbers_of_another_convention(box: tuple[float, float, float, float], message: str, tmp_path: Path) -> None:
    voc = VocFolder(tmp_path)
    for number in range(IMAGES):
        voc.add(f"p{number}", [("dog", box)], hw=(48, 64))
    (voc.folder / "labelmap.txt").write_text("dog:::\n")
    with pytest.raises(InputError) as error:
        check_samples(open_dataset(tmp_path), "train")
    assert str(error.value) == f"VOC2012 train: {message}"
