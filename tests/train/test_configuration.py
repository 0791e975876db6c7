"""Settings as TOML: what is printed loads to the same, what is wrong names the nearest right."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomllib
from hypothesis import given
from hypothesis import strategies as st

from singleshot.runtime.errors import InputError
from singleshot.train.augmentation_settings import AugmentationSettings
from singleshot.train.configuration import for_network, load_settings, settings_text
from singleshot.train.settings import TRAINED_IN, TrainSettings, setting_names, train_settings

SETTINGS = st.builds(
    TrainSettings,
    epochs=st.integers(1, 1000),
    learning_rate=st.floats(1e-7, 10, allow_nan=False),
    seed=st.integers(0, 2**32 - 1),
    train_split=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1),
    height=st.none() | st.integers(32, 640),
    default_box_scales=st.none() | st.lists(st.floats(0.01, 2), min_size=1, max_size=8).map(tuple),
    default_box_aspect_ratios=st.none() | st.just(((2.0,), (2.0, 3.5), ())),
    precision=st.sampled_from(["auto", *TRAINED_IN]),
    augmentation=st.builds(AugmentationSettings, colour=st.floats(0, 1), crop=st.booleans()),
)


@given(settings=SETTINGS)
def test_what_is_printed_loads_to_the_same(settings: TrainSettings) -> None:
    assert train_settings(**tomllib.loads(settings_text("ssd_lite0", settings))) == settings


@pytest.mark.parametrize("network", ["ssd_lite0", "resnet_dropout"])
def test_every_setting_is_printed_with_what_it_means(network: str) -> None:
    text = settings_text(network, TrainSettings())
    for name in setting_names():
        assert name.removeprefix("augmentation.") in text
    paragraphs = text.split("\n\n")[1:]
    assert all(paragraph.startswith("# ") for paragraph in paragraphs)


def test_what_the_network_decides_is_shown_as_its_own() -> None:
    text = settings_text("ssd_lite0", TrainSettings())
    assert "# height = 320\n" in text
    assert "# default_box_scales = [0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05]\n" in text
    assert "# dropout means nothing to ssd_lite0.\n" in text


def test_a_file_is_loaded_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("epochs = 3\n[augmentation]\ncolour = 0.5\n")
    assert load_settings(path) == {"epochs": 3, "augmentation": {"colour": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("epohcs = 3", r"run\.toml: epohcs: expected a setting, .* Did you mean epochs\?", id="slip"),
        pytest.param(
            "[augmentation]\ncolor = 0.1",
            r"run\.toml: augmentation\.color: expected a setting, .* Did you mean augmentation\.colour\?",
            id="slip in a table",
        ),
        pytest.param("zzzzzz = 1", r"zzzzzz: expected a setting, .* There are epochs, batch_size,", id="nothing near"),
        pytest.param('epochs = "3x"', r"run\.toml: epochs: .*integer.*, got '3x'\.", id="type"),
        pytest.param("epochs = ", r"run\.toml: expected TOML, got: Invalid value", id="no TOML"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_settings(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: expected a TOML file of settings, got No such file"):
        load_settings(tmp_path / "none.toml")


def test_a_network_without_weights_starts_from_nothing() -> None:
    assert not for_network(TrainSettings(epochs=3), "ssd7").pretrained
    assert for_network(TrainSettings(epochs=3), "ssd7").epochs == 3
    assert for_network(TrainSettings(), "ssd_lite0").pretrained
    with pytest.raises(InputError, match="pretrained: expected false for ssd7, for which there are no weights"):
        for_network(TrainSettings(pretrained=True), "ssd7")
