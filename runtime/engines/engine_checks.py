"""What is checked before an engine is given to its reader: an engine file can run code there.

Nothing here imports TensorRT or looks for a GPU: the caller says what is at hand.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..card import Card, Engine, card_from_json
from ..errors import InputError
from ..files import StrPath, sha256_of_file
from ..machine import version_key
from ..uncertified import is_made_of
from .ledger import is_in_ledger

Compiler = Literal["tensorrt", "tensorrt_rtx"]

TITLES: dict[Compiler, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}

_AMPERE = (8, 0)
"""The first GPUs of a hardware-compatible engine, and of an RTX engine that names none."""


@dataclass(frozen=True, kw_only=True)
class EngineDevice:
    """What would run an engine here.

    Args:
        compiler: whose runtime is installed.
        version: of it.
        gpu: its name; None where there is none or it is not known.
        compute_capability: of the GPU, for example `8.6`; None where there is none.
    """

    compiler: Compiler
    version: str
    gpu: str | None = None
    compute_capability: str | None = None


def card_path_of(engine: Path) -> Path:
    """Name the card beside an engine: `ssd.fp16.engine.json`."""
    return engine.with_name(f"{engine.name}.json")


def load_engine_card(path: StrPath) -> Card:
    """Read the card that lies beside an engine.

    Raises:
        InputError: the engine or its card is missing, or the card is none of an engine.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: expected an engine, got no such file. `singleshot build GRAPH.onnx` makes one.")
    beside = card_path_of(path)
    try:
        text = beside.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected its card beside it, {beside.name}, got none that can be read. "
            f"Copy both files, or build it again with `singleshot build GRAPH.onnx`."
        ) from error
    card = card_from_json(text, source=str(beside), mend="Build the engine again with `singleshot build GRAPH.onnx`.")
    engine_of(card, source=str(beside))
    return card


def engine_of(card: Card, *, source: str) -> Engine:
    """Return what a card says of its engine.

    Raises:
        InputError: it is the card of something else.
    """
    if card.engine is None:
        raise InputError(f"{source}: expected the card of an engine, got one of a {card.kind}.")
    return card.engine


def check_engine(path: Path, card: Card, device: EngineDevice | None, *, trust: bool = False) -> bytes:
    """Check an engine before anything deserialises it, and return its plan: the very bytes that were checked.

    The plan has to be what its card says, built by this user or trusted, built from the graph as it is now (where that
    is at hand), and made for this version and this GPU.

    Args:
        path: the engine.
        card: of `load_engine_card`.
        device: what would run it; None leaves out whether it fits.
        trust: run it although this user did not build it.

    Returns:
        The plan.

    Raises:
        InputError: something differs; the text says what was expected, what was found and what mends it.
    """
    engine = engine_of(card, source=str(path))
    plan = path.read_bytes()
    digest = hashlib.sha256(plan).hexdigest()
    reason = stale_reason(path, card, device, plan_sha256=digest)
    if reason is not None:
        raise InputError(f"{path}: {reason}. {rebuild_hint(path, engine)}")
    if not trust and not is_in_ledger(digest):
        raise InputError(
            f"{path}: expected an engine that you built on this machine, got one that is not in your list of builds. "
            f"An engine file can run code: if you know where it comes from, give --trust (rt-detect, evaluate, verify, "
            f"handover); or build it again with `singleshot build {graph_of(path, engine)}`."
        )
    return plan


def stale_reason(path: Path, card: Card, device: EngineDevice | None, *, plan_sha256: str | None = None) -> str | None:
    """Say why an engine cannot be used as it is.

    Args:
        path: the engine.
        card: its card.
        device: what would run it; None leaves out whether it fits.
        plan_sha256: of the engine file, where it is known already.

    Returns:
        `expected …, got …`, or None where all fits.
    """
    engine = engine_of(card, source=str(path))
    found = plan_sha256 or sha256_of_file(path)
    if found != engine.plan_sha256:
        return f"expected the plan of its card, sha256 {engine.plan_sha256[:12]}…, got {found[:12]}…"
    graph = graph_of(path, engine)
    expected = card.origin.parent_sha256
    if expected is not None and graph.is_file() and not is_made_of(card.origin, graph):
        return f"expected {graph} as it was built from, sha256 {expected[:12]}…, got {sha256_of_file(graph)[:12]}…"
    return None if device is None else _misfit(engine, device)


def graph_of(path: Path, engine: Engine) -> Path:
    """Find the graph that an engine was built from; it need not be there any more."""
    return Path(os.path.normpath(path.parent / engine.graph))


def rebuild_hint(path: Path, engine: Engine) -> str:
    """Name the command that builds an engine again, and what it needs."""
    graph = graph_of(path, engine)
    missing = "" if graph.is_file() else f", once {graph} is there"
    return f"`singleshot build --rebuild-stale {path}` builds it again{missing}."


def _misfit(engine: Engine, device: EngineDevice) -> str | None:
    wanted = f"{TITLES[engine.compiler]} {engine.version}"
    if engine.compiler != device.compiler or not _fits_version(engine, device.version):
        later = " or a later one of the same major version" if engine.version_compatible else ""
        return f"expected {wanted}{later}, which it was built by, got {TITLES[device.compiler]} {device.version}"
    capability = device.compute_capability
    if capability is None or _fits_gpu(engine, _numbers(capability)):
        return None
    if engine.hardware_compatible or not engine.compute_capabilities:
        targets = "8.0 or later" + ("" if engine.compiler == "tensorrt" else " that TensorRT-RTX supports")
    else:
        targets = ", ".join(engine.compute_capabilities)
    return f"expected a GPU of compute capability {targets}, got {device.gpu or 'one'} of {capability}"


def _fits_version(engine: Engine, installed: str) -> bool:
    if not engine.version_compatible:
        return installed == engine.version
    built, found = version_key(engine.version), version_key(installed)
    return built[:1] == found[:1] and found >= built


def _fits_gpu(engine: Engine, capability: tuple[int, ...]) -> bool:
    if engine.hardware_compatible:
        return capability >= _AMPERE
    if not engine.compute_capabilities:  # RTX: all that it supports from Ampere on; it has none of Hopper
        return capability >= _AMPERE and capability[0] != 9
    return capability in [_numbers(item) for item in engine.compute_capabilities]


def _numbers(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))
