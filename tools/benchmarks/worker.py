"""Measures one artefact in a process of its own: `python -m singleshot.tools.benchmarks.worker` with a `Job` on stdin.

What another one leaves in memory, caches or threads does not count here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.errors import SingleshotError
from .peers.timed import answering, measure_looks, peak_mib, spread
from .runs import Job, LabelledData

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...data.dataset import Dataset
    from ...runtime.session import Session

    Image = NDArray[np.uint8]

AS_IT_IS, OPENCV = "as it is", "opencv"
"""Who runs a graph without a card, and a runner that serves for comparison alone."""
_RUNTIMES = ("onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "cv2", "numpy")


def main() -> None:
    """Do what the job says; an error that a user can mend is the answer."""
    with answering() as (given, answer):
        job = Job.model_validate(given)
        try:
            _measure(job, answer)
        except SingleshotError as error:
            answer["error"] = str(error)


def _measure(job: Job, answer: dict[str, Any]) -> None:
    notes: list[str] = []
    started_s = time.perf_counter()
    if job.backend == AS_IT_IS:
        from .bare_graph import BareGraph

        bare = BareGraph(Path(job.artefact), threads=job.threads)
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)
        measure_looks(job.model_dump(), answer, bare.run, [None], lambda _found: 0)
        answer.update(runs_on=bare.backend, detections=None, memory_mib=peak_mib())
    else:
        session = _open(job, notes.append)
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)
        with session:
            answer["runs_on"] = session.backend
            if job.data is not None and job.mode == "accuracy":
                _accuracy(job.data, session, answer)
            elif job.mode == "loop":
                _loop(job, session, answer)
            else:
                if job.data is not None and job.mode == "probe":
                    _labelled(job.data, session)
                _looks(job, session, answer)
    answer.update(notes=notes, versions=_versions(), sha256=_sha256(job))


def _open(job: Job, tell: Callable[[str], None]) -> Session:
    from ...runtime.session import open_session

    path = Path(job.artefact)
    if job.backend == OPENCV:
        from ...runtime.require import require

        require("onnx", extra="export", why="a graph in OpenCV")
        from ...export.parity.runners import open_graph

        return open_graph(path, "opencv")
    from ...runtime.backends import split_option
    from ...runtime.machine import frames_in_flight

    backend, precision = split_option(job.backend)
    streams = frames_in_flight() if job.mode == "loop" else 1
    return open_session(
        path,
        backend=backend,
        precision=precision,
        threads=job.threads if streams == 1 else None,
        streams=streams,
        spins=job.mode != "paced",  # as rt-detect opens it for a camera
        trust=job.trust,
        proves=job.proves,
        tell=tell,
    )


class _Looking:
    """From images to detections, each stage timed."""

    def __init__(self, session: Session) -> None:
        from ...runtime.detection.letterbox import detections_to_frame, fit_frame
        from ...runtime.detection.thresholds import thresholds_from_options

        self._fit, self._to_frame = fit_frame, detections_to_frame
        self._spec, self._is_detector = session.card.input, session.card.task == "detector"
        self._run: Callable[[Image], Sequence[Any]] = session.run if self._is_detector else session.classify
        self._thresholds = thresholds_from_options([], session.card)
        self.stages: dict[str, list[float]] = {"resize": [], "network": [], "boxes": []}

    def fit(self, images: Sequence[Image]) -> Image:
        """Bring images to the input's size: [N, H, W, 3] uint8."""
        import numpy as np

        return np.stack([self._fit(image, self._spec) for image in images])

    def look(self, images: Sequence[Image]) -> Sequence[Any]:
        """Look at as many images as the batch has."""
        times = [time.perf_counter()]
        fitted = self.fit(images)
        times.append(time.perf_counter())
        found = self._run(fitted)
        times.append(time.perf_counter())
        if self._is_detector:
            found = [
                self._to_frame(one, self._spec, height=image.shape[0], width=image.shape[1])
                for one, image in zip(found, images, strict=True)
            ]
        times.append(time.perf_counter())
        for stage, start_s, end_s in zip(self.stages, times, times[1:], strict=False):
            self.stages[stage].append(round(1e3 * (end_s - start_s), 4))
        return found

    def count(self, found: Sequence[Any]) -> int:
        """Count what is over the thresholds that rt-detect has; of a classifier the frames that have an answer."""
        return sum(len(one.at_least(self._thresholds)) if self._is_detector else 1 for one in found)


def _looks(job: Job, session: Session, answer: dict[str, Any]) -> None:
    from ...runtime.sources.open_source import open_source

    with open_source(job.clip) as source:
        kept = spread(frame.image for frame in source)
    batches = [[kept[(at + k) % len(kept)] for k in range(job.batch)] for at in range(0, len(kept), job.batch)]
    looking = _Looking(session)
    measure_looks(job.model_dump(), answer, looking.look, batches, looking.count)
    timed = len(answer.get("ms", ()))
    answer["stages"] = {name: ms[-timed:] for name, ms in looking.stages.items() if timed}
    held = sum(image.nbytes for image in kept) / (1 << 20)
    peak = peak_mib()
    answer["memory_mib"] = None if peak is None else max(0.0, peak - held)
    if job.mode == "probe" and session.backend == "onnxruntime (CPU)":
        from .tail_share import tail_share

        answer["tail_share"] = tail_share(Path(job.artefact), looking.fit(batches[0]), job.threads)


def _loop(job: Job, session: Session, answer: dict[str, Any]) -> None:
    from ...runtime.detection.thresholds import thresholds_from_options
    from ...runtime.loop.run import run_pipeline
    from ...runtime.sources.open_source import open_source

    thresholds = thresholds_from_options([], session.card)
    with open_source(job.clip) as source:
        looking = _Looking(session)
        looking.look([next(iter(source)).image])  # what a first look takes is no part of a loop's rate
    cpu_s = -time.process_time()
    summary = run_pipeline(open_source(job.clip), session, [], thresholds=thresholds, max_frames=job.frames)
    answer.update(
        wall_s=summary.wall_s,
        cpu_s=cpu_s + time.process_time(),
        frames=summary.frames,
        detections=sum(found.detections for found in summary.found) / summary.frames,
        stages={stage.stage: [stage.median_ms] for stage in summary.stages},
        memory_mib=peak_mib(),
    )


def _labelled(data: LabelledData, session: Session) -> tuple[Dataset, str]:
    """Open labelled images and look up the split, which there may not be."""
    from ...calib.accuracy.evaluate import open_dataset_for

    dataset = open_dataset_for(session.card, data.root, **data.model_dump(exclude={"root", "split"}))
    split = dataset.split_meant_by(data.split)
    dataset.sample_ids(split)
    return dataset, split


def _accuracy(data: LabelledData, session: Session, answer: dict[str, Any]) -> None:
    from ...calib.accuracy.evaluate import evaluate
    from ...calib.accuracy.top_k import evaluate_accuracy

    dataset, split = _labelled(data, session)
    if session.card.task == "classifier":
        ranks = evaluate_accuracy(session, dataset, split)
        measured = {"measure": "top-1", "value": ranks.top1, "images": ranks.images}
    else:
        result = evaluate(session, dataset, split)
        measured = {"measure": "AP50:95", "value": result.mean_ap50_95, "images": result.images}
    answer["accuracy"] = {**measured, "data": dataset.name, "split": split}


def _versions() -> dict[str, str]:
    import sys

    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _RUNTIMES}
    return {name: version.partition("-")[0] for name, version in loaded.items() if version is not None}


def _sha256(job: Job) -> str:
    from ...runtime.files import sha256_of_file

    return sha256_of_file(Path(job.artefact))


if __name__ == "__main__":
    main()
