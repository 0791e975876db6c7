"""The feature extractor that latency is compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from singleshot.runtime.errors import InputError
from singleshot.tools.reference.reference_trunk import main
from singleshot.train.networks.lite import LITE0, LiteTrunk, load_imagenet_weights


@pytest.mark.slow
def test_its_maps_are_those_of_the_network(tmp_path: Path) -> None:
    path = tmp_path / "trunk.onnx"
    main([str(path)])
    images = np.random.default_rng(0).normal(size=(1, 3, 320, 320)).astype(np.float32)
    found = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"images": images})
    trunk = LiteTrunk(LITE0).eval()
    load_imagenet_weights(trunk)
    with torch.no_grad():
        wanted = trunk(torch.from_numpy(images))
    assert [value.shape for value in found] == [(1, 40, 40, 40), (1, 112, 20, 20), (1, 320, 10, 10)]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-3)


@pytest.mark.parametrize("arguments", [[], ["a.pt"]])
def test_one_path_is_expected(arguments: list[str]) -> None:
    with pytest.raises(InputError, match=r"^arguments: expected one path that ends in \.onnx, got "):
        main(arguments)
