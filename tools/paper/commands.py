"""The commands that train finished runs again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ...train.paper.plan import PaperRun
from ...train.paper.results import FinishedRun


def commands_of(finished: Iterable[FinishedRun]) -> list[str]:
    """Write one command for all runs of the same settings; DATA and OUT stand for the folders.

    Fewer classes of `vgg_lite` come along with all of them.
    """
    seeds: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for item in finished:
        if (run := item.run).round != "classes":
            asked = () if item.classes_asked is None else ("--classes", item.classes_asked)
            seeds.setdefault((*asked, *_options(run)), {}).setdefault(run.network, []).append(run.seed)
    lines = []
    for options, of_networks in seeds.items():
        for same in dict.fromkeys(tuple(sorted(set(own))) for own in of_networks.values()):
            networks = [network for network, own in of_networks.items() if tuple(sorted(set(own))) == same]
            chosen = ["--models", ",".join(networks), "--seeds", ",".join(map(str, same))]
            lines.append(
                shlex.join(["singleshot", "reproduce-paper", "--data", "DATA", "-o", "OUT", *options, *chosen])
            )
    return lines


def _options(run: PaperRun) -> tuple[str, ...]:
    shared = ("--size", str(run.size), "--recipe", run.recipe)
    if run.round != "localization":
        ablation = ("--ablation", run.network) if run.round == "ablation" else ()
        return (*shared, "--epochs-classification", str(run.epochs), *ablation)
    base = ("--trained-base", "--epochs-classification", str(run.base_epochs)) if run.base_epochs else ()
    return (*shared, *base, "--epochs-localization", str(run.epochs))
