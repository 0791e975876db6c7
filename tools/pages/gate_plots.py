"""The pictures of an accuracy gate, as SVG that stands in a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ...calib.records.compare import SHIFT_LIMIT, Delta, ScoreShift
from ...export.gate.result import GateResult

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 230, 24, 40
_ROW = 26
_NAME_WIDTH, _PLOT_WIDTH, _TEXT_WIDTH = 150, 320, 240


def front_svg(result: GateResult) -> str:
    """Draw accuracy against latency: every graph a dot, the Pareto front a line, the least allowed a dashed line."""
    points = result.points
    least = points[0][2] - result.settings.max_drop
    across = _Scale.over([item[1] for item in points], low=_LEFT, high=_WIDTH - _RIGHT)
    up = _Scale.over([least, *(item[2] for item in points)], low=_HEIGHT - _BOTTOM, high=_TOP)
    front = sorted(item for item in points if item[0] in result.front)
    on_front = sorted(((across(ms), up(figure)) for _, ms, figure in front))
    accepted = None if result.accepted is None else result.accepted.candidate.name
    parts = [
        *_axes(across, up, result.metric),
        f'<line class="allowed" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(least):.1f}" y2="{up(least):.1f}"/>',
        f'<text x="{_WIDTH - _RIGHT + 6}" y="{up(least) + 4:.1f}" class="dim">least allowed {least:.2f}</text>',
        f'<polyline class="front" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in on_front)}"/>',
    ]
    for name, ms, figure in points:
        kind = "accepted" if name == accepted else "dot"
        parts.append(f'<circle class="{kind}" cx="{across(ms):.1f}" cy="{up(figure):.1f}" r="5"/>')
        parts.append(f'<text x="{across(ms) + 9:.1f}" y="{up(figure) - 6:.1f}">{escape(name)}</text>')
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}">{"".join(parts)}</svg>'


def deltas_svg(deltas: Sequence[Delta]) -> str:
    """Draw each group's change, candidate less parent, with its interval; left of the line is a loss."""
    ends = [-end for item in deltas if item.drop_interval for end in (item.drop_interval.low, item.drop_interval.high)]
    reach = max((abs(end) for end in [*ends, *(-item.drop for item in deltas)]), default=0) or 1
    scale = _Scale(first=-reach, last=reach, low=_NAME_WIDTH, high=_NAME_WIDTH + _PLOT_WIDTH)
    height = _ROW * (len(deltas) + 1)
    parts = [f'<line class="axis" x1="{scale(0):.1f}" x2="{scale(0):.1f}" y1="0" y2="{height - _ROW}"/>']
    for at, item in enumerate(deltas):
        y = at * _ROW + _ROW / 2
        parts.append(f'<text x="{_NAME_WIDTH - 10}" y="{y + 4}" text-anchor="end">{escape(item.group.name)}</text>')
        kind = "dot"
        if item.is_measurable:
            kind = "loss" if item.drop > 0 else "accepted"
        if item.drop_interval is not None:
            ends = [scale(-item.drop_interval.high), scale(-item.drop_interval.low)]
            parts.append(f'<line class="front" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="{kind}" cx="{scale(-item.drop):.1f}" cy="{y}" r="4"/>')
        parts.append(
            f'<text x="{_NAME_WIDTH + _PLOT_WIDTH + 12}" y="{y + 4}" class="dim">{escape(item.verdict)}</text>'
        )
    parts += [
        f'<text x="{scale(value):.1f}" y="{height - 6}" text-anchor="middle">{value:+.2f}</text>'
        for value in (-reach, reach)
    ]
    parts.append(f'<text x="{scale(0):.1f}" y="{height - 6}" text-anchor="middle" class="dim">loss ← 0 → gain</text>')
    width = _NAME_WIDTH + _PLOT_WIDTH + _TEXT_WIDTH
    return f'<svg viewBox="0 0 {width} {height}" width="{width}">{"".join(parts)}</svg>'


def shift_svg(shift: ScoreShift) -> str:
    """Draw the histogram of how scores moved."""
    width, height = 420, 140
    step = width / len(shift.counts)
    most = max(shift.counts)
    bars = [
        f'<rect x="{at * step + 1:.1f}" y="{(height - 24) * (1 - count / most):.1f}" width="{step - 2:.1f}" '
        f'height="{(height - 24) * count / most:.1f}"><title>{count}</title></rect>'
        for at, count in enumerate(shift.counts)
    ]
    labels = [
        f'<text x="{x}" y="{height - 6}" text-anchor="{anchor}">{value:+g}</text>'
        for x, value, anchor in (
            (0, -SHIFT_LIMIT, "start"),
            (width // 2, 0.0, "middle"),
            (width, SHIFT_LIMIT, "end"),
        )
    ]
    return f'<svg viewBox="0 0 {width} {height}" width="{width}">{"".join(bars + labels)}</svg>'


class _Scale:
    """Maps values to pixels."""

    def __init__(self, *, first: float, last: float, low: float, high: float) -> None:
        self.first, self.last, self.low, self.high = first, last, low, high

    @classmethod
    def over(cls, values: Sequence[float], *, low: float, high: float) -> _Scale:
        """Cover values with a margin."""
        first, last = min(values), max(values)
        margin = 0.12 * (last - first) or 0.05 * abs(last) or 1.0
        return cls(first=first - margin, last=last + margin, low=low, high=high)

    def __call__(self, value: float) -> float:
        return self.low + (value - self.first) / (self.last - self.first) * (self.high - self.low)

    def ticks(self) -> list[float]:
        return [self.first + share * (self.last - self.first) for share in (0.1, 0.5, 0.9)]


def _axes(across: _Scale, up: _Scale, metric: str) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    return [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>',
        f'<line class="axis" x1="{_LEFT}" x2="{_LEFT}" y1="{_TOP}" y2="{bottom}"/>',
        *(
            f'<text x="{across(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:.3g}</text>'
            for value in across.ticks()
        ),
        *(
            f'<text x="{_LEFT - 6}" y="{up(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
            for value in up.ticks()
        ),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">ms a frame</text>',
        f'<text x="{_LEFT}" y="{_TOP - 8}" class="dim">{escape(metric)}, points</text>',
    ]
