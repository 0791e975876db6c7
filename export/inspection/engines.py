"""What an engine is, read from its card and its plan; nothing deserialises it."""

from __future__ import annotations

from pathlib import Path

from ...runtime.card import Engine
from ...runtime.engines.engine_checks import TITLES, engine_of, graph_of, load_engine_card, stale_reason
from ...runtime.files import sha256_of_file
from ...runtime.runners.contract import Tensors, contract_inputs, contract_outputs
from .facts import Inspection, TensorInfo
from .graphs import inspect_graph
from .operations import Operations

_ELSEWHERE = Operations(multiply_adds=0, counted=0, uncounted=1, note="The graph tells, which is not where it was.")


def inspect_engine(path: Path) -> Inspection:
    """Look into an engine; what its plan does not tell, its graph tells where that is as it was.

    Raises:
        InputError: the engine or its card is missing or broken.
    """
    card = load_engine_card(path)
    engine = engine_of(card, source=str(path))
    problem = stale_reason(path, card, None)
    graph = graph_of(path, engine)
    parent = inspect_graph(graph) if problem is None and graph.is_file() else None
    convolutions = engine.plan_convolutions or engine.network_convolutions
    counts = [(f"convolution, {kind}", count) for kind, count in convolutions.items()]
    if engine.kernel_launches is not None:
        counts.append(("kernel launches of one run", engine.kernel_launches))
    return Inspection(
        path=path,
        kind="engine",
        size_bytes=path.stat().st_size,
        sha256=sha256_of_file(path),
        format=f"plan of {TITLES[engine.compiler]} {engine.version}",
        precision=engine.precision,
        card=card,
        card_problem="" if problem is None else f"valid, but it does not fit: {problem}",
        inputs=_tensors(contract_inputs(card), engine),
        outputs=_tensors(contract_outputs(card), engine),
        operators=tuple(counts),
        parameters=None if parent is None else parent.parameters,
        operations=_ELSEWHERE if parent is None else parent.operations,
    )


def _tensors(specs: Tensors, engine: Engine) -> tuple[TensorInfo, ...]:
    least, _, most = engine.batch
    batch = least if least == most else "N"
    return tuple(
        TensorInfo(name=name, dtype=spec.dtype, shape=(batch, *(size or "?" for size in spec.shape[1:])))
        for name, spec in specs.items()
    )
