"""The plots of a page, as SVG that takes its text colour from the page. Needs the `report` extra."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clinicenv.files import InputError, printable

COLOURS = ("#2f80c2", "#cf6a17", "#2c9a6c", "#b54fa5", "#8a7a00", "#cc4b4b", "#5f6fd0", "#7d7d7d")
"""Readable on white and on near black alike; the shapes tell the same apart."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")

WIDTH = 460
"""Pixels of what is drawn, beside the names."""

PADDING = {"left": 24, "right": 12, "top": 5, "bottom": 5}
"""Room for the names in a browser whose letters are wider than those that were measured."""

Rows = Sequence[Mapping[str, Any]]


def need_plots() -> Any:
    """altair; InputError where the extra is missing."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as e:
        raise InputError("reports need the `report` extra: pip install 'clinicenv[report]'") from e
    return altair


def intervals(rows: Rows, arms: Sequence[str], title: str, label: str) -> str:
    """Means (0 to 1) with their intervals, an arm a line: rows of `arm`, `mean`, `low`, `high`."""
    alt = need_plots()
    x = alt.X("low:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
    y = alt.Y("arm:N", sort=None, title=None)
    base = alt.Chart(alt.Data(values=_plain(rows))).encode(y=y)
    span = base.mark_rule(strokeWidth=2.5, strokeCap="round", opacity=0.55).encode(x=x, x2="high:Q")
    dots = base.mark_point(filled=True, size=95, opacity=1).encode(x="mean:Q")
    colour = alt.Color("arm:N", scale=_scale(alt, arms, COLOURS), legend=None)
    shape = alt.Shape("arm:N", scale=_scale(alt, arms, SHAPES), legend=None)
    chart = span.encode(color=colour) + dots.encode(color=colour, shape=shape)
    return _svg(alt, chart.properties(width=WIDTH, height=alt.Step(30)), label)


def scatter(rows: Rows, arms: Sequence[str], x: str, title: str, form: str, label: str) -> str:
    """The share that is right against what it took: rows of `arm`, `mean`, `low`, `high` and `x`."""
    alt = need_plots()
    across = alt.X(
        f"{x}:Q", title=title, scale=alt.Scale(zero=True, nice=True), axis=alt.Axis(format=form, tickCount=5)
    )
    up = alt.Axis(format="%", tickCount=5)
    base = alt.Chart(alt.Data(values=_plain(rows))).encode(x=across)
    colour = alt.Color("arm:N", scale=_scale(alt, arms, COLOURS), title=None)
    span = base.mark_rule(strokeWidth=2, opacity=0.45).encode(
        y=alt.Y("low:Q", title="right", scale=alt.Scale(domain=[0, 1]), axis=up), y2="high:Q", color=colour
    )
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        y="mean:Q", color=colour, shape=alt.Shape("arm:N", scale=_scale(alt, arms, SHAPES), title=None)
    )
    return _svg(alt, (span + dots).properties(width=WIDTH, height=230), label)


def _plain(rows: Rows) -> list[dict[str, Any]]:
    return [{k: printable(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def _scale(alt: Any, arms: Sequence[str], values: Sequence[str]) -> Any:
    """Each arm its own in every plot of a page."""
    return alt.Scale(
        domain=list(map(printable, arms)), range=[values[n % len(values)] for n in range(len(arms))]
    )


def _svg(alt: Any, chart: Any, label: str) -> str:
    import vl_convert

    ink = "currentColor"
    chart = (
        chart.configure(
            background="transparent", font="sans-serif", view=alt.ViewConfig(stroke=None), padding=PADDING
        )
        .configure_axis(
            labelColor=ink, titleColor=ink, gridColor=ink, domainColor=ink, tickColor=ink, gridOpacity=0.14,
            domainOpacity=0.4, tickOpacity=0.4, labelFontSize=12, titleFontSize=12, titleFontWeight="normal",
            labelLimit=260, labelPadding=6, titlePadding=10,
        )
        .configure_legend(
            labelColor=ink, titleColor=ink, labelFontSize=12, orient="bottom", columns=1, labelLimit=420,
            symbolSize=90, symbolOpacity=1,
        )
    )  # fmt: skip
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return _named(svg, label)


def _named(svg: str, label: str) -> str:
    """The picture under an accessible name; it shrinks with the page and keeps its shape."""
    head, _, rest = svg.partition(">")
    width, height = re.findall(r' (?:width|height)="([\d.]+)"', head)[:2]
    start = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{html.escape(label)}"'
    return f'{start} width="{width}" height="{height}" viewBox="0 0 {width} {height}">{rest}'
