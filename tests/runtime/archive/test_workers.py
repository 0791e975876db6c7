"""Workers on Ray: one that dies costs nothing, nor a chunk that kills them, nor a machine that goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from singleshot.runtime.archive import workers as workers_module
from singleshot.runtime.archive.chunks import Chunk
from singleshot.runtime.archive.looking import Answer, Look
from singleshot.runtime.archive.scan import scan
from singleshot.runtime.archive.workers import Workers
from singleshot.runtime.errors import InputError
from singleshot.runtime.shipped import CLIP

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow


class Dying:
    """Dies at the clip `always`, and once at `once`."""

    def __init__(self, _files: Any, _look: Look, *, trust: bool) -> None:
        self._trust = trust

    def failure(self) -> str:
        return ""

    def answer(self, chunk: Chunk) -> Answer:
        mark = Path(chunk.clip)
        if mark.name == "always" or (mark.name == "once" and not mark.exists()):
            mark.touch()
            os._exit(1)
        return Answer(chunk=chunk, frames=1)


@pytest.fixture
def dying(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(workers_module, "Worker", Dying)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_worker_that_dies_is_replaced(dying: None, small_detector: Path, tmp_path: Path) -> None:
    chunks = [Chunk(clip=str(tmp_path / name)) for name in ("a", "once", "b", "always", "c", "d")]
    with Workers(small_detector, Look(), count=2) as pool:
        answers = {Path(answer.chunk.clip).name: answer.error for answer in pool.answers(iter(chunks))}
    assert "always: expected a worker that lives, got 3 that died" in answers.pop("always")
    assert answers == dict.fromkeys(("a", "once", "b", "c", "d"), "")


def test_model_that_no_worker_can_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")  # a cluster that runs here has nothing to do with it
    (tmp_path / "none.onnx").write_bytes(b"no graph")
    with (
        Workers(tmp_path / "none.onnx", Look(), count=1) as pool,
        pytest.raises(InputError, match=r"workers: expected one at least that opens the model, got: .*none\.onnx"),
    ):
        list(pool.answers(iter([Chunk(clip="a")])))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_no_cluster_at_that_address(address: str, small_detector: Path) -> None:
    with pytest.raises(InputError, match=rf"--ray-address {address}: expected a cluster of Ray, as HOST:PORT, got"):
        Workers(small_detector, Look(), address=address)


def test_machine_of_two_that_goes_in_the_middle(small_detector: Path, tmp_path: Path) -> None:
    """Two nodes on loopback; the second is killed when the first answer has come."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    killed: list[bool] = []

    def kill(what: str, _done: int, _total: int) -> None:
        if what == "seconds of video" and not killed:
            killed.append(True)
            cluster.remove_node(second, allow_graceful=False)

    try:
        look = Look(score=("0.3",), chunk_s=0.5)
        summary = scan(
            CLIP, tmp_path / "out", model=small_detector, look=look, ray_address=cluster.address, progress=kill
        )
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    assert killed
    assert (summary.workers, summary.bad) == (2, [])
    assert summary.clips[0].frames == 282
