"""How a detector is trained and validated."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...calib.accuracy.average_precision import DetectionEvaluator, EvaluationResult
from ...calib.accuracy.localization_error import localization_figures
from ...runtime.card import Card, Measurement
from ...runtime.detection.letterbox import detections_to_frame
from ...runtime.progress import Progress
from ..checkpoints.torch_session import TorchSession
from ..distributed import ALONE, World, current_world
from ..feed.batches import Batch
from ..feed.validation_batches import labelled_of, objects_of, validation_batches
from ..networks.inverted_residual import StagedTrunk
from ..networks.registry import build_detector, options_of
from ..networks.ssd import SSD, Heads
from ..settings import TrainSettings
from .losses import MultiboxLoss, multibox_loss
from .matching import match_targets
from .mosaic import mosaic
from .training_module import Training, Validation


class DetectorTraining(Training):
    """The multibox loss, and average precision on the validation split."""

    monitor = "val_ap50_voc"
    network: SSD

    def built(self, card: Card, settings: TrainSettings) -> SSD:
        """Build a detector; the settings say which stages of its trunk stay as they are."""
        network = build_detector(card.network, options_of(card, pretrained=settings.pretrained))
        if isinstance(network.trunk, StagedTrunk):
            network.trunk.freeze(settings.frozen_stages)
        return network

    def losses(self, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compute classification and localization loss."""
        images, objects, labelled = mosaic(images, batch.objects, batch.labelled, share=self.settings.mosaic)
        loss = self._loss(self.network(images), objects, labelled, world=current_world())
        return {"class_loss": loss.classification, "box_loss": loss.localization}

    def validate(self, on_progress: Progress) -> Validation:
        """Measure loss, average precision and ILSVRC's localization error in one pass over the split.

        A figure that no class has enough objects for is left out.
        """
        session = TorchSession(self.network, self.card)
        evaluator = DetectionEvaluator(self.data.class_names)
        sums = np.zeros(3)  # of class loss, box loss and matched default boxes
        spec, settings = self.card.input, self.settings
        for samples, frames in validation_batches(
            self.data, settings.val_split, spec, seed=settings.split_seed, on_progress=on_progress
        ):
            heads = session.heads(frames)
            device = heads.box_offsets.device
            loss = self._loss(heads, objects_of(samples, spec, device), labelled_of(samples, device))
            positives = float(loss.positives)
            sums += float(loss.classification) * positives, float(loss.localization) * positives, positives
            for sample, found in zip(samples, session.detections(heads), strict=True):
                in_frame = detections_to_frame(found, spec, height=sample.height_px, width=sample.width_px)
                evaluator.add(sample, in_frame)
        result = evaluator.result()
        errors = result.localization
        class_loss, box_loss = sums[:2] / sums[2]
        figures = {
            self.monitor: result.mean_ap50_voc,
            "val_ap50": result.mean_ap50,
            "val_ap50_95": result.mean_ap50_95,
            "val_loss": class_loss + box_loss,
            "val_class_loss": class_loss,
            "val_box_loss": box_loss,
            "val_localization_error_top1": None if errors is None else errors.top1,
            "val_localization_error_top5": None if errors is None else errors.top5,
        }
        known = {name: float(value) for name, value in figures.items() if value is not None}
        return Validation(figures=known, measurements=self._measurements(result))

    def _loss(
        self, heads: Heads, objects: list[tuple[Tensor, Tensor]], labelled: Tensor | None, *, world: World = ALONE
    ) -> MultiboxLoss:
        targets = match_targets(objects, self.network.default_cxcywh, variances=self.card.postprocess.variances)
        return multibox_loss(
            heads,
            targets,
            labelled=labelled,
            classification=self.settings.classification_loss,
            localization=self.settings.localization_loss,
            world=world,
        )

    def _measurements(self, result: EvaluationResult) -> tuple[Measurement, ...]:
        figures: dict[str, float] = {}
        if result.mean_ap50_voc is not None:
            over = ", ".join(item.name for item in result.supported)
            figures[f"AP50 (VOC all-point), mean over {over}"] = result.mean_ap50_voc
        if result.localization is not None:
            figures |= localization_figures(result.localization)
        return self.measurements_of(figures, images=result.images)
