"""The cache of decoded images: right, whole, found again, and never larger in memory than what is looked at."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from singleshot.data.cache import building
from singleshot.data.cache.building import default_cache_folder, open_image_cache
from singleshot.data.cache.image_cache import DecodedImages, ImageCache, stored_hw
from singleshot.data.dataset import open_dataset
from singleshot.data.report import Problem
from singleshot.data.sample import Sample
from singleshot.data.usable_samples import Found, check_samples, image_or_problem
from singleshot.runtime.errors import InputError
from singleshot.runtime.image_files import read_image_bgr
from singleshot.tests.fixtures.voc_folder import VocFolder
from singleshot.tests.places import VOC_ROOT

HW = (64, 96)
KILLED = -signal.SIGKILL


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images to spoil."""
    shutil.copytree(VOC_ROOT, tmp_path / "VOCdevkit")
    return tmp_path / "VOCdevkit"


def opened(
    root: Path, caches: Path, *, input_hw: tuple[int, int] = HW, classes: tuple[str, ...] | None = None
) -> ImageCache:
    return open_image_cache(open_dataset(root, class_names=classes), "trainval", input_hw=input_hw, folder=caches)


def images_folder(root: Path) -> Path:
    return root / "VOC2012" / "JPEGImages"


def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every image that is decoded from now on."""
    names: list[str] = []
    untouched = image_or_problem

    def noting(sample: Sample) -> NDArray[np.uint8] | Found:
        names.append(sample.image_id)
        return untouched(sample)

    monkeypatch.setattr(building, "image_or_problem", noting)
    return names


def test_what_is_stored_is_the_image_at_one_and_a_half_times_the_input(root: Path, tmp_path: Path) -> None:
    dataset = open_dataset(root)
    cache = opened(root, tmp_path)
    ids = dataset.sample_ids("trainval")
    assert cache.image_ids() == ids
    for index, image_id in enumerate(ids):
        sample, image = dataset.sample(image_id), cache.image(index)
        original = read_image_bgr(sample.image_path)
        height, width = min(96, original.shape[0]), min(144, original.shape[1])
        expected = cv2.resize(original, (width, height), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
        np.testing.assert_array_equal(image.image_rgb, expected)
        assert not image.image_rgb.flags.writeable
        assert (image.image_id, image.hw_px) == (image_id, original.shape[:2])
        sides = [sample.width_px, sample.height_px] * 2
        np.testing.assert_allclose(image.boxes_xyxy * sides, sample.boxes_xyxy_px, atol=1e-3)
        np.testing.assert_array_equal(image.class_ids, sample.class_ids)
        np.testing.assert_array_equal(image.difficult, sample.difficult)


def test_decoding_anew_gives_the_same(root: Path, tmp_path: Path) -> None:
    cache, dataset = opened(root, tmp_path), open_dataset(root)
    anew = DecodedImages(dataset, dataset.sample_ids("trainval"), input_hw=HW)
    assert len(anew) == len(cache) == 5
    for index in range(5):
        one, other = cache.image(index), anew.image(index)
        np.testing.assert_array_equal(one.image_rgb, other.image_rgb)
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        assert one.hw_px == other.hw_px
    anew.forget_pages()


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(1, 600), st.integers(1, 600))
def test_nothing_is_enlarged_and_nothing_kept_in_vain(height: int, width: int, rows: int, columns: int) -> None:
    kept = stored_hw((height, width), (rows, columns))
    assert kept[0] == (height if height <= 1.5 * rows else int(1.5 * rows))
    assert kept[1] == (width if width <= 1.5 * columns else int(1.5 * columns))


def test_the_next_run_decodes_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(root, tmp_path)
    names = decoded(monkeypatch)
    told: list[object] = []
    open_image_cache(
        open_dataset(root), "trainval", input_hw=HW, folder=tmp_path, on_need=lambda *need: told.append(need)
    )
    assert (names, told) == ([], [])


def test_other_labels_need_no_other_pixels(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_classes = opened(root, tmp_path)
    names = decoded(monkeypatch)
    dogs = opened(root, tmp_path, classes=("dog",))
    assert names == []
    assert sum(len(dogs.image(index).class_ids) for index in range(5)) < sum(
        len(all_classes.image(index).class_ids) for index in range(5)
    )
    assert {int(class_id) for index in range(5) for class_id in dogs.image(index).class_ids} == {0}


@pytest.mark.parametrize("change", ["input", "file", "date", "split"])
def test_what_changed_is_decoded_anew(root: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(root, tmp_path)
    names = decoded(monkeypatch)
    path = images_folder(root) / "2010_000276.jpg"
    if change == "file":
        image = np.full((161, 200, 3), 200, np.uint8)
        cv2.imwrite(str(path), image)
        assert int(np.median(opened(root, tmp_path).image(2).image_rgb)) == 200
    elif change == "date":
        os.utime(path, ns=(1, 1))
        opened(root, tmp_path)
    elif change == "input":
        assert opened(root, tmp_path, input_hw=(32, 32)).image(0).image_rgb.shape == (48, 48, 3)
    else:
        open_image_cache(open_dataset(root), "train", input_hw=HW, folder=tmp_path)
    assert names


def test_broken_images_are_named_now_and_in_later_runs(root: Path, tmp_path: Path) -> None:
    path = images_folder(root) / "2010_000276.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    for _ in range(2):
        dataset = open_dataset(root)
        cache = open_image_cache(dataset, "trainval", input_hw=HW, folder=tmp_path)
        assert len(cache) == 4
        assert "2010_000276" not in cache.image_ids()
        assert dataset.report.count(Problem.BROKEN_IMAGE) == 1
        assert "2010_000276.jpg: expected a whole image" in dataset.report.examples(Problem.BROKEN_IMAGE)[0]
        assert [len(cache.image(index).class_ids) for index in range(4)] == [
            len(sample) for sample in dataset.samples("trainval")
        ]


def test_a_broken_image_makes_no_second_cache(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = images_folder(root) / "2010_000276.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    dataset = open_dataset(root)
    first = open_image_cache(dataset, "trainval", input_hw=HW, folder=tmp_path / "c")
    names = decoded(monkeypatch)
    again = open_image_cache(dataset, "trainval", input_hw=HW, folder=tmp_path / "c")
    assert (again.location, again.image_ids()) == (first.location, first.image_ids())
    assert names == []
    assert len(list((tmp_path / "c").iterdir())) == 1
    assert (dataset.report.images, dataset.report.count(Problem.BROKEN_IMAGE)) == (4, 1)


def test_an_image_that_was_seen_to_be_broken_before(root: Path, tmp_path: Path) -> None:
    path = images_folder(root) / "2010_000276.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    dataset = open_dataset(root)
    check_samples(dataset, "trainval")
    after = open_image_cache(dataset, "trainval", input_hw=HW, folder=tmp_path)
    assert after.location == opened(root, tmp_path).location
    assert [len(after.image(index).class_ids) for index in range(4)] == [
        len(sample) for sample in dataset.samples("trainval")
    ]


def test_a_strict_data_set_stops_at_the_broken_image(root: Path, tmp_path: Path) -> None:
    path = images_folder(root) / "2010_000276.jpg"
    path.write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(InputError, match=r"2010_000276\.jpg: expected an image that OpenCV can decode"):
            open_image_cache(open_dataset(root, strict=True), "trainval", input_hw=HW, folder=tmp_path)


def test_a_split_without_a_usable_image(root: Path, tmp_path: Path) -> None:
    for path in images_folder(root).iterdir():
        path.write_bytes(b"none")
    for _ in range(2):
        with pytest.raises(InputError, match="expected labelled images, got none that can be used of 5 listed"):
            opened(root, tmp_path)


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from singleshot.data.dataset import open_dataset
from singleshot.data.cache.building import open_image_cache

def kill(split, done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

data, caches = map(Path, sys.argv[1:])
open_image_cache(open_dataset(data), "trainval", input_hw=(64, 96), folder=caches, on_progress=kill)
"""


def test_a_killed_run_is_gone_on_with(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caches = tmp_path / "caches"
    killed = subprocess.run([sys.executable, "-c", KILLED_RUN, str(root), str(caches)], check=False)
    assert killed.returncode == KILLED
    assert not list(caches.glob("*/about.json"))
    names = decoded(monkeypatch)
    done: list[tuple[str, int, int]] = []
    cache = open_image_cache(
        open_dataset(root), "trainval", input_hw=HW, folder=caches, on_progress=lambda *at: done.append(at)
    )
    assert names == cache.image_ids()[3:]
    assert done == [("trainval", 4, 5), ("trainval", 5, 5)]
    whole = opened(root, tmp_path / "whole")
    for index in range(5):
        np.testing.assert_array_equal(cache.image(index).image_rgb, whole.image(index).image_rgb)
    (folder,) = caches.iterdir()
    assert not (folder / "checksums.bin").exists()


def test_what_a_power_cut_lost_is_decoded_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_split: str, done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_image_cache(open_dataset(root), "trainval", input_hw=HW, folder=tmp_path / "c", on_progress=interrupt)
    (folder,) = (tmp_path / "c").iterdir()
    with (folder / "pixels.bin").open("r+b") as file:
        file.seek(100)
        file.write(bytes(50))
    names = decoded(monkeypatch)
    cache = opened(root, tmp_path / "c")
    assert sorted(names) == sorted([cache.image_ids()[0], *cache.image_ids()[3:]])
    assert (cache.image(0).image_rgb == opened(root, tmp_path / "whole").image(0).image_rgb).all()


def test_the_need_is_told_before_and_is_exact(root: Path, tmp_path: Path) -> None:
    told: list[tuple[Path, int]] = []

    def need(folder: Path, size: int) -> None:
        assert not (folder / "pixels.bin").stat().st_size
        told.append((folder, size))

    cache = open_image_cache(open_dataset(root), "trainval", input_hw=HW, folder=tmp_path / "c", on_need=need)
    ((folder, size),) = told
    assert (
        size == (folder / "pixels.bin").stat().st_size == sum(cache.image(index).image_rgb.size for index in range(5))
    )


def test_a_disk_without_the_room_is_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9, 1000))
    names = decoded(monkeypatch)
    with pytest.raises(InputError, match=r"expected 0 MiB for the image cache, got 0 MiB of free disk\. Make room"):
        opened(root, tmp_path)
    assert names == []


def test_a_disk_that_fills_up_leaves_what_was_decoded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(InputError, match="expected room for an image cache, got: No space left on device"):
            opened(root, tmp_path)
    assert len(opened(root, tmp_path)) == 5


def test_a_place_that_cannot_be_written_to(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"expected a folder that can be written to, got: .*--cache-dir"):
        opened(root, tmp_path / "file")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda path: os.truncate(path, 1000), "expected a whole image cache, got one that was cut", id="cut"
        ),
        pytest.param(Path.unlink, r"pixels\.bin: expected a file of the image cache, got: No such file", id="gone"),
    ],
)
def test_a_spoilt_cache_is_told(root: Path, tmp_path: Path, spoil: object, message: str) -> None:
    opened(root, tmp_path / "c")
    (folder,) = (tmp_path / "c").iterdir()
    spoil(folder / "pixels.bin")  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        opened(root, tmp_path / "c")


def test_images_by_class(root: Path, tmp_path: Path) -> None:
    cache = opened(root, tmp_path, classes=("dog", "person", "chair"))
    ids = cache.image_ids()
    named = [[ids[index] for index in images] for images in cache.images_by_class()]
    dogs, people, chairs, others = named
    assert set(dogs) == {"2010_000276", "2010_001911"}
    assert set(people) == {"2008_008487", "2009_000017"}
    assert set(chairs) == {"2010_001911"}
    assert set(others) == {"2010_002531"}


def test_two_processes_at_once_decode_once(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = KILLED_RUN.replace("done == 3", "not total")
    command = [sys.executable, "-c", code, str(root), str(tmp_path / "c")]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    names = decoded(monkeypatch)
    assert len(opened(root, tmp_path / "c")) == 5
    assert names == []


def test_a_copy_for_another_process_reads_the_same(root: Path, tmp_path: Path) -> None:
    cache = opened(root, tmp_path)
    copy = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(copy.image(2).image_rgb, cache.image(2).image_rgb)


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SINGLESHOT_CACHE_DIR", str(tmp_path))
    assert default_cache_folder() == tmp_path
    monkeypatch.delenv("SINGLESHOT_CACHE_DIR")
    assert default_cache_folder() == Path.home() / ".cache" / "singleshot" / "images"


def write_large(folder: Path, images: int, *, side: int = 256) -> ImageCache:
    """Write a cache of many images without decoding any: one that a run would have left, every image the same."""
    from singleshot.data.cache.image_cache import ABOUT, IMAGES, OBJECTS_DTYPE, PIXELS, SPANS_DTYPE, images_dtype

    folder.mkdir()
    table = np.zeros(images, images_dtype(16))
    table["offset"] = np.arange(images) * side * side * 3
    table["stored_hw"] = table["hw_px"] = side
    table["image_id"] = [b"%016d" % number for number in range(images)]
    table.tofile(folder / IMAGES)
    spans = np.zeros(images, SPANS_DTYPE)
    spans["first"], spans["count"] = np.arange(images), 1
    spans.tofile(folder / "labels.spans.bin")
    np.zeros(images, OBJECTS_DTYPE).tofile(folder / "labels.objects.bin")
    with (folder / PIXELS).open("wb") as file:
        file.truncate(images * side * side * 3)  # a hole: reads as zeros, takes no disk
    (folder / ABOUT).write_text('{"id_bytes": 16}')
    return ImageCache(folder, "labels")


READ_ALL = """
import sys
from pathlib import Path
from singleshot.data.cache.image_cache import ImageCache

cache = ImageCache(Path(sys.argv[1]), "labels")
peak = 0
for index in range(len(cache)):
    cache.image(index).image_rgb.sum()
    cache.forget_pages()
    if index % 100 == 0:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
        peak = max(peak, resident)
print(peak)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory as Linux tells it")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    peaks = []
    for images in (100, 2000):
        write_large(tmp_path / str(images), images)  # 2000 images: 375 MiB
        command = [sys.executable, "-c", READ_ALL, str(tmp_path / str(images))]
        peaks.append(int(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 4 * 2**20


def test_a_split_without_an_image_is_told(voc_folder: VocFolder, tmp_path: Path) -> None:
    voc_folder.add("a", [("dog", (1, 1, 9, 9))])
    voc_folder.list_again("gone", split="val")
    with pytest.raises(InputError, match=r"VOC2012 val: expected labelled images, got none that can be used of 1"):
        open_image_cache(open_dataset(voc_folder.root), "val", input_hw=HW, folder=tmp_path / "caches")
    assert not (tmp_path / "caches").exists()
