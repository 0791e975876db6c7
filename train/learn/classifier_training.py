"""How a classifier is trained and validated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchvision.transforms import v2

from ...calib.accuracy.localization_error import LocalizationError, LocalizationErrorEvaluator, localization_figures
from ...calib.accuracy.top_k import AccuracyEvaluator, AccuracyResult
from ...runtime.card import Card, Measurement
from ...runtime.detection.classifications import TOP
from ...runtime.detection.postprocess import classifications_from_logits
from ...runtime.progress import Progress
from ..checkpoints.torch_session import normalised_images
from ..feed.batches import Batch
from ..feed.validation_batches import objects_of, validation_batches
from ..networks.classifier import ClassAndBox, JointClassifier
from ..networks.registry import build_network, network_named, options_of
from ..settings import TrainSettings
from .progressive_resizing import share_of_side, shrunk
from .training_module import Training, Validation

_NO_CLASS = -100
"""Label of an image that shows no object of one class; cross-entropy leaves it out."""


@dataclass(frozen=True, kw_only=True)
class ClassifierTargets:
    """What a classifier is to say of N images.

    Args:
        labels: [N] int64, class ids, or -100 for an image whose objects are of several classes, or of none.
        boxes_xyxy: [N, 4] float32, normalised: of each image's first object; zeros where there is no label.
    """

    labels: Tensor
    boxes_xyxy: Tensor


def classifier_targets(objects: list[tuple[Tensor, Tensor]]) -> ClassifierTargets:
    """Make a batch's targets of its objects, boxes_xyxy [n, 4] and labels [n] from 1 up, -1 for difficult ones."""
    labels, boxes = [], []
    for boxes_xyxy, object_labels in objects:
        learned = object_labels > 0
        classes = object_labels[learned]
        single = len(classes) > 0 and bool((classes == classes[0]).all())
        labels.append(classes[0] - 1 if single else object_labels.new_tensor(_NO_CLASS))
        boxes.append(boxes_xyxy[learned][0] if single else boxes_xyxy.new_zeros(4))
    return ClassifierTargets(labels=torch.stack(labels), boxes_xyxy=torch.stack(boxes))


class ClassifierTraining(Training):
    """Cross-entropy, and top-1 and top-5 accuracy on the validation split; a box beside the class where there is one.

    An image's class is that of its objects; one with objects of several classes, or of none, teaches nothing.
    """

    monitor = "val_top1"

    def built(self, card: Card, settings: TrainSettings) -> nn.Module:
        """Build a classifier, and what mixes its images."""
        mixings: list[nn.Module] = []
        if settings.mixup:
            mixings.append(v2.MixUp(alpha=settings.mixup, num_classes=len(card.class_names)))
        if settings.cutmix:
            mixings.append(v2.CutMix(alpha=settings.cutmix, num_classes=len(card.class_names)))
        self._mix = v2.RandomChoice(mixings) if mixings else None
        self._least_side = network_named(card.network).least_side
        self._right = MeanMetric()  # over all images of an epoch that have a class, of all processes
        return build_network(card.network, options_of(card, pretrained=settings.pretrained))

    def losses(self, images: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Compute the class loss and, of a network that predicts one, the box loss."""
        targets = classifier_targets(batch.objects)
        wanted = targets.labels
        progress = self.current_epoch / max(self.settings.epochs - 1, 1)
        side = self.settings.training_resolution * share_of_side(self.settings.progressive_resizing, progress)
        images = shrunk(images, side, least_side=self._least_side)
        if self._mix is not None:
            single = wanted >= 0
            images, wanted = self._mix(images[single], wanted[single])
        said = self._said(images)
        parts = {"class_loss": self._class_loss(said.class_logits, wanted)}
        if isinstance(self.network, JointClassifier):
            parts["box_loss"] = self._box_loss(said.boxes_xyxy, targets)
        if self._mix is None:
            single = wanted >= 0
            self._right.update((said.class_logits.argmax(dim=1) == wanted)[single].float())
            self.log("top1", self._right, on_step=False, on_epoch=True)
        return parts

    def validate(self, on_progress: Progress) -> Validation:
        """Measure loss and accuracy, and ILSVRC's localization error of a network that predicts a box, in one pass."""
        spec, settings = self.card.input, self.settings
        accuracy, localization = AccuracyEvaluator(self.data.class_names), LocalizationErrorEvaluator()
        sums = np.zeros(3)  # of class loss, box loss and images with a class
        for samples, frames in validation_batches(
            self.data, settings.val_split, spec, seed=settings.split_seed, on_progress=on_progress
        ):
            targets = classifier_targets(objects_of(samples, spec, self.device))
            said = self._said_of_frames(frames)
            counted = float((targets.labels >= 0).sum())
            losses = self._class_loss(said.class_logits, targets.labels), self._box_loss(said.boxes_xyxy, targets)
            sums += (*(float(loss) * counted for loss in losses), counted)
            boxes = said.boxes_xyxy.cpu().numpy()
            found = classifications_from_logits(said.class_logits.cpu().numpy())
            for sample, classes, box in zip(samples, found, boxes, strict=True):
                accuracy.add(sample, classes)
                guesses = classes.class_ids.astype(np.int64)
                localization.add(sample, guesses, np.repeat(box[np.newaxis], len(guesses), axis=0))
        result = accuracy.result()
        class_loss, box_loss = sums[:2] / sums[2]
        figures = {"val_top1": result.top1, "val_top5": result.top5, "val_class_loss": class_loss}
        errors = localization.result() if isinstance(self.network, JointClassifier) else None
        if errors is not None:
            figures["val_box_loss"] = box_loss
            figures["val_localization_error_top1"] = errors.top1
            figures["val_localization_error_top5"] = errors.top5
        return Validation(figures=figures, measurements=self._measurements(result, errors))

    def _said(self, images: Tensor) -> ClassAndBox:
        """Run the network; the box is that of the whole image where it predicts none."""
        if isinstance(self.network, JointClassifier):
            return self.network.class_and_box(images)
        whole = images.new_tensor([0.0, 0.0, 1.0, 1.0]).expand(len(images), 4)
        return ClassAndBox(class_logits=self.network(images), boxes_xyxy=whole)

    def _said_of_frames(self, frames: NDArray[np.uint8]) -> ClassAndBox:
        images = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2).to(self.device)
        # In float32 even while a run trains in mixed precision: what is measured is what will be exported.
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            return self._said(normalised_images(images, self.card.input))

    def _class_loss(self, class_logits: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy with [n] labels or [n, C] shares of classes; the mean over the images that have a class."""
        smoothing = self.settings.label_smoothing if self.training else 0.0
        total = functional.cross_entropy(class_logits.float(), wanted, label_smoothing=smoothing, reduction="sum")
        counted = (wanted >= 0).sum() if wanted.ndim == 1 else len(wanted)
        return total / max(int(counted), 1)

    def _box_loss(self, boxes_xyxy: Tensor, targets: ClassifierTargets) -> Tensor:
        single = targets.labels >= 0
        if not isinstance(self.network, JointClassifier) or not single.any():
            return boxes_xyxy.sum() * 0
        return self.network.box_loss(boxes_xyxy[single], targets.boxes_xyxy[single])

    def _measurements(self, result: AccuracyResult, errors: LocalizationError | None) -> tuple[Measurement, ...]:
        figures = {"top-1 accuracy": result.top1, f"top-{TOP} accuracy": result.top5}
        if errors is not None:
            figures |= localization_figures(errors)
        return self.measurements_of(figures, images=result.images)
