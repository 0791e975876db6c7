"""Figures for pages, drawn by matplotlib as SVG that takes the page's own colour of text, light or dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from ...runtime.require import require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN = "#4c78a8", "#e8761a", "#2b9d4a"
_INK = "#010203"
"""Stands for the page's colour of text until the figure is in the page."""
_PX_PER_INCH = 96
_ROW_PX, _MARGINS_PX = 20, 50
_STYLE: dict[Any, Any] = {  # matplotlib types the keys one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "singleshot",  # the same figure is the same text
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.parse_math": False,  # a class may be called $x^$
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.alpha": 0.2,
    "legend.frameon": False,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color"), _INK
    ),
}


def check_figures(why: str) -> None:
    """Refuse to draw where that cannot be, before any time is spent.

    Args:
        why: what needs figures.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", extra="pages", why=why)


def figure(title: str, draw: Callable[[Axes], None], *, width_px: int = 440, height_px: int = 300) -> Markup:
    """Draw one set of axes as SVG that stands in a page.

    Args:
        title: plain text, over the axes.
        draw: draws into the axes.
        width_px: width on a screen; the page shrinks what is wider than it.
        height_px: height on a screen.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    check_figures("a page with figures")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = io.StringIO()
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the browser has the letter
        made = Figure(figsize=(width_px / _PX_PER_INCH, height_px / _PX_PER_INCH), layout="constrained")
        axes = made.add_subplot()
        draw(axes)
        axes.set_title(title)
        made.savefig(drawn, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    _, body = re.split(r"<svg [^>]*>", drawn.getvalue(), maxsplit=1)
    body = re.sub(r'<g id="\w+_\d+">', "<g>", body).replace(_INK, "currentColor")  # numbers begin anew in each figure
    width, height = 0.75 * width_px, 0.75 * height_px  # matplotlib's unit in SVG is the point
    start = f'<svg role="img" aria-label="{escape(title)}" width="{width_px}" viewBox="0 0 {width:g} {height:g}">'
    return Markup(start + body)


def bars(
    title: str, names: Sequence[str], values: Sequence[float], *, parts: Sequence[int] | None = None, form: str = "g"
) -> Markup:
    """Draw horizontal bars, the first at the top.

    Args:
        title: plain text.
        names: a bar each.
        values: lengths, written behind the bars.
        parts: of the values, drawn over them in orange, their shares written behind the values.
        form: how a value is written.
    """
    texts = [format(value, form) for value in values]
    if parts is not None:
        shares = (f" ({part / value:.0%})" if value else "" for part, value in zip(parts, values, strict=True))
        texts = [text + share for text, share in zip(texts, shares, strict=True)]

    def draw(axes: Axes) -> None:
        places = range(len(names))
        axes.bar_label(axes.barh(places, values, height=0.72, color=BLUE), texts, padding=4)
        if parts is not None:
            axes.barh(places, parts, height=0.25, color=ORANGE)
        axes.set_yticks(places, names)
        axes.tick_params(left=False, bottom=False, labelbottom=False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.margins(x=0.2)
        axes.set_ylim(max(len(names), 1) - 0.5, -0.5)

    return figure(title, draw, height_px=_ROW_PX * len(names) + _MARGINS_PX)


def lines(title: str, series: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Markup:
    """Draw lines over epochs; what is validated (`val_…`) is dotted and has its counterpart's colour.

    Args:
        title: plain text.
        series: name -> epochs and values.
    """
    from matplotlib.ticker import MaxNLocator

    colours = {name: f"C{at}" for at, name in enumerate(dict.fromkeys(name.removeprefix("val_") for name in series))}

    def draw(axes: Axes) -> None:
        for name, (epochs, values) in series.items():
            line = "o--" if name.startswith("val_") else "-"
            axes.plot(epochs, values, line, label=name, color=colours[name.removeprefix("val_")], markersize=3)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=True)
        if len(series) > 1 and (whole := axes.get_figure()) is not None:
            whole.legend(loc="outside lower center", ncols=2)

    return figure(title, draw)
