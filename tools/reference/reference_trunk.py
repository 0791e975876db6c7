"""Writes the feature extractor that latency is compared with.

`python -m singleshot.tools.reference.reference_trunk OUT.onnx`.

EfficientNet-Lite0 with its ImageNet weights at 320 x 320, without preprocessing, classifier or anything of a detector:
[1, 3, 320, 320] float32 to the maps of stride 8, 16 and 32. `singleshot bench` times it as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ...runtime.errors import InputError
from ..terminal.exits import exit_codes

SIDE = 320


def main(arguments: list[str]) -> None:
    """Write the graph to the one path given.

    Raises:
        InputError: there is not one path, or it cannot be written to.
        MissingDependencyError: PyTorch or the weights are not installed.
    """
    from ...runtime.files import whole_file
    from ...runtime.require import require

    require("torch", extra="train", why="a reference network")
    from ...export.graphs.network_graph import feature_graph
    from ...train.networks.lite import LITE0, LiteTrunk, load_imagenet_weights

    if len(arguments) != 1 or not arguments[0].endswith(".onnx"):
        raise InputError(f"arguments: expected one path that ends in .onnx, got {' '.join(arguments) or 'none'}.")
    path = Path(arguments[0])
    trunk = LiteTrunk(LITE0)
    load_imagenet_weights(trunk)
    model = feature_graph(trunk, (1, 3, SIDE, SIDE), maps=("stride_8", "stride_16", "stride_32"))
    with whole_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, EfficientNet-Lite0's maps at {SIDE} x {SIDE}")


if __name__ == "__main__":
    with exit_codes():
        main(sys.argv[1:])
