"""Looking is free: neither the package nor its help loads what only some verbs need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from singleshot.tools.cli import VERBS

HEAVY = (
    "torch",
    "torchvision",
    "lightning",
    "onnx",
    "onnxscript",
    "onnxruntime",
    "cv2",
    "av",
    "tensorrt",
    "numpy",
    "jinja2",
)
EXAMPLES = {
    "check-data": "singleshot check-data",
    "convert-data": "singleshot convert-data",
    "harvest": "singleshot harvest camera.mkv -o to-label",
    "models": "singleshot models",
    "train": "singleshot train",
    "reproduce-paper": "singleshot reproduce-paper",
    "tune": "singleshot tune",
    "evaluate": "singleshot evaluate",
    "export": "singleshot export",
    "quantize": "singleshot quantize",
    "build": "singleshot build",
    "rt-detect": "rt-detect --video",
    "scan": "singleshot scan",
    "demo": "singleshot demo",
    "bench": "singleshot bench",
    "bench-training": "singleshot bench-training",
    "verify": "singleshot verify",
    "certify": "singleshot certify",
    "inspect": "singleshot inspect",
    "adapt": "singleshot adapt",
    "doctor": "singleshot doctor",
    "handover": "singleshot handover",
}


def modules_loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules that it left loaded."""
    code += "\nimport json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_is_light() -> None:
    assert modules_loaded_by("import singleshot; singleshot.__version__").isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_light(verb: str) -> None:
    arguments = [*verb.split(), "--help"]
    code = f"from singleshot.tools.cli import app\napp({arguments!r}, standalone_mode=False)"
    assert modules_loaded_by(code).isdisjoint(HEAVY)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_shows_an_example(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "singleshot", verb, "--help"], capture_output=True, text=True, check=True
    )
    _, found, examples = done.stdout.partition("Example")
    assert found
    assert EXAMPLES[verb] in examples


def test_help_names_every_verb() -> None:
    done = subprocess.run([sys.executable, "-m", "singleshot", "--help"], capture_output=True, text=True, check=True)
    assert [verb for verb in VERBS if f" {verb} " not in done.stdout] == []


def test_verb_that_does_not_exist() -> None:
    done = subprocess.run([sys.executable, "-m", "singleshot", "fly"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "No such command 'fly'" in done.stderr


def test_version() -> None:
    import singleshot

    done = subprocess.run([sys.executable, "-m", "singleshot", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"singleshot {singleshot.__version__}\n"


def test_public_names_load_on_first_use() -> None:
    import singleshot

    assert all(getattr(singleshot, name) is not None for name in singleshot.__all__)
    with pytest.raises(AttributeError, match="module 'singleshot' has no attribute 'nonsense'"):
        _ = singleshot.nonsense
