"""`rt-detect` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from singleshot.runtime.sources.open_source import open_source
from singleshot.runtime.sources.source_names import SOURCE_FORMS
from singleshot.tests.fixtures.command_line import run_verb
from singleshot.tests.fixtures.running import running
from singleshot.tests.places import PHOTOS

WriteVideo = Callable[..., Path]
COMMAND = (sys.executable, "-m", "singleshot.tools.rt_detect")
STARTED_WITHIN_S = 30.0


def rt_detect(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200", **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


def frames_of(path: Path) -> int:
    with open_source(str(path)) as source:
        return len(list(source))


def test_video_lines_and_summary(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    video, lines = tmp_path / "dog.mp4", tmp_path / "dog.jsonl"
    run = rt_detect("--video", dog_clip, "--model", graphs / "quarters.onnx", "--save", video, "--json", lines)
    assert run.returncode == 0
    (line,) = run.stderr.splitlines()
    assert line.startswith("backend: onnxruntime fp32 (auto: ")
    out = run.stdout.splitlines()
    assert out[:2] == [str(video), str(lines)]
    assert out[2].startswith("cat: in 282 of 282 frames, 282 boxes")
    assert out[-2].startswith("282 frames in ")
    assert out[-2].endswith(" frames/s, onnxruntime (CPU)")
    assert out[-1].startswith("median ms a frame: wait ")
    assert frames_of(video) == 282
    records = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [list(record) for record in records] == [["source", "frame", "time_s", "detections"]] * 282
    assert list(records[0]["detections"][0]) == ["label", "class_id", "score", "box_xyxy_px"]
    assert records[-1]["time_s"] == 11.24


def test_still_scene_is_held_and_parts_are_looked_at(graphs: Path, write_video: WriteVideo, tmp_path: Path) -> None:
    video, lines = write_video(times_s=[number / 25 for number in range(60)]), tmp_path / "out.jsonl"
    options = ("--model", graphs / "quarters.onnx", "--tiles", "2x1", "--skip-still", "--json", lines)
    result = run_verb("rt-detect", "--video", video, *options)
    assert result.exit_code == 0, result.stderr
    held = [json.loads(line).get("held", False) for line in lines.read_text().splitlines()]
    assert not any(held[:8])
    assert any(held)
    assert f"held: {sum(held)} of 60 frames, in which the scene did not move" in result.stdout


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        pytest.param("quarters", ["--tiles", "2"], "--tiles: expected COLUMNSxROWS with 2 to 64", id="no tiles"),
        pytest.param("quarters_classifier", ["--tiles", "2x2"], "--tiles: expected a detector, which", id="classifier"),
        pytest.param(
            "quarters_classifier", ["--coco", "x.json"], "--coco: expected a detector, got a cl", id="no boxes"
        ),
        pytest.param("quarters", ["--skip-still"], "--skip-still: expected a camera, a stream or a vid", id="images"),
        pytest.param("quarters", ["--tracker", "ocsort"], "--tracker ocsort: expected --track, got", id="no ids"),
        pytest.param("quarters_classifier", ["--track"], "--track: expected a detector, which", id="ids of classes"),
    ],
)
def test_what_does_not_go_together_is_one_line(graphs: Path, model: str, options: list[str], message: str) -> None:
    result = run_verb("rt-detect", "--video", PHOTOS, "--model", graphs / f"{model}.onnx", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith(f"error: {message}")


def test_log_of_json_has_a_line_for_each_change_of_state(graphs: Path) -> None:
    source = "synthetic://?frames=12&fps=50&paced=1"
    result = run_verb("rt-detect", "--video", source, "--model", graphs / "quarters.onnx", "--log-json")
    assert result.exit_code == 0, result.stderr
    said = [json.loads(line) for line in result.stderr.splitlines()]
    states = [line["state"] for line in said if "state" in line]
    assert states == ["opening", "live", "ended"]
    assert {line["level"] for line in said if "state" in line} == {"info"}
    assert [line["message"] for line in said if line["message"].startswith("backend: onnxruntime")]
    assert all(datetime.fromisoformat(line["at"]).tzinfo for line in said)


def test_camera_that_is_given_up_is_a_warning_in_the_log_of_json(graphs: Path) -> None:
    source = "chaos://disconnect=1&clock=simulated&source=synthetic://?frames=9"
    options = ("--model", graphs / "quarters.onnx", "--give-up-after", 0, "--log-json")
    result = run_verb("rt-detect", "--video", source, *options)
    said = [line for line in map(json.loads, result.stderr.splitlines()) if line.get("state") == "ended"]
    assert [(line["level"], line["reason"]) for line in said] == [("warning", "lost for 0 s (by chaos); given up")]


def test_mistake_is_a_line_of_json_too(graphs: Path) -> None:
    result = run_verb("rt-detect", "--video", "none.mp4", "--model", graphs / "quarters.onnx", "--log-json")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = map(json.loads, result.stderr.splitlines())
    assert line["level"] == "error"
    assert line["message"].startswith("none.mp4: expected ")


def test_port_that_is_taken_shows_before_a_camera_opens(graphs: Path) -> None:
    pytest.importorskip("prometheus_client")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = ("--model", graphs / "quarters.onnx", "--metrics", port, "--log-json")
        result = run_verb("rt-detect", "--video", "synthetic://?paced=1", *options)
    assert result.exit_code == 2
    (line,) = map(json.loads, result.stderr.splitlines())
    assert line["message"] == (
        f"--metrics {port}: expected a free port of this machine, got: Address already in use. Name another."
    )


def test_metrics_are_answered_while_it_runs(graphs: Path) -> None:
    pytest.importorskip("prometheus_client")
    command = [*COMMAND, "--video", "synthetic://?paced=1", "--model", graphs / "quarters.onnx", "--metrics", "0"]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        line = next(line for line in run.stderr if line.startswith("metrics: "))
        url = line.split("/metrics")[0].removeprefix("metrics: ")
        with urlopen(f"{url}/health", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        run.terminate()
        assert run.wait(timeout=STARTED_WITHIN_S) == 143


def test_json_on_stdout_is_nothing_but_json(graphs: Path, write_video: WriteVideo) -> None:
    video = write_video(times_s=[0.0, 0.1, 0.2])
    run = rt_detect("--video", video, "--model", graphs / "quarters.onnx", "--json", "-", "--max-frames", 2)
    assert [json.loads(line)["frame"] for line in run.stdout.splitlines()] == [0, 1]
    assert "2 frames in" in run.stderr


def test_without_outputs_it_says_what_it_found(graphs: Path, write_video: WriteVideo) -> None:
    video = write_video(times_s=[0.0, 0.1])
    run = rt_detect("--video", video, "--model", graphs / "quarters.onnx")
    assert run.stdout.startswith("cat: in 2 of 2 frames, 2 boxes\n2 frames in ")
    run = rt_detect("--video", video, "--model", graphs / "quarters.onnx", "--score", "0.99")
    assert run.stdout.startswith("nothing found in 2 frames; a lower --score shows what it is less sure of\n")


def test_truncated_video_is_a_warning(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.mp4").write_bytes(dog_clip.read_bytes()[:300_000])
    run = rt_detect("--video", tmp_path / "cut.mp4", "--model", graphs / "quarters.onnx")
    assert run.returncode == 0
    _, warning = run.stderr.splitlines()  # the first says which backend runs
    assert warning.startswith(f"warning: {tmp_path / 'cut.mp4'}: expected 282 frames as announced, got ")


def test_full_disk_stops_the_recording_alone(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    """No file may grow over 64 KiB; the lines of 100 frames are smaller."""
    arguments = ["--video", dog_clip, "--model", graphs / "quarters.onnx", "--max-frames", 100]
    arguments += ["--save", tmp_path / "out.mp4", "--json", tmp_path / "out.jsonl"]
    limited = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash", *COMMAND, *map(str, arguments)]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # it writes files
    run = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=120, env=unmeasured)
    assert run.returncode == 1
    _, told, warning = run.stderr.splitlines()
    assert told.startswith(f"{tmp_path / 'out.mp4'}: could not be written (File too large) after ")
    assert re.fullmatch(r"warning: .*/out\.mp4: the disk was full, \d+ of 100 frames are missing\.", warning)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 100
    assert 0 < frames_of(tmp_path / "out.mp4") < 100


def test_video_is_cut_into_files(graphs: Path, dog_clip: Path, tmp_path: Path) -> None:
    arguments = ["--video", dog_clip, "--model", graphs / "quarters.onnx", "--save", tmp_path / "dog.mp4"]
    run = rt_detect(*arguments, "--segment", "4s", "--keep", "1GiB")
    assert run.stdout.splitlines()[0] == str(tmp_path / "dog_*.mp4")
    files = sorted(tmp_path.glob("dog_*.mp4"))
    assert [path.name for path in files] == ["dog_0001.mp4", "dog_0002.mp4", "dog_0003.mp4"]
    assert [frames_of(path) for path in files] == [100, 100, 82]


@pytest.mark.parametrize(
    ("stdout", "line"),
    [
        pytest.param("/dev/full", "stdout: could not be written (No space left on device).", id="full"),
        pytest.param("&-", "--json -: expected stdout to be open, got it closed. Name a file.", id="closed"),
    ],
)
def test_stdout_that_takes_nothing_is_one_line(graphs: Path, dog_clip: Path, stdout: str, line: str) -> None:
    command = ["bash", "-c", f'"$@" --json - >{stdout}', "bash", *COMMAND, "--video", str(dog_clip), "--model"]
    run = subprocess.run(
        [*command, str(graphs / "quarters.onnx")], stderr=subprocess.PIPE, text=True, check=False, timeout=120
    )
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == f"error: {line}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--video", "no.mp4"], "no.mp4: expected a video, an image, a folder", id="missing video"),
        pytest.param(
            ["--video", "rtsp://me:geheim@127.0.0.1:1/cam"],
            "rtsp://127.0.0.1:1/cam: expected a stream that",
            id="no server",
        ),
        pytest.param(["--video", "{clip}", "--policy", "latest"], "--policy latest: expected a camera", id="policy"),
        pytest.param(["--video", "cam99"], "cam99: expected a camera, got none", id="missing camera"),
        pytest.param(["--video", "{clip}", "--model", "no.onnx"], "no.onnx: expected an ONNX graph", id="no model"),
        pytest.param(
            ["--video", "{clip}", "--model", "{graphs}/bad_no_card.onnx"], "{graphs}/bad_no_card", id="no card"
        ),
        pytest.param(["--video", "{clip}", "--score", "0.01"], "--score 0.01: expected at least 0.05", id="floor"),
        pytest.param(["--video", "{clip}", "--score", "bird=0.4"], "bird: expected one of the classes cat", id="class"),
        pytest.param(["--video", "{clip}", "--show"], "--show: expected a display, got none", id="no display"),
        pytest.param(["--video", "{clip}", "--save", "out.gif"], "out.gif: expected a video's name", id="suffix"),
        pytest.param(["--video", "{clip}", "--save", "{clip}"], "{clip}: expected another place", id="the input"),
        pytest.param(["--video", "cam99", "--save", "/no/x.gif"], "/no/x.gif: expected a video's name", id="first"),
        pytest.param(["--video", "cam99", "--segment", "x"], "--segment: expected a time of 1s or more", id="segment"),
        pytest.param(["--video", "cam99", "--segment", "1m"], "--segment: expected --save with", id="nothing to cut"),
        pytest.param(["--video", "cam99", "--keep", "7d"], "--keep 7d: expected --segment as well", id="keep"),
    ],
)
def test_mistake_is_one_line_and_exit_code_2(graphs: Path, dog_clip: Path, arguments: list[str], message: str) -> None:
    places = {"clip": dog_clip, "graphs": graphs}
    given = [argument.format(**places) for argument in arguments]
    if "--model" not in given:
        given += ["--model", str(graphs / "quarters.onnx")]
    run = run_verb("rt-detect", *given, DISPLAY="", WAYLAND_DISPLAY="")
    assert run.exit_code == 2
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: " + message.format(**places))


@pytest.mark.skipif(sys.platform != "linux", reason="DISPLAY is Linux's")
def test_display_that_is_not_there(graphs: Path, dog_clip: Path) -> None:
    """Qt would abort the process; the line comes instead."""
    run = rt_detect(
        *("--video", dog_clip, "--model", graphs / "quarters.onnx", "--show"),
        env={"DISPLAY": ":987", "WAYLAND_DISPLAY": ""},
    )
    assert run.returncode == 2
    assert run.stderr == (
        "error: --show: expected a display, got one that cannot be opened. Use --save FILE instead.\n"
    )


def start_long_run(graphs: Path, write_video: WriteVideo, tmp_path: Path) -> subprocess.Popen[str]:
    """Start a run that takes long, and wait until it has written some lines."""
    video = write_video("long.mp4", times_s=[number / 25 for number in range(250)], height=480, width=640)
    lines = tmp_path / "out.jsonl"
    arguments = ("--video", video, "--model", graphs / "quarters.onnx", "--save", tmp_path / "out.mp4", "--json", lines)
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline_s = time.monotonic() + STARTED_WITHIN_S
    while not (lines.exists() and lines.read_bytes().count(b"\n") >= 40):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline_s
        time.sleep(0.002)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.usefixtures("ctrl_c_raises")
@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, id="Ctrl-C"), pytest.param(signal.SIGTERM, 143, id="SIGTERM")]
)
def test_interrupted_run_leaves_whole_files(
    graphs: Path, write_video: WriteVideo, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start_long_run(graphs, write_video, tmp_path)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr.splitlines()[1:] == [
        f"interrupted; what was done until then is in {tmp_path / 'out.mp4'} and {tmp_path / 'out.jsonl'}"
    ]
    data = (tmp_path / "out.jsonl").read_bytes()
    assert data.endswith(b"\n")
    lines = [json.loads(line) for line in data.splitlines()]
    assert 40 <= len(lines) < 250
    assert frames_of(tmp_path / "out.mp4") == len(lines)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_run_leaves_a_playable_video(graphs: Path, write_video: WriteVideo, tmp_path: Path) -> None:
    process = start_long_run(graphs, write_video, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    data = (tmp_path / "out.jsonl").read_bytes()
    assert data.endswith(b"\n")
    assert frames_of(tmp_path / "out.mp4") >= 20  # half a second may be lost


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and pipes")
@pytest.mark.usefixtures("ctrl_c_raises")
@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGTERM, id="SIGTERM")]
)
@pytest.mark.parametrize("frames", [pytest.param(0, id="that never spoke"), pytest.param(250, id="that fell silent")])
def test_silent_pipe_can_be_left(
    graphs: Path, write_video: WriteVideo, tmp_path: Path, number: signal.Signals, frames: int
) -> None:
    pipe, lines = tmp_path / "pipe.ts", tmp_path / "out.jsonl"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)  # so that the pipe never ends
    arguments = ("--video", pipe, "--model", graphs / "quarters.onnx", "--json", lines)
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    if frames:
        pipe.write_bytes(write_video("clip.ts", times_s=[number / 25 for number in range(frames)]).read_bytes())
        deadline_s = time.monotonic() + STARTED_WITHIN_S
        while not (lines.exists() and lines.stat().st_size):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    else:
        time.sleep(3)  # it is loaded, and waits in the library
    process.send_signal(number)
    process.communicate(timeout=20)
    os.close(held)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    if frames:
        assert all(json.loads(line) for line in lines.read_bytes().splitlines())


def test_help_has_examples() -> None:
    run = run_verb("rt-detect", "--help")
    assert run.exit_code == 0
    assert "rt-detect --video cam0 --show --score 0.4 --score person=0.7" in run.stdout
    said = re.sub(r"[\s│]", "", run.stdout)
    for form, meaning in SOURCE_FORMS.items():
        assert re.sub(r"\s", "", form + ":" + meaning) in said


def test_several_videos_share_a_session_and_have_outputs_of_their_own(
    graphs: Path, write_video: WriteVideo, tmp_path: Path
) -> None:
    first = write_video("a.mp4", times_s=[number / 25 for number in range(20)])
    second = write_video("b.mp4", times_s=[number / 25 for number in range(10)])
    run = rt_detect(
        *("--video", first, "--video", second, "--model", graphs / "quarters.onnx", "--score", "0.06"),
        *("--json", tmp_path / "{camera}.jsonl", "--save", tmp_path / "found_{camera}.mkv"),
    )
    assert run.returncode == 0
    assert run.stderr.rstrip().endswith("frames at a time, a thread each")
    assert run.stdout.splitlines()[:4] == [
        str(tmp_path / name) for name in ("found_a.mkv", "a.jsonl", "found_b.mkv", "b.jsonl")
    ]
    assert "a: cat: in 20 of 20 frames, 20 boxes" in run.stdout
    assert "b: cat: in 10 of 10 frames, 10 boxes" in run.stdout
    assert "30 frames in " in run.stdout
    for name, frames in (("a", 20), ("b", 10)):
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [(line["camera"], line["frame"]) for line in lines] == [(name, index) for index in range(frames)]
        assert frames_of(tmp_path / f"found_{name}.mkv") == frames


def test_configuration_of_a_camera_and_a_file(graphs: Path, write_video: WriteVideo, tmp_path: Path) -> None:
    write_video("whole.mp4", times_s=[number / 25 for number in range(20)])
    (tmp_path / "cameras.toml").write_text(
        f'model = "{graphs / "quarters.onnx"}"\njson = "{{camera}}.jsonl"\n'
        '[cameras.scene]\nsource = "synthetic://?frames=40&paced=1&fps=100"\n'
        '[cameras.clip]\nsource = "whole.mp4"\nscore = 0.06\n'
    )
    run = rt_detect("--config", tmp_path / "cameras.toml")
    assert run.returncode == 0, run.stderr
    assert "clip: cat: in 20 of 20 frames, 20 boxes" in run.stdout
    scene = [line for line in run.stdout.splitlines() if line.startswith("scene: age in ms, p50 / p95 / p99: taken ")]
    assert len(scene) == 1
    lines = [json.loads(line) for line in (tmp_path / "scene.jsonl").read_text().splitlines()]
    assert {"camera", "captured_at", "age_ms", "ages_ms"} <= set(lines[0])
    assert list(lines[0]["ages_ms"]) == ["taken", "found"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "--video: expected a source, got none.", id="no source"),
        pytest.param(["--config", "c.toml", "--save", "x.mp4"], "--config: expected no other option", id="both"),
        pytest.param(["--config", "no.toml"], "no.toml: expected a TOML file of cameras", id="no file"),
        pytest.param(
            ["--video", "cam98", "--video", "cam99", "--json", "x.jsonl"],
            "--json x.jsonl: expected {camera} in the name, as there are 2 cameras, got none. Try x_{camera}.jsonl.",
            id="one file for two",
        ),
    ],
)
def test_mistake_among_several_sources(arguments: list[str], message: str) -> None:
    run = run_verb("rt-detect", *arguments)
    assert (run.exit_code, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: " + message)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd")
def test_systemd_hears_of_the_start_a_reload_and_the_end(graphs: Path, tmp_path: Path) -> None:
    config = tmp_path / "cameras.toml"
    config.write_text(
        f'model = "{graphs / "quarters.onnx"}"\n[cameras.scene]\nsource = "synthetic://?paced=1&fps=50"\n'
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(STARTED_WITHIN_S)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        command = [*COMMAND, "--config", str(config), "--log-json"]
        with running(command, stderr=subprocess.PIPE, env=environment) as process:
            heard = [manager.recv(100).decode() for _ in range(2)]
            process.send_signal(signal.SIGHUP)
            while "READY=1" not in heard[2:]:
                heard.append(manager.recv(100).decode())
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=60)
            heard.append(manager.recv(100).decode())
    assert [word.split("\n")[0] for word in heard if word != "WATCHDOG=1"] == [
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]
    assert "WATCHDOG=1" in heard
    messages = [json.loads(line)["message"] for line in stderr.splitlines()]
    assert f"{config}: reloaded" in messages


def wait_for_lines(path: Path, is_so: Callable[[list[dict[str, object]]], bool]) -> int:
    """Wait until what a run has written is so; return how many lines there are."""
    deadline_s = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < deadline_s:
        found = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if is_so([json.loads(line) for line in found if line.endswith(b"\n")]):
            return len(found)
        time.sleep(0.05)
    raise AssertionError(f"{path}: it never was so")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP")
def test_scores_are_reloaded_while_it_runs(graphs: Path, tmp_path: Path) -> None:
    """The scene has something over 0.06 in every corner, and nothing over 1; a model that is none changes nothing."""
    config, lines = tmp_path / "cameras.toml", tmp_path / "scene.jsonl"

    def write(model: str, score: float) -> None:
        config.write_text(
            f'model = "{graphs / model}"\njson = "scene.jsonl"\nscore = {score}\n'
            '[cameras.scene]\nsource = "synthetic://?paced=1&fps=50"\n'
        )

    write("quarters.onnx", 0.06)
    command = [*COMMAND, "--config", str(config)]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_lines(lines, lambda found: len(found) > 5 and bool(found[-1]["detections"]))
        write("quarters.onnx", 1.0)
        process.send_signal(signal.SIGHUP)
        wait_for_lines(lines, lambda found: not found[-1]["detections"])
        write("bad_no_card.onnx", 0.06)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        frames = wait_for_lines(lines, bool)
        wait_for_lines(lines, lambda found: len(found) > frames + 5)  # it goes on
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert f"{config}: reloaded" in stderr
    assert f"not reloaded, what runs goes on: {graphs / 'bad_no_card.onnx'}: expected a graph with a card" in stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        pytest.param(["--threads", "1"], "latency: one frame at a time, in 1 thread", id="one thread for a file"),
        pytest.param(["--threads", "4"], "throughput: 4 frames at a time, a thread each", id="four for a file"),
        pytest.param(["--mode", "latency"], "latency: one frame at a time, on all cores", id="latency for a file"),
        pytest.param(["--mode", "latency", "--threads", "2"], "latency: one frame at a time, in 2 threads", id="both"),
    ],
)
def test_how_the_cores_are_spent_is_said(
    graphs: Path, write_video: WriteVideo, arguments: list[str], line: str
) -> None:
    video = write_video(times_s=[0.0, 0.1])
    run = run_verb("rt-detect", "--video", str(video), "--model", str(graphs / "quarters.onnx"), *arguments)
    assert run.exit_code == 0
    assert run.stderr.rstrip().endswith("; " + line)
