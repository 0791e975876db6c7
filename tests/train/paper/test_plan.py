"""The paper's runs: what is planned, what a recipe is, and how results are brought together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from singleshot.calib.records.bootstrap import Interval
from singleshot.runtime.errors import InputError
from singleshot.tests.fixtures.paper_runs import RUN, accuracy, finish
from singleshot.train.augmentation_settings import AugmentationSettings
from singleshot.train.configuration import for_network
from singleshot.train.networks.registry import NETWORKS
from singleshot.train.paper.ablation import verdict
from singleshot.train.paper.plan import (
    AUGMENTATIONS,
    CLASSIFICATION,
    LOCALIZATION,
    PaperPlan,
    Recipe,
    parsed_networks,
    parsed_recipe,
    parsed_seeds,
    settings_of,
)
from singleshot.train.paper.results import (
    RUNS,
    all_finished,
    gap,
    over_seeds,
)
from singleshot.train.paper.seed_interval import SeedMean


def test_the_papers_two_rounds_by_default() -> None:
    runs = PaperPlan(classes=25).runs()
    assert [run.network for run in runs if run.round == "classification"] == list(CLASSIFICATION)
    assert [run.network for run in runs if run.round == "localization"] == list(LOCALIZATION)
    assert [run.classes for run in runs if run.round == "classes"] == [5, 10]  # 25 is the classification round's
    assert {(run.round, run.epochs) for run in runs} == {
        ("classification", 100),
        ("localization", 25),
        ("classes", 100),
    }


@pytest.mark.parametrize(("recipe", "plain_round"), [("paper", "classification"), ("modern", "ablation")])
def test_an_ablation_takes_each_augmentation_alone_with_every_seed(recipe: Recipe, plain_round: str) -> None:
    runs = PaperPlan(classes=25, networks=("ssd7",), seeds=(3, 4, 5), recipe=recipe, ablation="ssd7_classifier").runs()
    ablated = [run for run in runs if run.network == "ssd7_classifier"]
    found = [(run.augmentation or "none", run.seed) for run in ablated]
    assert sorted(found) == sorted((name, seed) for name in AUGMENTATIONS for seed in (3, 4, 5))
    assert {run.unaugmented for run in ablated if run.seed == 3} == {ablated[0]}
    assert ablated[0].round == plain_round
    changed = [settings_of(run).augmentation for run in ablated if run.seed == 3]
    differing = [
        sum(
            getattr(one, name) != getattr(AugmentationSettings.none(), name)
            for name in AugmentationSettings.model_fields
        )
        for one in changed
    ]
    assert differing == [0, *[1] * (len(AUGMENTATIONS) - 2), 7]


def test_a_trained_base_comes_before_its_detector_and_once() -> None:
    plan = PaperPlan(
        classes=25, networks=("ssd_resnet", "ssd7", "resnet_dropout"), seeds=(0, 1), trained_base=True, size=64
    )
    runs = plan.runs()
    assert [run.network for run in runs if run.seed == 1] == [
        "resnet_dropout_linear", "ssd_resnet", "ssd7_classifier", "ssd7", "resnet_dropout",
    ]  # fmt: skip
    assert [run.base for run in runs if run.seed == 1] == [None, runs[5], None, runs[7], None]
    assert runs[1].variant == "ssd_resnet-paper-25classes-64px-25epochs-base100epochs"
    fresh = PaperPlan(classes=25, networks=("ssd_resnet",), size=64).runs()
    assert fresh[0].base is None
    assert fresh[0].folder != runs[1].folder


def test_every_run_has_a_folder_of_its_own() -> None:
    plans = [
        PaperPlan(classes=25, recipe=recipe, size=size, seeds=(0, 1, 2), ablation="resnet_dropout")
        for recipe in get_args(Recipe)
        for size in (64, 224)
    ]
    runs = [run for plan in plans for run in plan.runs()]
    assert len({run.folder for run in runs}) == len(runs)


@pytest.mark.parametrize("recipe", get_args(Recipe))
@pytest.mark.parametrize("network", [*CLASSIFICATION, *LOCALIZATION, "ssd_lite0"])
def test_recipes_are_allowed_for_every_network_and_alike(network: str, recipe: str) -> None:
    settings = for_network(settings_of(replace(RUN, network=network, recipe=parsed_recipe(recipe))), network)
    assert (settings.schedule, settings.ema_decay) == (("constant", 0.0) if recipe == "paper" else ("cosine", 0.999))
    assert (settings.height, settings.width) == (224, 224)
    assert not settings.pretrained
    if NETWORKS[network].task == "detector":
        assert settings.localization_loss == ("l2" if recipe == "paper" else "smooth_l1")
    elif recipe == "paper":
        assert settings.augmentation == AugmentationSettings.none()
        assert (settings.label_smoothing, settings.mixup, settings.cutmix) == (0, 0, 0)
    else:
        assert settings.label_smoothing == 0.1
        assert (settings.cutmix > 0) == ("joint" not in network)
        grows = recipe == "progressive" and "vgg" not in network
        assert settings.progressive_resizing == (0.5 if grows else 1.0)
        assert settings.dropout == (0.0 if grows and network == "resnet_dropout" else None)


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        pytest.param(
            parsed_seeds, "0,0", r"seeds: expected different whole numbers such as 0,1,2, got 0,0\.", id="twice"
        ),
        pytest.param(parsed_seeds, "0,x", "seeds: expected different whole numbers", id="no number"),
        pytest.param(
            parsed_networks, "ssd7,ssd7", r"models: expected each network once, got ssd7,ssd7\.", id="network"
        ),
        pytest.param(parsed_networks, "ssd9", "ssd9: expected a network, one of", id="no such network"),
        pytest.param(
            parsed_recipe, "old", r"recipe: expected one of paper, modern, progressive, got old\.", id="recipe"
        ),
    ],
)
def test_what_cannot_be_read_is_refused(read: object, text: str, message: str) -> None:
    assert callable(read)
    with pytest.raises(InputError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("seeds", "network", "message"),
    [
        pytest.param(
            (0, 1), "resnet50", r"seeds: expected at least 3 for an ablation .*, got 2\. Give more", id="seeds"
        ),
        pytest.param((0, 1, 2), "ssd7", r"ablation: expected a classifier, got ssd7\. Take", id="detector"),
        pytest.param((0, 1, 2), "ssd9", "ssd9: expected a network, one of", id="no such network"),
    ],
)
def test_what_cannot_be_ablated(seeds: tuple[int, ...], network: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PaperPlan(classes=25, seeds=seeds, ablation=network).runs()


def test_results_by_hand(tmp_path: Path) -> None:
    for seed, (ours, theirs) in enumerate([(0.60, 0.58), (0.64, 0.60), (0.62, 0.59)]):
        finish(tmp_path, replace(RUN, seed=seed), accuracy(1, 0.1), accuracy(2, ours))
        finish(tmp_path, replace(RUN, network="resnet50", seed=seed), {"epoch": 1, "top1": 0.5}, accuracy(2, theirs))
    finished = all_finished(tmp_path)
    theirs_, ours_ = finished[:3], finished[3:]  # in the order of the paper's table
    assert ours_[0].curve("val_top1") == ([1, 2], [0.1, 0.60])
    assert theirs_[0].curve("val_top1") == ([2], [0.58])  # not every epoch is validated
    assert ours_[0].late("val_top1") == pytest.approx(0.35)
    finish(tmp_path / "long", RUN, *(accuracy(epoch, 0.1 * epoch) for epoch in range(1, 9)))
    assert all_finished(tmp_path / "long")[0].late("val_top1") == pytest.approx(0.6)  # epochs 4 to 8
    assert ours_[0].late("val_ap50_voc") is None
    mean = over_seeds(ours_, "val_top1")
    assert mean is not None
    assert mean.mean == pytest.approx(0.62)
    difference = gap(ours_, theirs_, "val_top1")
    assert difference is not None
    assert difference.mean == pytest.approx(0.03)
    assert difference.interval is not None
    assert difference.interval.low == pytest.approx(0.03 - 4.303 * 0.01 / 3**0.5, abs=1e-4)
    assert over_seeds(ours_, "val_ap50_voc") is None
    assert gap(ours_, [], "val_top1") is None


@pytest.mark.parametrize(
    ("low", "high", "of_accuracy", "of_loss"),
    [
        pytest.param(0.1, 0.3, "helps", "hurts", id="more"),
        pytest.param(-0.3, -0.1, "hurts", "helps", id="less"),
        pytest.param(-0.1, 0.3, "not told apart from none", "not told apart from none", id="either"),
    ],
)
def test_verdicts(low: float, high: float, of_accuracy: str, of_loss: str) -> None:
    change = SeedMean(mean=(low + high) / 2, interval=Interval(low=low, high=high), count=3)
    assert verdict(change) == of_accuracy
    assert verdict(change, less_is_better=True) == of_loss
    assert verdict(replace(change, interval=None)) == ""


def test_a_network_that_needs_a_larger_input_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InputError, match=r"input: expected at least 268 pixels a side for ssd300_vgg16, got 224 x 224"):
        PaperPlan(classes=25, networks=("resnet50", "ssd300_vgg16")).runs()


def test_a_broken_record_is_named(tmp_path: Path) -> None:
    finish(tmp_path, RUN, accuracy(1, 0.5))
    (tmp_path / RUNS / RUN.folder / "finished.json").write_text('{"round": "third"}')
    with pytest.raises(InputError, match=r"finished\.json: expected a record of a finished run, got round: .*Remove"):
        all_finished(tmp_path)
