"""What `rt-detect` does, as a loop in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence

from .cameras.configuration import camera_names, run_config
from .cameras.open_run import OpenRun
from .cameras.place_options import check_one_camera, rules_from_options
from .cameras.watching import Points
from .files import StrPath
from .sinks.frame_result import FrameResult
from .sources.source_names import Policy
from .tracking.tracker_names import TrackerName


def stream(
    *sources: StrPath,
    model: StrPath | None = None,
    score: float | str | Sequence[str] = (),
    backend: str = "auto",
    policy: Policy | None = None,
    tiles: str | None = None,
    blur: Sequence[str] = (),
    skip_still: bool = False,
    track: bool = False,
    tracker: TrackerName | None = None,
    zones: Mapping[str, Points] = {},
    lines: Mapping[str, Points] = {},
    rules: Sequence[str] = (),
    max_age_ms: float | None = None,
    give_up_after: float | None = None,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> Generator[FrameResult, None, None]:
    """Detect in one or more sources until all have ended; each camera's results come in its order.

    Reading, looking and your loop overlap. Of cameras and streams the newest frame is looked at: a slow loop costs
    frames, and a result waits for one turn of it at most. Leaving the loop closes everything.

    Args:
        sources: as `--video` takes them; of several, `camera` of the result says whose it is.
        model: a graph or an engine; the shipped detector if not given.
        score: the least score, as `0.4`, `"dog=0.4"` or several of these.
        backend: as `--backend` takes it.
        policy: which frames of a camera or stream are looked at where not all can be; `latest` if not given.
        tiles: look at parts of each frame too, as `2x2`.
        blur: classes whose objects are made unrecognisable in the frames.
        skip_still: hold what was found while the scene does not move.
        track: give every object an id that stays: `tracks` of the result.
        tracker: who follows objects, with `track`; `bytetrack` if not given.
        zones: of the only source, by name: corners [x, y] in fractions of the picture; `places` of the result counts.
        lines: the same: two points each.
        rules: as `--rule` takes them; what they tell is in `events` of the result.
        max_age_ms: look at fewer frames before results get older.
        give_up_after: seconds after which a lost camera or stream ends; never if not given.
        threads: that compute; as many as cores may be used if not given.
        tell: is given lines for people, from any thread: who computes, what is lost and back.

    Raises:
        InputError: something that was named cannot be used; not before the first result is asked for.
    """
    names = [os.fspath(source) for source in sources]
    check_one_camera("zones" if zones else "lines", [*zones, *lines], cameras=len(names))
    values: dict[str, object] = {"score": score, "backend": backend, "policy": policy, "tiles": tiles, "blur": blur}
    values |= {"skip_still": skip_still, "track": track, "tracker": tracker, "threads": threads}
    values |= {"max_age_ms": max_age_ms, "give_up_after": give_up_after}
    values |= {"model": None if model is None else os.fspath(model)}
    places = {"zones": zones, "lines": lines}
    named = zip(camera_names(names), names, strict=True)
    values |= {
        "rules": rules_from_options(rules),
        "cameras": {name: {"source": path, **places} for name, path in named},
    }
    with OpenRun(run_config(values), tell=tell) as run:
        yield from run.pipeline.results()
