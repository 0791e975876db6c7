"""Who decodes: hardware that is missing is said, and the processor does its work."""

from __future__ import annotations

import numpy as np
import pytest

from singleshot.runtime.sources import decoder as decoders
from singleshot.runtime.sources.decoder import decoder_line, find_decoder
from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_names import Decoder
from singleshot.runtime.sources.video import VideoSource
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.places import CLIP


@pytest.mark.parametrize(
    ("wanted", "there", "found", "line"),
    [
        pytest.param("cpu", "", "cpu", "decoder: cpu", id="the processor is always there"),
        pytest.param("cuda", "cuda", "cuda", "decoder: cuda", id="what was asked for"),
        pytest.param("cuda", "vaapi", "cpu", "decoder: cpu (cuda: no such device)", id="what is missing is said"),
        pytest.param("auto", "vaapi", "vaapi", "decoder: vaapi (cuda: no such device)", id="first that is there"),
        pytest.param(
            "auto",
            "",
            "cpu",
            "decoder: cpu (cuda: no such device, vaapi: no such device, v4l2m2m: no such device)",
            id="nothing is there",
        ),
    ],
)
def test_decoder_that_is_there_is_found(
    wanted: Decoder, there: str, found: Decoder, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "_fault", lambda kind: "" if kind == there else "no such device")
    assert (find_decoder(wanted), decoder_line(wanted)) == (found, line)


def test_hardware_of_this_machine_is_tried_and_its_faults_are_named(capfd: pytest.CaptureFixture[str]) -> None:
    for kind in ("cuda", "vaapi", "v4l2m2m"):
        assert decoders._fault(kind) in {"", "no such device", "not in this PyAV"}
    with open_source(CLIP, decoder="auto") as source:
        assert isinstance(source, VideoSource)
        assert source.decoder == find_decoder("auto")
        assert next(iter(source)).image.shape == (360, 640, 3)
    assert capfd.readouterr().err == ""


def test_codec_of_a_device_of_its_own_decodes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's own codec stands in for the device's; where the device does not open, the processor decodes."""

    def last_picture() -> tuple[Decoder, np.ndarray]:
        with VideoSource(CLIP, decoder="v4l2m2m") as source:
            *_, last = source
            return source.decoder, last.image

    if not decoders._fault("v4l2m2m"):
        pytest.skip("this machine has such a device")
    used, image = last_picture()
    assert used == "cpu"
    monkeypatch.setattr(decoders, "_MEMORY_TO_MEMORY", "")
    used, same = last_picture()
    assert used == "v4l2m2m"
    np.testing.assert_array_equal(image, same)


def test_command_line_says_who_decodes() -> None:
    result = run_verb("rt-detect", "--video", CLIP, "--decoder", "auto", "--max-frames", 1)
    assert f"\n{decoder_line('auto')}\n" in result.stderr
