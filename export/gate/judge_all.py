"""The accuracy gate: what a cheaper graph loses against its parent on labelled images, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ...calib.accuracy.evaluate import open_dataset_for
from ...calib.records.labelled_images import LabelledImages, halves, sampled_images
from ...data.dataset import Dataset
from ...data.sample import data_sha256
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from .judge import Candidate, GateSettings, Judge, Judged, Open, open_alike
from .quantizer import Quantizer
from .result import GateData, GateResult
from .search import Search, Searcher


def gate(
    parent: Path,
    candidates: Sequence[Candidate],
    *,
    data: StrPath,
    settings: GateSettings,
    open_graph: Open = open_alike,
    on_progress: Progress = no_progress,
) -> GateResult:
    """Hold given graphs against their parent on labelled images; there is nothing to choose, so all images judge.

    Args:
        parent: the graph.
        candidates: made from it, in order of preference.
        data: labelled images, as `open_dataset` takes them.
        settings: what may be lost, and which images.
        open_graph: opens parent and candidates alike.
        on_progress: called after each image.

    Returns:
        All candidates judged; accepted is the first that loses no more than allowed. Nothing is raised where there is
        none: `GateResult.check` does that.

    Raises:
        InputError: the parent or the data cannot be used.
    """
    images = _sampled(parent, data, settings, open_graph)
    judge = Judge(parent, images, settings, open_graph=open_graph, on_progress=on_progress)
    judged = [judge.judge(candidate) for candidate in candidates]
    return _result(judge, judged, _data(images, settings, choosing=0))


def gate_quantizer(
    parent: Path,
    quantizer: Quantizer,
    *,
    data: StrPath,
    settings: GateSettings,
    without: Collection[str] = frozenset(),
    open_graph: Open = open_alike,
    on_progress: Progress = no_progress,
) -> GateResult:
    """Find the cheapest quantized graph that loses no more than allowed.

    One half of the images chooses: the range estimator, the blocks that stay in float. The other half judges what was
    chosen, and every figure comes from it. Candidates are judged one after the other until one is within the allowed
    drop.

    Args:
        parent: the graph.
        quantizer: makes candidates.
        data: labelled images, as `open_dataset` takes them.
        settings: what may be lost, and which images.
        without: sha256 of image files that shall neither choose nor judge: those that were calibrated on.
        open_graph: opens parent and candidates alike.
        on_progress: called after each image.

    Returns:
        As `gate`.

    Raises:
        InputError: the parent or the data cannot be used.
    """
    choosing, judging = halves(_sampled(parent, data, settings, open_graph, without), seed=settings.seed)
    chooser, judge = (
        Judge(parent, half, settings, open_graph=open_graph, on_progress=on_progress) for half in (choosing, judging)
    )
    searcher = Searcher(chooser, quantizer)
    judged: list[Judged] = []
    for candidate in searcher.candidates():
        judged.append(judge.judge(candidate, chosen_by=searcher.answers(candidate)))
        if judged[-1].passes:
            break
    return _result(judge, judged, _data(judging, settings, choosing=len(choosing)), search=searcher.search)


def _sampled(
    parent: Path, data: StrPath, settings: GateSettings, open_graph: Open, without: Collection[str] = frozenset()
) -> LabelledImages:
    with open_graph(parent) as session:
        dataset: Dataset = open_dataset_for(session.card, data)
    return sampled_images(dataset, settings.split, seed=settings.seed, most=settings.images, without=without)


def _data(judging: LabelledImages, settings: GateSettings, *, choosing: int) -> GateData:
    return GateData(
        name=judging.dataset.name,
        layout=judging.dataset.layout,
        split=settings.split,
        seed=settings.seed,
        choosing=choosing,
        judging=len(judging),
        judging_sha256=data_sha256(judging.samples()),
    )


def _result(judge: Judge, judged: Sequence[Judged], data: GateData, *, search: Search | None = None) -> GateResult:
    parent_ms, timed = judge.with_latencies(judged)
    return GateResult(
        parent=judge.path,
        settings=judge.settings,
        data=data,
        images=judge.images,
        backend=judge.backend,
        metric=judge.parent.metric,
        averaged=tuple(judge.parent.averaged),
        parent_figure=judge.parent.headline(np.ones(len(judge.parent.image_ids), np.int64)),
        parent_latency_ms=parent_ms,
        judged=timed,
        accepted=next((item for item in timed if item.passes), None),
        search=search,
    )
