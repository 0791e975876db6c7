"""What was found in labelled images, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ...data.check.data_statistics import SIZE_EDGES

if TYPE_CHECKING:
    from rich.console import Console

    from ...data.check.data_check import DataCheck, DuplicateGroup
    from ...data.check.data_statistics import SplitStatistics
    from ...data.mixed_data import PartCount
    from ...train.networks.box_coverage import BoxCoverage
    from ...train.networks.box_fitting import FittedBoxes

GROUPS_SHOWN = 5
"""How many groups of duplicates are named; all are in the JSON."""


def print_data_tables(
    check: DataCheck, coverages: dict[str, BoxCoverage], *, fitted: FittedBoxes | None = None
) -> None:
    """Print everything to stdout."""
    from rich.console import Console

    out = Console()
    _print(out, "\n".join([check.found, *check.notes]))
    for line in check.report.lines():
        _print(out, line)
    for line in part_lines(check.parts):
        _print(out, line)
    for name, statistics in check.splits.items():
        _print_split(out, name, statistics, coverages.get(name))
    for line in duplicate_lines(check):
        _print(out, line)
    for line in [] if fitted is None else fitted_lines(fitted, coverages):
        _print(out, line)


def part_lines(parts: Mapping[str, Mapping[str, PartCount]]) -> list[str]:
    """Say what each of several data sets brings to splits, a line each; nothing where it is one.

    Args:
        parts: split -> data set -> what it brings.
    """
    by_part: dict[str, list[PartCount]] = {}
    for counts in parts.values():
        for part, count in counts.items():
            by_part.setdefault(part, []).append(count)
    classes = dict.fromkeys(name for brought in by_part.values() for name in brought[0].objects)
    lines = []
    for part, brought in by_part.items():
        labelled = brought[0].objects
        objects = ", ".join(f"{name} {_each(count.objects[name] for count in brought)}" for name in labelled)
        missing = ", ".join(name for name in classes if name not in labelled)
        images = f"{part}: {_each(count.images for count in brought)} images of {' / '.join(parts)}"
        lines.append(f"{images}; objects: {objects}" + (f"; not labelled: {missing}" if missing else ""))
    return lines


def fitted_lines(fitted: FittedBoxes, before: dict[str, BoxCoverage]) -> list[str]:
    """Say what fitted default boxes are, and what they match that the network's own do not, a line each."""
    scales = ", ".join(f"{scale:g}" for scale in fitted.settings.scales)
    ratios = "; ".join(", ".join(f"{ratio:g}" for ratio in row) for row in fitted.settings.aspect_ratios)
    lines = [f"default boxes fitted to {fitted.split}: scales {scales}", f"  aspect ratios by map: {ratios}"]
    for name, after in fitted.coverages.items():
        own = before[name]
        lines.append(f"{name}: matched at IoU 0.5, with the network's own boxes and with the fitted ones")
        rows = [("all", own.matched_by_size, after.matched_by_size, own.objects_by_size)]
        rows += [(each, own.matched[each], after.matched[each], own.objects[each]) for each in own.objects]
        for what, matched, matched_after, objects in rows:
            if total := int(objects.sum()):
                lines.append(f"  {what}: {matched.sum() / total:.1%} to {matched_after.sum() / total:.1%} of {total}")
        sizes = zip(
            interval_names(SIZE_EDGES, percent=True),
            own.matched_by_size,
            after.matched_by_size,
            own.objects_by_size,
            strict=True,
        )
        shares = (
            f"{size}: {first / total:.0%} to {second / total:.0%}" for size, first, second, total in sizes if total
        )
        lines.append(f"  by size: {', '.join(shares)}")
    return lines


def duplicate_lines(check: DataCheck) -> list[str]:
    """Say what is there twice, a line each."""
    lines = [f"{first} and {second}: {count} images are in both" for first, second, count in check.shared]
    for what, groups in (("the same bytes", check.exact), ("nearly the same picture", check.near)):
        across = sorted(groups, key=lambda group: not group.spans_splits)
        lines.append(
            f"{len(groups)} groups of images with {what}, {sum(group.spans_splits for group in groups)} across splits"
        )
        lines += [f"  {_named(group)}" for group in across[:GROUPS_SHOWN]]
        if len(groups) > GROUPS_SHOWN:
            lines.append(f"  and {len(groups) - GROUPS_SHOWN} more")
    return lines


def interval_names(edges: Sequence[float], *, percent: bool) -> list[str]:
    """Name the groups between edges: `10-20 %`, `0.5-0.8`; the last may be open."""
    texts = [f"{100 * edge:g}" if percent else f"{edge:g}" for edge in edges]
    unit = " %" if percent else ""
    return [f"over {low}{unit}" if high == "inf" else f"{low}-{high}{unit}" for low, high in pairwise(texts)]


def _each(counts: Iterable[int]) -> str:
    return " / ".join(map(str, counts))


def _named(group: DuplicateGroup) -> str:
    shown = [
        f"{image_id} ({', '.join(splits)})" for image_id, splits in zip(group.image_ids, group.splits, strict=True)
    ]
    more = len(shown) - GROUPS_SHOWN
    return " = ".join(shown[:GROUPS_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _print_split(out: Console, name: str, statistics: SplitStatistics, coverage: BoxCoverage | None) -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from ...data.check.data_statistics import ASPECT_EDGES, MOST_COUNTED

    table = Table(
        title=f"{escape(name)}: {statistics.images} images",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 0),
        pad_edge=False,
    )
    table.add_column("class", overflow="fold", min_width=8)
    sizes = interval_names(SIZE_EDGES, percent=True)
    headings = ["objects", "images", *(size.removesuffix(" %") for size in sizes)]
    for heading in headings if coverage is None else [*headings, "matched"]:
        table.add_column(heading, justify="right", no_wrap=True)
    present = [(class_name, count) for class_name, count in statistics.objects.items() if count]
    for class_name, count in present:
        row = [count, statistics.images_with[class_name], *statistics.sizes(class_name)]
        matched = [] if coverage is None else [f"{coverage.matched[class_name].sum() / count:.0%}"]
        table.add_row(escape(class_name), *map(str, row), *matched)
    table.add_section()
    table.add_row("all", str(sum(count for _, count in present)), str(statistics.images), *map(str, statistics.sizes()))
    if coverage is not None:
        table.add_row("matched", "", "", *_matched_by_size(coverage), f"{coverage.share:.0%}")
    out.print(table)
    _print(out, "columns 0-5 to 70-100: objects by size, the square root of the share of their image, in %")
    if coverage is not None:
        _print(out, f"matched: by one of the {coverage.default_boxes} default boxes of {coverage.network}, at IoU 0.5")
    if missing := [class_name for class_name, count in statistics.objects.items() if not count]:
        _print(out, f"no object of {', '.join(missing)}")
    aspects = zip(interval_names(ASPECT_EDGES, percent=False), statistics.aspects(), strict=True)
    _print(out, "width / height: " + ", ".join(f"{group}: {count}" for group, count in aspects))
    per_image = (
        f"{count}{' or more' if count == MOST_COUNTED else ''}: {images}"
        for count, images in sorted(statistics.objects_per_image.items())
    )
    _print(out, "images by number of objects: " + ", ".join(per_image))
    for item in statistics.suspicions:
        _print(out, f"suspicious: {item.count} {item.what}: {', '.join(item.examples)}")


def _matched_by_size(coverage: BoxCoverage) -> list[str]:
    counts = zip(coverage.matched_by_size, coverage.objects_by_size, strict=True)
    return [f"{matched / count:.0%}" if count else "-" for matched, count in counts]


def _print(out: Console, line: str) -> None:
    out.print(line, highlight=False, markup=False, soft_wrap=True)
