"""Files that are no graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from singleshot.export.foreign.adapt import adapt_detector
from singleshot.export.graphs.graph_file import load_graph
from singleshot.runtime.errors import InputError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "got no such file.", id="missing"),
        pytest.param("folder", "got Is a directory.", id="a folder"),
        pytest.param(b"", "got a file that holds none. Export or download it again.", id="empty"),
        pytest.param(b"\xff" * 100, "got a file that holds none. Export or download it again.", id="no protobuf"),
    ],
)
def test_what_is_no_graph_is_one_line(tmp_path: Path, content: bytes | str | None, message: str) -> None:
    path = tmp_path / "a.onnx"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_graph(path)
    assert str(caught.value) == f"{path}: expected an ONNX graph, {message}"
    with pytest.raises(InputError, match=r"a\.onnx: expected an ONNX graph, got "):
        adapt_detector(path, tmp_path / "out.onnx")
