"""Training for real, on a few images of 64 pixels: what a run leaves behind, how it goes on, what it refuses."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
import torch

from singleshot.calib.accuracy.evaluate import evaluate
from singleshot.data.dataset import open_dataset
from singleshot.runtime.card import CARD_KEY, Card, card_from_json
from singleshot.runtime.errors import InputError
from singleshot.runtime.files import sha256_of_file
from singleshot.runtime.shipped import shipped_detector
from singleshot.tests.fixtures.metrics_table import metrics_rows
from singleshot.tests.fixtures.running import running
from singleshot.tests.fixtures.training_run import CLASSES, SETTINGS, run_training
from singleshot.train.checkpoints.checkpoint import load_checkpoint, open_checkpoint_session
from singleshot.train.checkpoints.resuming import check_same_run
from singleshot.train.checkpoints.starting_weights import graph_tensors
from singleshot.train.feed.batches import AugmentedImages
from singleshot.train.feed.workers import ReadAhead
from singleshot.train.run.run_folder import RunFolder
from singleshot.train.run.train import TrainingRun, train
from singleshot.train.settings import TrainSettings


@pytest.fixture(scope="module")
def whole(animals_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of two epochs, not interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    result = run_training(animals_root, out)
    assert (result.best, result.epochs) == (out / "best.ckpt", 2)
    return out


@pytest.fixture(scope="module")
def interrupted(animals_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same run, interrupted in its second epoch."""
    out = tmp_path_factory.mktemp("interrupted") / "run"
    untouched = AugmentedImages.__getitem__

    def press_ctrl_c(self: AugmentedImages, key: tuple[int, int]) -> object:
        if key[0] == 1:
            raise KeyboardInterrupt
        return untouched(self, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AugmentedImages, "__getitem__", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            run_training(animals_root, out)
    return out


@pytest.mark.usefixtures("ctrl_c_raises")
def test_ctrl_c_before_the_first_image_is_told_as_such(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadAhead, "__iter__", lambda _loader: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        run_training(animals_root, tmp_path)


def test_a_run_leaves_two_checkpoints_and_a_row_an_epoch(whole: Path) -> None:
    left = sorted(path.name for path in whole.iterdir() if path != RunFolder(path=whole).lock)
    assert left == ["best.ckpt", "last.ckpt", "metrics.csv", "tensorboard"]
    table = metrics_rows(whole)
    assert [row["epoch"] for row in table] == ["1", "2"]
    for row in table:
        assert float(row["loss"]) == pytest.approx(float(row["class_loss"]) + float(row["box_loss"]), rel=1e-4)
        assert 0 <= float(row["val_ap50_voc"]) <= 1


def test_a_resumed_run_equals_the_whole_one(whole: Path, interrupted: Path, animals_root: Path, tmp_path: Path) -> None:
    assert [row["epoch"] for row in metrics_rows(interrupted)] == ["1"]
    out = tmp_path / "run"
    shutil.copytree(interrupted, out)
    result = run_training(animals_root, out, workers=1, resume=True)
    assert result.epochs == 2
    assert metrics_rows(out) == metrics_rows(whole)
    theirs, ours = (torch.load(path / "last.ckpt", weights_only=True)["state_dict"] for path in (whole, out))
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_the_checkpoint_says_what_it_is(whole: Path) -> None:
    checkpoint = load_checkpoint(whole / "best.ckpt")
    card = checkpoint.card
    assert (card.kind, card.network, card.class_names) == ("checkpoint", "ssd_lite0", CLASSES)
    assert (card.input.height, card.input.width) == (64, 64)
    assert card.origin.data == "voc VOC2012 train, 12 images"
    assert card.origin.settings == {**SETTINGS.model_dump(mode="json"), "train_split": "train", "val_split": "val"}
    assert card.origin.data_sha256 is not None
    assert card.origin.split_seed is None
    assert checkpoint.frames.shape == (8, 64, 64, 3)
    assert not checkpoint.network.training
    assert [item.metric for item in card.measurements] == [
        "AP50 (VOC all-point), mean over horse",  # five dogs are too few
        "ILSVRC localization error, top-1",  # each image shows one class
        "ILSVRC localization error, top-5",
    ]
    assert {item.data for item in card.measurements} == {"VOC2012 val, 10 images"}


def test_the_measured_precision_is_what_evaluation_says(whole: Path, animals_root: Path) -> None:
    with open_checkpoint_session(whole / "last.ckpt") as session:
        assert session.backend == "torch (CPU)"
        result = evaluate(session, open_dataset(animals_root, class_names=CLASSES), "val")
        assert result.mean_ap50_voc == pytest.approx(session.card.measurements[0].value, abs=1e-6)


def test_a_pretrained_trunk_keeps_its_statistics_and_frozen_stages_their_weights(whole: Path) -> None:
    from singleshot.train.networks.lite import LITE0, LiteTrunk, load_imagenet_weights

    trunk = LiteTrunk(LITE0)
    load_imagenet_weights(trunk)
    trained = load_checkpoint(whole / "last.ckpt").detector.trunk.state_dict()
    changed = {name for name, tensor in trunk.state_dict().items() if not torch.equal(tensor, trained[name])}
    assert not any(name.split(".")[-1] in ("running_mean", "running_var") for name in changed)
    assert not any(name.startswith(("stem.", "stages.0.", "stages.1.")) for name in changed)
    assert any(name.startswith("stages.2.") for name in changed)


def test_where_no_class_has_enough_objects_the_latest_epoch_is_kept(animals_root: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"val_split": "few", "validate_every": 2, "pretrained": False})
    root = tmp_path / "data"
    shutil.copytree(animals_root, root)
    (root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Main" / "few.txt").write_text("val_0\nval_1")
    result = run_training(root, tmp_path / "run", settings)
    assert result.best_score is None
    assert not [item for item in load_checkpoint(result.best).card.measurements if item.metric.startswith("AP50")]
    assert torch.load(result.best, weights_only=True)["epoch"] == 1
    assert "val_ap50_voc" not in metrics_rows(tmp_path / "run")[0]


def test_a_folder_with_a_run_is_refused(whole: Path, animals_root: Path) -> None:
    with pytest.raises(InputError, match=r"expected a folder without a run, got one with last\.ckpt\. Go on with it"):
        run_training(animals_root, whole)


def test_nothing_to_resume_is_refused(animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"last\.ckpt: expected a checkpoint to resume from, got no such file"):
        run_training(animals_root, tmp_path, resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_in_which_another_process_trains_is_refused(
    interrupted: Path, animals_root: Path, tmp_path: Path, resume: bool
) -> None:
    out = tmp_path / "run"
    if resume:
        shutil.copytree(interrupted, out)
    begin = (
        f"from pathlib import Path; from singleshot.train.run.run_folder import RunFolder\n"
        f"with RunFolder(path=Path({str(out)!r})).claimed(resume={resume}):\n"
        f"    print('claimed', flush=True); input()"
    )
    with running([sys.executable, "-c", begin], stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        with pytest.raises(InputError, match="run: expected a folder to train in alone, got one in which another proc"):
            run_training(animals_root, out, resume=resume)  # what a process held is free as soon as it is gone
    assert run_training(animals_root, out, resume=resume).epochs == 2


def test_a_folder_that_cannot_be_written_to_is_refused(animals_root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"expected a place that can be written to, got .*file, which is a file"):
        run_training(animals_root, tmp_path / "file")
    with pytest.raises(InputError, match=r"x/last\.ckpt: expected a place that can be written to, got File name too"):
        run_training(animals_root, tmp_path / ("x" * 300))
    another_made_it = RunFolder(path=tmp_path / "file").claimed(resume=False)
    with pytest.raises(InputError, match=r"file: expected a folder that can be written to, got File exists\. Name ano"):
        another_made_it.__enter__()


def test_an_unknown_network_is_refused_before_the_images_are_looked_at(animals_root: Path, tmp_path: Path) -> None:
    data = open_dataset(animals_root, class_names=CLASSES)
    with pytest.raises(InputError, match=r"ssd_none: expected a network, one of .*ssd_lite0"):
        train(TrainingRun(network="ssd_none", data=data, out=tmp_path / "run", settings=SETTINGS))
    assert data.report.images == 0


def test_an_unknown_split_is_refused(animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tset: expected a split of VOC2012, one of train, val"):
        run_training(animals_root, tmp_path / "run", val_split="tset")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"epochs": 9}, "expected to go on with epochs 2, got 9. Resume with what", id="epochs"),
        pytest.param({"height": 96}, r"expected to go on with input 64, 64, got 96, 64\.", id="input"),
    ],
)
def test_another_run_is_not_resumed(
    interrupted: Path, animals_root: Path, change: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_training(animals_root, interrupted, SETTINGS.model_copy(update=change), resume=True)


def test_a_setting_that_an_older_version_did_not_know_was_at_its_default(interrupted: Path, tmp_path: Path) -> None:
    content = torch.load(interrupted / "last.ckpt", weights_only=True)
    card = card_from_json(content[CARD_KEY], source="last.ckpt")

    def with_settings(settings: dict[str, object]) -> Card:
        return card.model_copy(update={"origin": card.origin.model_copy(update={"settings": settings})})

    known = {name: value for name, value in card.origin.settings.items() if name != "localization_loss"}
    torch.save({**content, CARD_KEY: with_settings(known).to_json()}, tmp_path / "last.ckpt")
    assert check_same_run(tmp_path / "last.ckpt", card) == 1
    with pytest.raises(InputError, match="expected to go on with localization_loss smooth_l1, got l2"):
        check_same_run(tmp_path / "last.ckpt", with_settings({**known, "localization_loss": "l2"}))


def test_other_classes_or_data_are_not_resumed(interrupted: Path, animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected to go on with classes horse, dog, got dog, horse"):
        run_training(animals_root, interrupted, classes=("dog", "horse"), resume=True)
    root = tmp_path / "data"
    shutil.copytree(animals_root, root)
    annotation = root / "VOCdevkit" / "VOC2012" / "Annotations" / "train_0.xml"
    annotation.write_text(annotation.read_text().replace("<xmin>", "<xmin>1"))
    with pytest.raises(InputError, match="expected to go on with training data voc VOC2012 train, 12 images"):
        run_training(root, interrupted, resume=True)


def test_a_run_starts_from_an_earlier_one_and_keeps_its_statistics(
    whole: Path, animals_root: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, "height": 96, "pretrained": False, "frozen_stages": 0})
    start = whole / "best.ckpt"
    run_training(animals_root, tmp_path / "run", settings, start_from=start)
    before, after = load_checkpoint(start), load_checkpoint(tmp_path / "run" / "last.ckpt")
    theirs, ours = before.network.state_dict(), after.network.state_dict()
    changed = {name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])}
    assert "trunk.stem.conv.weight" in changed
    assert not any(name.endswith(("running_mean", "running_var")) for name in changed)
    assert after.card.origin.parent_sha256 == sha256_of_file(start)


@pytest.mark.slow
@pytest.mark.parametrize("trunk_factor", [0.0, 1.0])
def test_statistics_are_estimated_anew_where_that_is_asked_for(
    trunk_factor: float, whole: Path, animals_root: Path, tmp_path: Path
) -> None:
    anew = {"pretrained": False, "frozen_stages": 0, "frozen_norms": False, "trunk_learning_rate_factor": trunk_factor}
    settings = SETTINGS.model_copy(update={"epochs": 1, **anew})
    start = whole / "best.ckpt"
    run_training(animals_root, tmp_path / "run", settings, start_from=start)
    theirs, ours = (load_checkpoint(path).network.state_dict() for path in (start, tmp_path / "run" / "last.ckpt"))
    means = {name for name in ours if name.endswith("running_mean")}
    changed = {name for name in means if not torch.equal(ours[name], theirs[name])}
    assert changed == {name for name in means if trunk_factor or not name.startswith("trunk.")}


@pytest.mark.parametrize(
    ("changed", "starts"),
    [
        pytest.param({}, True, id="where nothing is said"),
        pytest.param({"default_boxes": "fitted"}, True, id="with boxes of its own, without the old predictors"),
        pytest.param({"pretrained": False, "frozen_stages": 0}, False, id="not where nothing pretrained is wanted"),
    ],
)
def test_ssd_mobilenet2_starts_from_the_shipped_detector(
    changed: dict[str, object], starts: bool, animals_root: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, "learning_rate": 1e-9, "frozen_stages": 2, **changed})
    run_training(animals_root, tmp_path / "run", settings, network="ssd_mobilenet2")
    run = load_checkpoint(tmp_path / "run" / "last.ckpt")
    _, theirs = graph_tensors(shipped_detector())
    stem = run.network.state_dict()["trunk.stem.conv.weight"]
    assert torch.allclose(stem, theirs["trunk.stem.conv.weight"], atol=1e-5) == starts
    assert run.card.origin.parent_sha256 == (sha256_of_file(shipped_detector()) if starts else None)


def test_a_graph_has_no_statistics_to_estimate_anew(animals_root: Path, tmp_path: Path) -> None:
    graph = shipped_detector()
    settings = SETTINGS.model_copy(update={"pretrained": False, "frozen_stages": 0, "frozen_norms": False})
    with pytest.raises(InputError, match=r"frozen_norms: expected true with .*_animals\.onnx, whose batch norms"):
        run_training(animals_root, tmp_path / "run", settings, start_from=graph)


def test_the_shipped_detector_has_none_either(animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"frozen_norms: expected true with .*_animals\.onnx, .* by --no-pretrained"):
        run_training(animals_root, tmp_path / "run", network="ssd_mobilenet2", frozen_norms=False)


def test_weights_that_do_not_fit_are_refused_before_an_image_is_decoded(
    whole: Path, animals_root: Path, tmp_path: Path
) -> None:
    looked: list[str] = []
    asked = TrainingRun(
        network="ssd7",
        data=open_dataset(animals_root, class_names=CLASSES),
        out=tmp_path / "run",
        settings=TrainSettings(epochs=1, batch_size=4, height=96, width=96, workers=0),
        start_from=whole / "best.ckpt",
    )
    with pytest.raises(InputError, match=r"best\.ckpt: expected the same network, or a classifier .*, got ssd_lite0"):
        train(asked, on_look=lambda split, _done, _total: looked.append(split), progress=False)
    assert not looked
    assert not (tmp_path / "run").exists()


def test_a_trunk_that_was_started_from_may_stay_as_it_is(whole: Path, animals_root: Path, tmp_path: Path) -> None:
    still = {"epochs": 1, "pretrained": False, "frozen_stages": 0, "trunk_learning_rate_factor": 0.0}
    settings = SETTINGS.model_copy(update=still)
    start = whole / "best.ckpt"
    run_training(animals_root, tmp_path / "run", settings, start_from=start)
    theirs, ours = (load_checkpoint(path).network.state_dict() for path in (start, tmp_path / "run" / "last.ckpt"))
    changed = {name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])}
    assert not any(name.startswith("trunk.") for name in changed)
    assert "class_branches.0.predictor.weight" in changed


def test_a_run_goes_on_with_the_weights_that_it_started_from(
    interrupted: Path, whole: Path, animals_root: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(interrupted, out)
    with pytest.raises(InputError, match=r"expected to go on with starting weights none, got [0-9a-f]{12}\."):
        run_training(animals_root, out, start_from=whole / "best.ckpt", resume=True)


@pytest.mark.slow
def test_images_that_the_device_holds_train_the_same(
    animals_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for place in ("device", "resident"):
        monkeypatch.setattr("singleshot.train.run.train.where_to_augment", lambda _, place=place: place)
        run_training(animals_root, tmp_path / place, epochs=1)
        losses.append(metrics_rows(tmp_path / place)[0]["loss"])
    assert losses[0] == losses[1]


def test_one_image_at_a_step_is_refused_before_it_trains(animals_root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^batch_size: expected 2 images or more at a step, of which ssd_lite0 takes"):
        run_training(animals_root, tmp_path / "run", batch_size=1)
    assert not (tmp_path / "run" / "last.ckpt").exists()
