"""A run that is interrupted at a moment drawn by chance, and gone on with.

`python -m singleshot.tests.train.run.interruptions COUNT [FIRST_SEED]` tries many, and says how long each took to end.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from singleshot.tests.fixtures.animals import write_animals
from singleshot.tests.fixtures.command_line import run_verb

from . import announced_run
from .announced_run import PHASES

LONGEST_S = 10.0
"""Of an end."""
DELAYS_S = {"start": 8.0, "workers": 0.3, "training": 1.0, "report": 2.0, "exit": 0.3}
SETTINGS = """epochs = 2
batch_size = 4
height = 64
width = 64
validate_every = 1
pretrained = false
frozen_stages = 0
"""
HORSES = "two horses and two people"
PICTURES = {"train": [HORSES] * 12, "val": [HORSES] * 8}
HOW = ("Ctrl-C", "Ctrl-C twice", "SIGTERM", "SIGTERM to the group")


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When and how a run is interrupted, all drawn by a seed."""

    verb: str
    phase: str
    delay_s: float
    how: str
    workers: int
    times: int
    """So often has the phase begun by then."""

    @classmethod
    def drawn(cls, seed: int) -> Moment:
        chance = random.Random(seed)
        verb = chance.choice(("train", "train", "train", "tune"))
        phases = ["start", *PHASES, "exit"]
        phase = phases[seed % len(phases)]
        if verb == "tune" and phase == "report":
            phase = "training"
        workers = chance.randint(1 if phase == "workers" else 0, 4)
        return cls(
            verb=verb,
            phase=phase,
            delay_s=chance.uniform(0, DELAYS_S.get(phase, 0.2)),
            how=chance.choice(HOW),
            workers=workers,
            times=chance.randint(1, 4) if phase in ("training", "checkpoint") else 1,
        )


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an interrupted run ended."""

    code: int
    seconds: float
    left: list[str]
    """Processes that were there when its time was over."""
    text: str


def interrupted(moment: Moment, command: list[str], folder: Path) -> Ended:
    """Run a command until a moment; `folder` keeps what it says."""
    module = "singleshot" if moment.phase == "start" else announced_run.__name__
    arguments = [sys.executable, "-m", module, *command]
    with (
        (folder / "stderr").open("w+") as stderr,
        subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=stderr, text=True, start_new_session=True
        ) as process,
    ):
        _wait_for(moment, process)
        began = time.monotonic()
        for number in range(2 if moment.how == "Ctrl-C twice" else 1):
            time.sleep(0.2 * number)
            _send(process, moment.how)
        while (left := _processes_of(process.pid)) and time.monotonic() < began + LONGEST_S:
            process.poll()
            time.sleep(0.02)
        seconds = time.monotonic() - began
        if left:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        stderr.seek(0)
        return Ended(code=process.returncode, seconds=seconds, left=left, text=stderr.read())


def _wait_for(moment: Moment, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    begun = 0
    while moment.phase != "start" and begun < moment.times and (line := process.stdout.readline()):
        begun += line == f"{moment.phase}\n"
    time.sleep(moment.delay_s)


def _send(process: subprocess.Popen[str], how: str) -> None:
    number = signal.SIGINT if how.startswith("Ctrl-C") else signal.SIGTERM
    with suppress(ProcessLookupError):
        if how == "SIGTERM":
            process.send_signal(number)
        else:
            os.killpg(process.pid, number)


def _processes_of(session: int) -> list[str]:
    """List the processes of a session, those left out that ended and nobody asked for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, _group, of, *_ = path.read_text().rpartition(")")[2].split()
            if int(of) == session and state != "Z":
                found.append(f"{path.parent.name} {state}")
    return found


def command_of(moment: Moment, root: Path, folder: Path) -> list[str]:
    """Write the settings of a run and give its command."""
    config = folder / "settings.toml"
    config.write_text(f"{SETTINGS}workers = {moment.workers}\n")
    command = [moment.verb, "ssd_lite0", "--data", str(root), "--classes", "horse", "--config", str(config)]
    tuned = ["--trials", "2", "--workers", "2", "--vary", "learning_rate"]
    return [*command, "-o", str(folder / "run"), *(tuned if moment.verb == "tune" else [])]


def gone_on_with(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command again, with `--resume` where there is what to resume; give its exit code and what it said."""
    if command[0] == "tune":
        again = subprocess.run(
            [sys.executable, "-m", "singleshot", *command], capture_output=True, text=True, timeout=300, check=False
        )
        return again.returncode, again.stderr
    resume = ["--resume"] if (folder / "run" / "last.ckpt").exists() else []
    done = run_verb(*command, "--workers", 0, *resume)
    return done.exit_code, done.stderr


def main(count: int, first: int) -> None:
    """Try many moments, a line each."""
    with tempfile.TemporaryDirectory() as name:
        root = write_animals(Path(name) / "data", PICTURES)
        for seed in range(first, first + count):
            folder = Path(name) / str(seed)
            folder.mkdir()
            os.environ["SINGLESHOT_CACHE_DIR"] = str(folder / "cache")
            moment = Moment.drawn(seed)
            command = command_of(moment, root, folder)
            ended = interrupted(moment, command, folder)
            code, said = gone_on_with(command, folder)
            sys.stdout.write(
                f"{seed} {moment}: code {ended.code}, {ended.seconds:.1f} s, left {ended.left}, then {code}\n"
            )
            for text in (ended.text if "Traceback" in ended.text else "", said if code else ""):
                sys.stdout.write(text[-1500:])
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else 0)
