"""torchvision's `ssdlite320_mobilenet_v3_large`, as its documentation runs it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .timed import answering

_SCORE = 0.5


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
            answer["notes"] = ["random weights: suppression sees other candidates than of trained ones"]
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
