"""What a run is told: by options for one camera, by a TOML file for many."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..backends import split_option
from ..detection.tiles import Tiles
from ..errors import InputError
from ..events.settings import MqttSettings, WebhookSettings
from ..files import StrPath
from ..live.tokens import check_token
from ..rules.places import Place
from ..rules.rule import Rule
from ..rules.settings import RuleSettings
from ..service.address import read_address
from ..sinks.crops import EVERY_S, MOST, CropSettings
from ..sinks.outputs import Outputs
from ..sinks.segments import segments_from_options
from ..sinks.video import VIDEO_SUFFIXES
from ..sources.source_names import Decoder, Policy, read_source_name
from ..tracking.tracker_names import TrackerName
from .watching import needs_tracks, read_places, rules_by_camera

Mode = Literal["latency", "throughput"]
"""`latency`: one frame on all cores; `throughput`: one frame more than cores, a thread each."""

CAMERA_MARK = "{camera}"
"""In the name of an output it stands for the camera's name."""

_PLACES = {"save": "save", "json_lines": "json", "csv": "csv", "coco": "coco", "mot": "mot", "crops": "crops"}
"""What names a file or a folder: field -> option."""

_TABLES: dict[str, type[BaseModel]] = {"webhook": WebhookSettings, "mqtt": MqttSettings}
_SECRETS = frozenset({"webhook", "secret", "password", "live_token"})
"""Keys whose values stand in no message."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Shared(_Part):
    """What a camera takes from the run where it does not say it itself."""

    policy: Policy | None = None
    """Which frames of a camera or stream are looked at where not all can be; `latest` if not given."""
    give_up_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds after which a lost camera or stream ends; never if not given."""
    decoder: Decoder | None = None
    """Who decodes videos and streams; `cpu` if not given."""
    save: str | None = None
    """Annotated video; for images a folder."""
    plain: bool = False
    """Nothing is drawn in the video."""
    segment: str | None = None
    """The video is cut into files of `90s`, `10m`, `1h`."""
    keep: str | None = None
    """The oldest of these files are deleted after `7d`, or above `20GiB`."""
    json_lines: Annotated[str | None, Field(alias="json")] = None
    """One JSON line per frame; `-` means stdout."""
    csv: str | None = None
    """A row of CSV per object."""
    coco: str | None = None
    """COCO's results; the list of images goes beside them."""
    mot: str | None = None
    """Rows in MOTChallenge's format."""
    crops: str | None = None
    """A folder for pieces of frames, by class."""
    crops_every: Annotated[float, Field(ge=0)] | None = None
    """Seconds between two of a class, or in which the surest view of a followed object is sought; 1 if not given."""
    crops_most: Annotated[int, Field(ge=1)] | None = None
    """Of each class; 1000 if not given."""
    score: tuple[str, ...] = ()
    """The least score, for all classes or for one: `0.4`, or `["0.4", "dog=0.6"]`."""
    blur: tuple[str, ...] = ()
    """Classes that are made unrecognisable; those of the run and of the camera."""
    show: bool = False
    """In a window."""
    tiles: str | None = None
    """Overlapping parts of each frame are looked at too: `2x2`."""
    skip_still: bool = False
    """What was found is held while the scene does not move."""
    track: bool = False
    """Objects are given ids that stay."""
    tracker: TrackerName | None = None
    """By which algorithm; `bytetrack` if not given."""

    @field_validator("score", mode="before")
    @classmethod
    def _number_or_several(cls, value: object) -> object:
        return (str(value),) if isinstance(value, (int, float, str)) else value

    @field_validator("blur", mode="before")
    @classmethod
    def _class_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


class CameraConfig(_Shared):
    """One camera, stream, video or folder of images."""

    source: str
    """As `--video` takes it."""
    zones: Mapping[str, tuple[tuple[float, ...], ...]] = {}
    """By name, the corners in fractions of the picture."""
    lines: Mapping[str, tuple[tuple[float, ...], ...]] = {}
    """By name, the two ends."""


class RunConfig(_Shared):
    """A run of one or more cameras on one model."""

    model: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """A graph or an engine, or several from the best to the lightest; the shipped detector if not given."""
    backend: str = "auto"
    trust: bool = False
    """Run an engine that this user did not build."""
    mode: Mode | None = None
    """How the cores are spent; the sources decide if not given."""
    threads: Annotated[int, Field(ge=1)] | None = None
    """Threads that compute; as many as cores may be used if not given."""
    max_age_ms: Annotated[float, Field(gt=0)] | None = None
    """Work is shed before results of live frames get older."""
    max_frames: Annotated[int, Field(ge=1)] | None = None
    """Of each camera."""
    stats: bool = False
    """Write the run's figures into the pictures."""
    metrics: str | None = None
    """Figures for Prometheus and a health check at `9090` of this machine, or at `HOST:PORT`."""
    live: str | None = None
    """A page to look at in a browser, at `8080` of this machine or at `HOST:PORT`."""
    live_token: str | None = None
    """Who has it may see the page; made by the run where it is needed and not given."""
    cameras: Annotated[Mapping[str, CameraConfig], Field(min_length=1)]
    rules: Mapping[str, RuleSettings] = {}
    """By name."""
    events: str | None = None
    """A folder for what happens by the rules: lines, pictures, clips."""
    keep_events: str | None = None
    """The oldest pictures and clips are deleted after `30d`, or above `5GiB`."""
    webhook: WebhookSettings | None = None
    """An address that is sent each event."""
    mqtt: MqttSettings | None = None
    """A broker that is told events and counts."""

    @field_validator("metrics", "live", "live_token", mode="before")
    @classmethod
    def _port_or_address(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("model", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    def outputs_of(self, name: str) -> Outputs:
        """Say where a camera's results go: as it says itself, else as the run does.

        Raises:
            InputError: cameras would write one file, or the recording cannot be cut so.
        """
        camera = self.cameras[name]
        places = {field: self._place(name, field) for field in _PLACES}
        segments = segments_from_options(camera.segment or self.segment, camera.keep or self.keep)
        is_video = places["save"] is not None and Path(places["save"]).suffix.lower() in VIDEO_SUFFIXES
        records = any(self.save or other.save for key, other in self.cameras.items() if key != name)
        if camera.segment is None and not is_video and records:
            segments = None  # what the run says of recordings is meant for those that record
        plain = camera.plain or (self.plain and (is_video or not records))
        every_s = next((s for s in (camera.crops_every, self.crops_every) if s is not None), EVERY_S)
        crops = CropSettings(every_s=every_s, most=camera.crops_most or self.crops_most or MOST)
        return Outputs(**places, segments=segments, plain=plain, crop_settings=crops)

    def tiles_of(self, name: str) -> Tiles | None:
        """Say which parts of a camera's frames are looked at too.

        Raises:
            InputError: they are named by something that is nothing like `2x2`.
        """
        option = self.cameras[name].tiles or self.tiles
        return None if option is None else Tiles.from_option(option)

    def tracks(self, name: str) -> bool:
        """Say whether a camera's objects are followed: as it was told, or since places and rules need it."""
        return self.tracks_asked(name) or needs_tracks(self.places_of(name), self.rules_of(name))

    def tracks_asked(self, name: str) -> bool:
        """Say whether a camera's objects are to be followed whatever for."""
        return self.cameras[name].track or self.track

    def places_of(self, name: str) -> list[Place]:
        """Return a camera's zones and lines.

        Raises:
            InputError: one is none.
        """
        return read_places(name, self.cameras[name].zones, self.cameras[name].lines)

    def rules_of(self, name: str) -> list[Rule]:
        """Return a camera's rules.

        Raises:
            InputError: one cannot be read, or names something that is not there.
        """
        return rules_by_camera(self.rules, {camera: self.places_of(camera) for camera in self.cameras})[name]

    def blur_of(self, name: str) -> list[str]:
        """Name the classes that are hidden in a camera's pictures."""
        return list(dict.fromkeys((*self.blur, *self.cameras[name].blur)))

    def score_options(self, name: str) -> list[str]:
        """Return the least scores of a camera as `thresholds_from_options` takes them, the run's before its own."""
        return [*self.score, *self.cameras[name].score]

    def is_live(self, name: str) -> bool:
        """Whether a source is a camera or a stream."""
        source = read_source_name(self.cameras[name].source)
        return source.kind not in ("path", "synthetic") or source.options.get("paced") == "1"

    def mode_meant(self) -> Mode:
        """Choose how the cores are spent: one live camera wants its frame soon, all else as many frames as can be."""
        if self.mode is not None:
            return self.mode
        live = sum(self.is_live(name) for name in self.cameras)
        return "latency" if live == len(self.cameras) == 1 else "throughput"

    def _place(self, name: str, field: str) -> str | None:
        own: str | None = getattr(self.cameras[name], field)
        shared: str | None = getattr(self, field)
        place = own or shared
        if place == "-" and field not in ("save", "json_lines"):
            raise InputError(f"--{_PLACES[field]} -: expected a name, got -. Only --json writes to standard output.")
        if place is None or own is not None or place == "-" or len(self.cameras) == 1 or CAMERA_MARK in place:
            return place and place.replace(CAMERA_MARK, name)
        path = Path(place)
        raise InputError(
            f"--{_PLACES[field]} {place}: expected {CAMERA_MARK} in the name, as there are {len(self.cameras)} "
            f"cameras, got none. Try {path.with_name(f'{path.stem}_{CAMERA_MARK}{path.suffix}')}."
        )


def run_config(values: Mapping[str, Any], *, source: str = "") -> RunConfig:
    """Make a configuration of plain values, as a TOML file has them.

    Args:
        values: by key.
        source: where they are from, for errors.

    Raises:
        InputError: a key is unknown, or a value is not allowed.
    """
    prefix = f"{source}: " if source else ""
    try:
        config = RunConfig.model_validate(dict(values))
        split_option(config.backend)
        if config.max_age_ms is None and len(config.model or ()) > 1:
            raise InputError(
                f"model: expected one graph, as lighter ones are for max_age_ms alone, got {len(config.model or ())}. "
                f"Give --max-age-ms as well."
            )
        _check_addresses(config)
        for name in config.cameras:
            read_source_name(config.cameras[name].source)
            config.outputs_of(name)
            config.tiles_of(name)
            config.rules_of(name)
        parts = (config, *config.cameras.values())
        for part in parts:
            if part.tracker is not None and not any(map(config.tracks, config.cameras)):
                raise InputError(f"--tracker {part.tracker}: expected --track, got none. Give it as well.")
        if any(part.crops_every is not None or part.crops_most for part in parts) and not any(
            part.crops for part in parts
        ):
            raise InputError("--crops-every, --crops-most: expected --crops, got none. Name a folder for the crops.")
        if config.stats and config.live is None and not any(part.save or part.show for part in parts):
            raise InputError(
                "--stats: expected --save, --show or --live, got no picture. Lines of --json have ages anyway."
            )
    except ValidationError as error:
        raise InputError(f"{prefix}{_first_of(error)}") from None
    except InputError as error:
        raise InputError(f"{prefix}{error}") from None
    return config


def _check_addresses(config: RunConfig) -> None:
    if config.metrics is not None:
        read_address(config.metrics)
    if config.live is not None:
        read_address(config.live, "--live")
    if config.live_token is not None:
        check_token(config.live_token)


def load_run_config(path: StrPath) -> RunConfig:
    """Read a TOML file; relative paths in it are of the folder in which it lies.

    Raises:
        InputError: it cannot be read, is no TOML, has an unknown key or a value that is not allowed.
    """
    path = Path(path)
    try:
        values = tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file of cameras, got {error.strerror}.") from error
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML, got: {error}.") from error
    config = run_config(values, source=str(path))
    for name in config.cameras:
        if not _NAME.fullmatch(name):  # it may become a file's
            raise InputError(f"{path}: cameras: expected a name of letters, digits, -, _ and ., got {name!r}.")
    folder = path.parent
    return config.model_copy(
        update={
            **_placed(config, folder),
            "events": config.events and _beside(folder, config.events),
            "mqtt": config.mqtt and config.mqtt.beside(folder),
            "model": config.model and tuple(_beside(folder, model) for model in config.model),
            "cameras": {
                name: camera.model_copy(
                    update={**_placed(camera, folder), "source": _source_beside(folder, camera.source)}
                )
                for name, camera in config.cameras.items()
            },
        }
    )


def camera_names(sources: Sequence[str]) -> list[str]:
    """Name sources that have no name: by the file, or what the source is called; the second of a name gets a number."""
    names: list[str] = []
    for source in sources:
        shown = read_source_name(source)
        wanted = Path(shown.target).stem if shown.kind == "path" else shown.shown
        base = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-.") or "camera"
        name, number = base, 1
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def _placed(part: _Shared, folder: Path) -> dict[str, str | None]:
    places = {field: getattr(part, field) for field in _PLACES}
    return {field: place and _beside(folder, place) for field, place in places.items()}


def _beside(folder: Path, path: str) -> str:
    return path if path == "-" else os.path.join(folder, path)  # noqa: PTH118 - a source's name is no Path


def _source_beside(folder: Path, source: str) -> str:
    return _beside(folder, source) if read_source_name(source).kind == "path" else source


def _first_of(error: ValidationError) -> str:
    """Put the first complaint into a line; a key that is unknown comes before the one that it was meant to be."""
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    name = ".".join(where)
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"cameras": CameraConfig, "rules": RuleSettings, **_TABLES}
        part = parts[where[0]] if len(where) > 1 else RunConfig
        keys = {key: field.alias or key for key, field in part.model_fields.items()}
        nearest = keys.get(where[-1]) or get_close_matches(where[-1], keys.values(), n=1, cutoff=0)[0]
        return f"{name}: expected one of the keys {', '.join(keys.values())}, got {where[-1]}. Is {nearest} meant?"
    if first["type"] == "missing":
        return f"{name}: expected a value, got none."
    wanted = first["msg"].removeprefix("Input should be ")
    got = first["input"]
    shown = "an address" if isinstance(got, str) and "://" in got else repr(got)  # with its password, perhaps
    if _SECRETS & {where[-1], *map(str, got if isinstance(got, dict) else ())} or where[0] in _TABLES:
        shown = "another value"
    if first["type"] == "model_type":
        wanted = "a table of keys"
    return f"{name}: expected {wanted[0].lower()}{wanted[1:]}, got {shown}."
