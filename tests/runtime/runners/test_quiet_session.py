"""ONNX Runtime is opened in one place, and says nothing on its own."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.runners.quiet_session import CPU, RUNTIME_ERRORS, open_quietly, quiet_options, reason_of
from singleshot.tests.imports import FLOORS
from singleshot.tests.places import GRAPHS, ROOT


def test_no_other_module_opens_onnx_runtime() -> None:
    """The programs that measure peers are none of ours: each runs where it alone is installed."""
    found = [path for part in FLOORS for path in (ROOT / part).rglob("*.py") if "InferenceSession(" in path.read_text()]
    assert [path.name for path in found if path.parent.name != "peers"] == ["quiet_session.py"]


def test_a_file_and_its_bytes_give_the_same_answer_on_the_cpu() -> None:
    path = sorted(GRAPHS.glob("*.onnx"))[0]
    sessions = open_quietly(path), open_quietly(path.read_bytes(), quiet_options(threads=1))
    (given,) = sessions[0].get_inputs()
    frames = np.full((1, *given.shape[1:]), 100, np.uint8)
    first, second = (session.run(None, {given.name: frames}) for session in sessions)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert sessions[1].get_providers() == [CPU]
    assert sessions[1].get_session_options().intra_op_num_threads == 1


def test_what_cannot_be_loaded_is_raised_in_one_line_and_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RUNTIME_ERRORS) as refused:
        open_quietly(b"no graph")
    reason = reason_of(refused.value)
    assert reason
    assert "\n" not in reason
    assert capfd.readouterr() == ("", "")
