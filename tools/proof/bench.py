"""Tries the proof on pairs that are sound and on pairs that are not: neither may be taken for the other.

`python -m singleshot.tools.proof.bench --own photos/ --foreign clip.mp4` prints the tables of docs/parity.md.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import onnx
import typer
from rich.console import Console

from ...calib.int8.image_pool import ImagePool
from ...export.graphs.cluster_tail import with_cluster_tail
from ...export.graphs.fp16 import with_fp16_network
from ...export.graphs.graph_file import save_graph
from ...export.parity.artefact import open_artefact
from ...export.parity.level import LEVEL_FRAMES
from ...export.parity.verify import compare_artefacts, contract_differences, sampled_frames
from ...export.quantize.calibrated import QuantizationSettings, calibrate, open_parent
from ...runtime.card import Card, derived_origin
from ...runtime.errors import InputError, NotFiniteError
from ...runtime.files import StrPath, sha256_of_file
from ...runtime.runners.onnxruntime_runner import graph_facts
from ...runtime.runners.openvino_runner import computes_bf16
from ...runtime.sources.frame import Frame
from ...runtime.uncertified import uncertified_sha256
from ...train.networks.registry import NETWORKS
from ..terminal.exits import exit_codes
from .damages import damages_of, overflowing, stale
from .subjects import OPERATORS, graph_of_others, untrained_graph

CALIBRATION_IMAGES = 16


_Subject = Path | tuple[onnx.ModelProto, Card]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two artefacts.

    Args:
        subject: whose network it is.
        what: what was done to the second.
        is_sound: whether the second is what the first is.
        first: as `open_artefact` takes it.
        second: as `open_artefact` takes it.
        typed: the sound graph in the second's types, as a build has it of an engine.
    """

    subject: str
    what: str
    is_sound: bool
    first: str
    second: str
    typed: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the proof said of a pair.

    Args:
        subject: of the pair.
        what: of the pair.
        is_sound: of the pair.
        frames: of its own kind, or foreign ones.
        is_seen: whether the answers of its network were at hand; False: its detections alone, as of an engine.
        passed: whether it was accepted.
        bits: less exact than rounding explains; None where the contracts differed or no numbers were computed.
        said: why it was refused.
    """

    subject: str
    what: str
    is_sound: bool
    frames: str
    is_seen: bool = True
    passed: bool
    bits: float | None
    said: str


def pairs_of(subject: str, graph: Path, folder: Path, *, images: Path) -> Iterator[Pair]:
    """Make the sound and the damaged pairs of a float32 graph.

    Args:
        subject: its name in the table.
        graph: the file.
        folder: to write the others to.
        images: to calibrate on.
    """
    model, card = onnx.load(str(graph)), graph_facts(graph).card
    made = _Made(folder, card)

    def pair(what: str, second: str, *, is_sound: bool, first: str = str(graph), typed: Path = graph) -> Pair:
        return Pair(subject=subject, what=what, is_sound=is_sound, first=first, second=second, typed=typed)

    calibrated = calibrate(
        open_parent(graph), ImagePool(images), QuantizationSettings(method="minmax", count=CALIBRATION_IMAGES)
    )
    half, int8 = with_fp16_network(model), calibrated.graph("minmax")
    converted = _said_to_be_made_of(graph, card)
    files = {"float16": made.file("half", half, converted), "int8": made.file("int8", int8, converted)}
    yield pair("OpenVINO float32", f"{graph}@openvino:fp32", is_sound=True)
    if computes_bf16():
        yield pair("OpenVINO bfloat16", f"{graph}@openvino:bf16", is_sound=True)
    for precision, file in files.items():
        yield pair(precision, str(file), is_sound=True, typed=file)
    yield pair("int8 in OpenVINO", f"{files['int8']}@openvino:fp32", is_sound=True, typed=files["int8"])
    if card.task == "detector":
        clustered = card.model_copy(update={"postprocess": card.postprocess.model_copy(update={"tail": "cluster"})})
        tail = with_cluster_tail(model, card.postprocess)
        yield pair("cluster tail", str(made.file("cluster", tail, clustered)), is_sound=True)
    for what, damage in damages_of(model, card).items():
        damaged, its_card = damage(model, card)
        half, half_card = with_fp16_network(damaged), _said_to_be_made_of(graph, its_card)
        yield pair(what, str(made.file(what, damaged, its_card)), is_sound=False)
        second = str(made.file(f"{what} half", half, half_card))
        yield pair(f"{what}, in float16", second, is_sound=False, typed=files["float16"])
    second = str(made.file("stale", stale(int8), converted))
    yield pair("stale ranges, int8", second, is_sound=False, typed=files["int8"])
    loud = made.file("loud", overflowing(model))
    overflow = made.file("overflow", with_fp16_network(overflowing(model)))
    yield pair("overflow in float16", str(overflow), is_sound=False, first=str(loud), typed=overflow)


def _said_to_be_made_of(graph: Path, card: Card) -> Card:
    """Say in a card what a conversion says: which file the graph was made of."""
    sha256, uncertified = sha256_of_file(graph), uncertified_sha256(graph)
    origin = derived_origin(card.origin, sha256, uncertified_sha256=uncertified, settings={}, packages={})
    return card.model_copy(update={"origin": origin})


class _Made:
    """Files of a subject.

    Args:
        folder: that they lie in.
        card: of those that bring none.
    """

    def __init__(self, folder: Path, card: Card) -> None:
        self._folder, self._card = folder, card

    def file(self, name: str, model: onnx.ModelProto, card: Card | None = None) -> Path:
        """Write a graph with a card."""
        path = self._folder / f"{name.replace(' ', '_').replace('%', 'percent')}.onnx"
        save_graph(model, card or self._card, path)
        return path


def outcome_of(pair: Pair, frames: list[Frame], kind: str, *, is_seen: bool = True) -> Outcome | None:
    """Ask the proof; of a second that is not seen it is shown the detections alone, as an engine shows no others.

    Returns:
        None where there are no detections to be shown: of such an engine a build says that parity was not measured.
    """
    with open_artefact(pair.first) as first, open_artefact(pair.second) as opened:
        hidden = replace(opened, heads=None, kind="engine", model=partial(onnx.load, str(pair.typed)))
        second = opened if is_seen else hidden
        differences = contract_differences(first, second)
        try:
            parity = None if differences else compare_artefacts(first, second, frames)[0]
        except NotFiniteError as error:  # no answer at all: what converts says that it overflows
            parity, differences = None, (str(error),)
    if not is_seen and parity is not None and not parity.judged and parity.rounding is None:
        return None
    said = "; ".join(differences) if parity is None else "; ".join(parity.faults)
    bits = None if parity is None or parity.rounding is None else parity.rounding.bits
    return Outcome(
        subject=pair.subject,
        what=pair.what,
        is_sound=pair.is_sound,
        frames=kind,
        is_seen=is_seen,
        passed=parity is not None and parity.holds,
        bits=bits,
        said=said,
    )


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Write the outcomes as Markdown: a row for each thing done, how many pairs, how many taken for what they are."""
    rows: dict[tuple[bool, str], list[Outcome]] = defaultdict(list)
    for item in outcomes:
        rows[item.is_sound, item.what].append(item)
    lines = [
        "| what was done | pairs | accepted | bits, least to most | by detections alone | accepted | bits |",
        "|---|---|---|---|---|---|---|",
    ]
    for (is_sound, what), items in sorted(rows.items(), key=lambda row: (not row[0][0], row[0][1])):
        cells = [cell for is_seen in (True, False) for cell in _cells([x for x in items if x.is_seen == is_seen])]
        lines.append(f"| {'' if is_sound else '**damaged** '}{what} | {' | '.join(cells)} |")
    sound = [item for item in outcomes if item.is_sound]
    damaged = [item for item in outcomes if not item.is_sound]
    refused, taken = sum(not item.passed for item in sound), sum(item.passed for item in damaged)
    return [*lines, "", f"{len(sound)} sound pairs, {refused} refused; {len(damaged)} damaged pairs, {taken} accepted."]


def _cells(outcomes: Sequence[Outcome]) -> list[str]:
    bits = [item.bits for item in outcomes if item.bits is not None]
    spread = f"{min(bits):+.1f} to {max(bits):+.1f}" if bits else "contract" if outcomes else ""
    return [str(len(outcomes) or ""), str(sum(item.passed for item in outcomes) if outcomes else ""), spread]


def bench(
    own: Annotated[Path, typer.Option(metavar="DIR", help="Pictures of the subjects' kind; calibrated on too.")],
    foreign: Annotated[str | None, typer.Option(metavar="SOURCE", help="Pictures of another kind.")] = None,
    graph: Annotated[list[Path] | None, typer.Option(help="A trained graph to try as well; repeat it.")] = None,
    network: Annotated[list[str] | None, typer.Option(help="Untrained networks to try; all if not given.")] = None,
    side: Annotated[int | None, typer.Option(help="Of their input; the usual one if not given.")] = None,
    graphs_alone: Annotated[bool, typer.Option("--graphs-alone", help="Try no others than those of --graph.")] = False,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Keep every outcome; subjects that it has are not tried.")
    ] = None,
) -> None:
    """Try the proof on sound and damaged pairs; exit code 1 where it takes one for the other.

    Example: python -m singleshot.tools.proof.bench --own photos/ --foreign demo/bottle.mp4 --graph animals.onnx
    """
    console = Console(stderr=True)
    with exit_codes():
        for name in network or ():
            if name not in NETWORKS:
                raise InputError(f"--network {name}: expected one of {', '.join(NETWORKS)}.")
        kinds: dict[str, StrPath] = {"own": own}
        if foreign is not None:
            kinds["foreign"] = foreign
        _check_first(kinds, graph or [])
        kept = json.loads(save.read_text(encoding="utf-8")) if save is not None and save.exists() else []
        outcomes = [Outcome(**item) for item in kept]
        done = {item.subject for item in outcomes}
        for name, subject in _subjects(graph or [], network, side, alone=graphs_alone):
            if name in done:
                continue
            for outcome in _tried(name, subject, kinds, images=own):
                outcomes.append(outcome)
                if outcome.passed != outcome.is_sound:
                    how = outcome.frames if outcome.is_seen else f"{outcome.frames}, by detections alone"
                    console.print(f"WRONG {name}, {outcome.what}, {how}: {outcome.said}", markup=False)
            console.print(f"{name}: done", markup=False)
            if save is not None:
                save.write_text(json.dumps([asdict(item) for item in outcomes], indent=1), encoding="utf-8")
        print("\n".join(table(outcomes)))
        if any(item.passed != item.is_sound for item in outcomes):
            raise typer.Exit(1)


def _check_first(kinds: Mapping[str, StrPath], graphs: Sequence[Path]) -> None:
    """Open what was named before the first pair is made, which takes minutes.

    Raises:
        InputError: pictures or a graph cannot be used.
    """
    for spec in kinds.values():
        sampled_frames(spec, 1)
    for path in graphs:
        graph_facts(path)


def _tried(name: str, subject: _Subject, kinds: Mapping[str, StrPath], *, images: Path) -> Iterator[Outcome]:
    """Ask the proof of every pair of a subject, on each kind of frames."""
    with TemporaryDirectory() as folder:
        file = subject if isinstance(subject, Path) else Path(folder) / "subject.onnx"
        if not isinstance(subject, Path):
            save_graph(*subject, file)
        pairs = list(pairs_of(name, file, Path(folder), images=images))
        views = (True, False) if isinstance(subject, Path) else (True,)  # detections of the trained mean something
        most = LEVEL_FRAMES[graph_facts(file).card.task]
        for kind, frames in ((kind, sampled_frames(spec, most)[0]) for kind, spec in kinds.items()):
            for pair, is_seen in product(pairs, views):
                outcome = outcome_of(pair, frames, kind, is_seen=is_seen)
                if outcome is not None:
                    yield outcome


def _subjects(
    graphs: Sequence[Path], networks: list[str] | None, side: int | None, *, alone: bool
) -> Iterator[tuple[str, _Subject]]:
    yield from ((path.stem, path) for path in graphs)
    if not alone:
        yield from ((f"of others: {operator}", graph_of_others(operator)) for operator in OPERATORS)
        names = NETWORKS if networks is None else networks
        yield from ((f"untrained {name}", untrained_graph(name, side=side)) for name in names)


if __name__ == "__main__":
    typer.run(bench)
