"""What the installed package asks for, extra by extra."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from ...runtime.machine import version_key, version_of

_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^\]]*)\])?\s*\(?(?P<version>[^;)]*)\)?\s*(?:;(?P<marker>.*))?"
)


_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A package that singleshot asks for.

    Args:
        name: of the package.
        least: lowest version, empty where any will do.
        extra: the extra that asks for it, empty for the base.
        includes: where the package is singleshot itself, the extras that are taken over.
    """

    name: str
    least: str
    extra: str
    includes: tuple[str, ...] = ()

    @property
    def installed(self) -> str | None:
        """The version that is there."""
        return version_of(self.name)

    @property
    def is_met(self) -> bool:
        """Whether it is there in a version that fits."""
        installed = self.installed
        return installed is not None and version_key(installed) >= version_key(self.least)


def requirements_of(distribution: str = "singleshot") -> tuple[Requirement, ...]:
    """Read what an installed package asks for; nothing where it runs from a folder without being installed."""
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return ()
    return tuple(requirement for line in lines if (requirement := read_requirement(line)) is not None)


def read_requirement(line: str) -> Requirement | None:
    """Read one line of a package's metadata, such as `onnx>=1.17; extra == "export"`; None if it is of another form."""
    match = _REQUIREMENT.fullmatch(line.strip())
    if match is None:
        return None
    least = re.search(r">=\s*([\w.]+)", match["version"] or "")
    extra = _EXTRA.search(match["marker"] or "")
    return Requirement(
        name=match["name"],
        least=least[1] if least else "",
        extra=extra[1] if extra else "",
        includes=tuple(name.strip() for name in (match["extras"] or "").split(",") if name.strip()),
    )


def extras_of(
    requirements: Iterable[Requirement], distribution: str = "singleshot"
) -> dict[str, tuple[Requirement, ...]]:
    """Group what each extra asks for by the extra's name, extras that it includes taken in."""
    own: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        if requirement.extra:
            own.setdefault(requirement.extra, []).append(requirement)

    def resolved(extra: str, seen: frozenset[str]) -> list[Requirement]:
        packages = []
        for requirement in own.get(extra, []):
            if requirement.name != distribution:
                packages.append(requirement)
            for included in requirement.includes if requirement.name == distribution else ():
                if included not in seen:
                    packages += resolved(included, seen | {included})
        return packages

    return {extra: tuple(resolved(extra, frozenset({extra}))) for extra in sorted(own)}
