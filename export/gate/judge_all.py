"""The accuracy gate: what a cheaper graph loses against its parent on labelled images, and whether that is allowed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...calib.accuracy.average_precision import MIN_OBJECTS
from ...calib.accuracy.evaluate import open_dataset_for
from ...calib.records.labelled_images import LabelledImages, folds, halves, sampled_images
from ...calib.records.spliced import spliced
from ...data.sample import data_sha256
from ...data.usable_samples import check_enough
from ...runtime.card import Card
from ...runtime.files import StrPath
from ...runtime.progress import Progress, no_progress
from .judge import Candidate, GateSettings, Judge, Judged, Open, open_alike, too_few_objects
from .quantizer import Quantizer
from .result import GateData, GateResult
from .search import Search, Searcher
from .tried import Tried

FEW_FOR_HALVES = 200
"""With fewer images than this each of them both chooses and judges, in different parts."""
FOLDS = 4


def gate(
    parent: Path,
    candidates: Sequence[Candidate],
    *,
    data: StrPath,
    settings: GateSettings,
    set_aside: LabelledImages | None = None,
    open_graph: Open = open_alike,
    on_progress: Progress = no_progress,
) -> GateResult:
    """Hold given graphs against their parent on labelled images; there is nothing to choose, so all images judge.

    Args:
        parent: the graph.
        candidates: made from it, in order of preference.
        data: labelled images, as `open_dataset` takes them.
        settings: what may be lost, and which images.
        set_aside: images that judge in place of all: those that neither calibrated a candidate nor chose it.
        open_graph: opens parent and candidates alike.
        on_progress: called after each image.

    Returns:
        All candidates judged; accepted is the first that loses no more than allowed. Nothing is raised where there is
        none: `GateResult.check` does that.

    Raises:
        InputError: the parent or the data cannot be used.
    """
    images = set_aside
    if images is None:
        with open_graph(parent) as session:
            images = gate_images(session.card, data, settings)
    judge = Judge(parent, images, settings, open_graph=open_graph, on_progress=on_progress)
    judged = [judge.judge(candidate) for candidate in candidates]
    return _result(judge, judged, _data(images, settings, choosing=0))


def gate_quantizer(
    parent: Path,
    quantizer: Quantizer,
    *,
    images: LabelledImages,
    settings: GateSettings,
    open_graph: Open = open_alike,
    on_progress: Progress = no_progress,
) -> GateResult:
    """Find the cheapest quantized graph that loses no more than allowed.

    One half of the images chooses: the range estimator, the blocks that stay in float. The other half judges what was
    chosen, and every figure comes from it. Where there are too few for halves, they are dealt into parts, each judged
    by what the others chose, and the figures come from all parts together; the graph itself is chosen by all.
    Candidates are judged one after the other until one is within the allowed drop. Fewer than `MIN_OBJECTS` objects
    cannot choose: they judge the wholly quantized graph by the first range estimator.

    Args:
        parent: the graph.
        quantizer: makes candidates.
        images: labelled, of `gate_images`, none of them calibrated on.
        settings: what may be lost.
        open_graph: opens parent and candidates alike.
        on_progress: called after each image.

    Returns:
        As `gate`.

    Raises:
        InputError: the parent or the data cannot be used.
    """
    choosing, judging = halves(images, seed=settings.seed)
    if len(images) < FEW_FOR_HALVES or min(_objects(choosing), _objects(judging)) < MIN_OBJECTS:
        whole = Judge(parent, images, settings, open_graph=open_graph, on_progress=on_progress)
        if whole.parent.is_measurable:
            return _cross_fitted(whole, quantizer)
        only = whole.judge(quantizer.candidate(quantizer.methods[0]))
        return _result(whole, [only], _data(images, settings, choosing=0))
    chooser, judge = (
        Judge(parent, half, settings, open_graph=open_graph, on_progress=on_progress) for half in (choosing, judging)
    )
    searcher = Searcher(Tried(chooser, quantizer))
    judged: list[Judged] = []
    for candidate in searcher.candidates():
        judged.append(judge.judge(candidate, chosen_by=searcher.answers(candidate)))
        if judged[-1].passes:
            break
    return _result(judge, judged, _data(judging, settings, choosing=len(choosing)), search=searcher.search)


def gate_images(card: Card, data: StrPath, settings: GateSettings) -> LabelledImages:
    """Sample the labelled images of a gate, before anything is computed.

    Args:
        card: of the graph; names the classes.
        data: labelled images, as `open_dataset` takes them.
        settings: which of them.

    Raises:
        InputError: there are none, no such split, too many images that cannot be used, or fewer objects of these
            classes than the settings ask for.
    """
    dataset = open_dataset_for(card, data, missing_is_background=settings.missing_is_background, anyway=settings.anyway)
    split = dataset.split_meant_by(settings.split)
    images = sampled_images(dataset, split, seed=settings.seed, most=settings.images)
    check_enough(dataset, split, listed=len(images), usable=sum(1 for _ in images.samples()))
    check_objects(images, settings)
    return images


def check_objects(images: LabelledImages, settings: GateSettings) -> None:
    """Count what can be judged by, from the labels alone.

    Raises:
        InputError: it is too little.
    """
    objects = _objects(images, settings.least_objects)
    if objects < settings.least_objects:
        raise too_few_objects(images, objects, settings)


def _objects(images: LabelledImages, enough: int = MIN_OBJECTS) -> int:
    """Count the objects that count, until there are enough."""
    objects = 0
    for sample in images.samples():
        objects += int((~sample.difficult).sum())
        if objects >= enough:
            break
    return objects


def _cross_fitted(judge: Judge, quantizer: Quantizer) -> GateResult:
    """Judge each part of the images by what the others chose, all rungs of the search in step."""
    images, ids = judge.images, judge.parent.image_ids
    dealt = folds(images, FOLDS, seed=judge.settings.seed)
    part_of = np.array([dealt[image_id] for image_id in ids])
    tried = Tried(judge, quantizer)
    chooser = Searcher(tried, among=np.ones(len(ids), np.bool_))
    of_parts = [Searcher(tried, among=part_of != part).candidates() for part in range(FOLDS)]
    chosen: list[Candidate | None] = [None] * FOLDS
    judged: list[Judged] = []
    for candidate in chooser.candidates():
        chosen = [next(rungs, last) for rungs, last in zip(of_parts, chosen, strict=True)]
        answers = [tried.found(str(item.method), item.kept_float) for item in chosen if item is not None]
        judged.append(judge.judge(candidate, found=spliced(answers, part_of), chosen_by=chooser.answers(candidate)))
        if judged[-1].passes:
            break
    return _result(
        judge, judged, _data(images, judge.settings, choosing=len(images), parts=FOLDS), search=chooser.search
    )


def _data(judging: LabelledImages, settings: GateSettings, *, choosing: int, parts: int = 0) -> GateData:
    return GateData(
        name=judging.dataset.name,
        layout=judging.dataset.layout,
        split=judging.dataset.split_meant_by(settings.split),
        seed=settings.seed,
        choosing=choosing,
        judging=len(judging),
        parts=parts,
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
        accepted=_accepted(timed),
        search=search,
    )


def _accepted(judged: Sequence[Judged]) -> Judged | None:
    """Take the first within the allowed drop; else, of what these images cannot tell, the least loss."""
    untold = min((item for item in judged if item.is_untold), key=lambda item: item.deltas[0].drop, default=None)
    return next((item for item in judged if item.passes), untold)
