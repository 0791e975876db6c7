"""The command `singleshot`, which says on standard output when a phase of a run begins.

`python -m singleshot.tests.train.run.announced_run VERB ...`
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from torch.utils.data import dataloader

from singleshot.tools.cli import main
from singleshot.tools.verbs import train as train_verb
from singleshot.train.learn.training_module import Training
from singleshot.train.run import train as run
from singleshot.train.run.callbacks import WholeCheckpoints


def say(phase: str) -> None:
    sys.stdout.write(f"{phase}\n")
    sys.stdout.flush()


def announced(phase: str, untouched: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        say(phase)
        return untouched(*arguments, **options)

    return call


PHASES: dict[str, tuple[Any, str]] = {
    "cache": (run, "open_training_images"),
    "workers": (dataloader, "_MultiProcessingDataLoaderIter"),
    "training": (Training, "training_step"),
    "validation": (Training, "validation_step"),
    "checkpoint": (WholeCheckpoints, "save_checkpoint"),
    "report": (train_verb, "_report"),
}

if __name__ == "__main__":
    for phase, (owner, name) in PHASES.items():
        setattr(owner, name, announced(phase, getattr(owner, name)))
    sys.argv[0] = "singleshot"
    try:
        main()
    finally:
        say("exit")
