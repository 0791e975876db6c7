"""torchvision's `ssdlite320_mobilenet_v3_large`, as its documentation runs it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .timed import answering

_SCORE = 0.5
_BACKGROUND = 10.0
"""A logit that leaves the others less than the 0.001 below which torchvision drops them."""


def main() -> None:
    """Measure it."""
    with answering() as (job, answer):
        started_s = time.perf_counter()
        import torch
        import torchvision
        from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights as Weights
        from torchvision.models.detection import ssdlite320_mobilenet_v3_large as build

        from .clip import measure

        kept = Path(torch.hub.get_dir()) / "checkpoints" / Path(Weights.DEFAULT.url).name
        torch.manual_seed(0)
        model = build(weights=None, weights_backbone=None)
        if kept.is_file():
            model.load_state_dict(torch.load(kept, weights_only=True))
        else:
            answer["notes"] = ["random weights that see background alone: suppression has next to nothing to do"]
            for *_, last in model.head.classification_head.module_list:  # else every box would be of every class
                last.bias.data.view(-1, len(Weights.DEFAULT.meta["categories"]))[:, 0] = _BACKGROUND
        model.eval()
        answer["load_ms"] = 1e3 * (time.perf_counter() - started_s)

        def look(image: Any) -> Any:
            rgb = torch.from_numpy(image[:, :, ::-1].copy()).permute(2, 0, 1).float() / 255  # [3, h, w]
            with torch.inference_mode():
                return model([rgb])[0]

        answer["runs_on"] = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
        measure(job, answer, look, lambda found: int((found["scores"] >= _SCORE).sum()))


if __name__ == "__main__":
    main()
