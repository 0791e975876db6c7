"""What tests of several parts share: the tiny graphs, and videos made on the spot."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import settings

from singleshot.tests.fixtures.animals import WriteVoc, write_animals
from singleshot.tests.fixtures.voc_folder import VocFolder
from singleshot.tests.places import CLIP, GRAPHS, KAGGLE, VOC_ROOT

# How long an example takes says something of the machine, nothing of the code.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

# Tests run a process to a core, and what they train and compare is too small to gain by more; it counts for torch
# wherever it is loaded, in further processes too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

WriteVideo = Callable[..., Path]


def pytest_collection_finish() -> None:
    """Take what is loaded by now out of the collector's sight: tests that collect would look through all of torch."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def image_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded images of tests out of the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SINGLESHOT_CACHE_DIR", str(tmp_path_factory.mktemp("image-caches")))
        yield


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the list of builds and the timing caches of whoever runs the tests out of them."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return folder


@pytest.fixture
def ctrl_c_raises() -> Iterator[None]:
    """A shell's background job, as a test run may be, starts with SIGINT ignored, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def graphs() -> Path:
    """Folder of the graphs that `make_graphs.py` describes."""
    return GRAPHS


@pytest.fixture
def dog_clip() -> Path:
    """282 frames of 640x360, 25 a second."""
    return CLIP


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Give a function that writes a video whose frames grow brighter."""

    def write(
        name: str = "clip.mp4", *, times_s: Sequence[float], height: int = 48, width: int = 64, rotation: int = 0
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), mode="w") as container:
            stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "4"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
            if rotation:
                stream.set_display_rotation(rotation)
            for number, time_s in enumerate(times_s):
                image = np.full((height, width, 3), min(255, 20 + 10 * number), np.uint8)
                image[: height // 2, : width // 2] = 255 - image[0, 0, 0]
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def small_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of two classes with random weights: two convolutions and two heads, 64x64 in, D = 256."""
    from singleshot.export.graphs.graph_file import save_graph  # onnx is not there where the runtime alone is tested
    from singleshot.tests.fixtures.small_detector import CARD, small_detector_graph

    path = tmp_path_factory.mktemp("small") / "small.onnx"
    save_graph(small_detector_graph(), CARD, path)
    return path


@pytest.fixture
def voc_folder(tmp_path: Path) -> VocFolder:
    return VocFolder(root=tmp_path)


@pytest.fixture
def voc_root() -> Path:
    """Five real images."""
    return VOC_ROOT


@pytest.fixture
def kaggle_root() -> Path:
    """Six real images."""
    return KAGGLE


@pytest.fixture
def kaggle_copy(tmp_path: Path, kaggle_root: Path) -> Path:
    """The same six, to be changed."""
    return Path(shutil.copytree(kaggle_root, tmp_path / "kaggle"))


@pytest.fixture
def write_voc(tmp_path: Path) -> WriteVoc:
    """Give a function that lays out pictures as PASCAL VOC, from lists of `PICTURES` by split: `train_0` and on."""
    return lambda splits: write_animals(tmp_path, splits)


@pytest.fixture(scope="session")
def animals_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 images to train on, 3 of them without a horse or a dog; 10 to validate on, with 10 horses."""
    train = ["dog", "dog and two chairs, one difficult", "horse and two people", "cat"] * 3
    val = ["two horses and two people", "dog"] * 5
    return write_animals(tmp_path_factory.mktemp("animals"), {"train": train, "val": val})
