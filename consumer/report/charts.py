"""Pictures as plotly figures: they are drawn in the reader's browser, by the library that the page carries."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

import plotly.graph_objects as go

from consumer.report.panels import Panel, Picture, Unit
from consumer.report.series import Value

COLOURS = (
    "#2563a8", "#d9791a", "#2e8b57", "#8a4fb0", "#c0392b", "#6b7280", "#0e9aa7", "#b58900", "#d6568c", "#3b5b2f",
)  # fmt: skip
MEANT: Mapping[str, str] = {
    "approve": "#2e8b57", "review": "#d9a11a", "reject": "#c0392b", "in": "#2563a8", "out": "#2e8b57",
    "median": "#2e8b57", "99 %": "#c0392b",
}  # fmt: skip
"""Names whose colour says what they are."""
SUFFIXES: Mapping[Unit, str] = {"seconds": " s", "rate": " /s", "count": ""}
FEW = 5
"""Up to so many, an axis counts one by one."""
LINE = "#e8edf1"


def figures(picture: Picture, zone: tzinfo) -> dict[str, dict[str, Any]]:
    """One figure, as plotly's JSON, for each picture that has data; times are those of `zone`."""
    moments = picture.window.moments(zone)
    first = picture.origin.covered.index(True)
    span = [moments[max(0, first - 1)], moments[-1]]
    return {panel.name: _figure(panel, moments, span).to_plotly_json() for panel in picture.panels if panel.series}


def _figure(panel: Panel, moments: Sequence[datetime], span: Sequence[datetime]) -> go.Figure:
    figure = go.Figure()
    highest = _highest(panel)
    scale, suffix = _binary(highest) if panel.unit == "bytes" else (1, SUFFIXES[panel.unit])
    times = [_naive(moment) for moment in moments]
    step_ms = (moments[-1] - moments[0]).total_seconds() * 1000 / max(1, len(moments) - 1)
    place = {"width": 0.95 * step_ms, "offset": -step_ms}  # a step ends at its time
    for number, (name, known) in enumerate(panel.series.items()):
        values = [None if value is None else value / scale for value in known]
        colour = MEANT.get(name, COLOURS[number % len(COLOURS)])
        if panel.bars:
            figure.add_bar(x=times, y=values, name=name, marker={"color": colour, "line": {"width": 0}}, **place)
        else:
            mode = "lines+markers" if _lonely(values) else "lines"
            look = {"color": colour, "width": 1.8}
            figure.add_scatter(x=times, y=values, name=name, mode=mode, line=look, marker={"size": 4})
    figure.update_layout(
        template="none",
        barmode="stack",
        bargap=0.05,
        margin={"l": 58, "r": 10, "t": 6, "b": 56},
        font={"family": 'system-ui, "Noto Sans CJK SC", sans-serif', "size": 12, "color": "#1c2733"},
        hovermode="x unified",
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": -0.16, "yanchor": "top", "font": {"size": 11}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(range=[_naive(moment) for moment in span], gridcolor=LINE, zeroline=False, nticks=6)
    axis: dict[str, Any] = {"rangemode": "tozero", "nticks": 6}
    if panel.logarithmic:
        axis = {"type": "log", "dtick": 1, "exponentformat": "none"}
    elif panel.unit == "count" and highest <= FEW:
        axis |= {"dtick": 1, "range": [0, FEW]}
    figure.update_yaxes(gridcolor=LINE, zerolinecolor="#c8d0d8", ticksuffix=suffix, hoverformat=",.4~r", **axis)
    return figure


def _highest(panel: Panel) -> float:
    """Of all values, or of all stacks."""
    columns = zip(*panel.series.values(), strict=True)
    known = [[value for value in column if value is not None] for column in columns]
    return max((sum(values) if panel.bars else max(values) for values in known if values), default=0)


def _binary(highest: float) -> tuple[int, str]:
    """How to divide bytes, and what that makes of them."""
    for power, name in ((3, " GiB"), (2, " MiB")):
        if highest >= 1024**power:
            return 1024**power, name
    return 1024, " KiB"


def _naive(moment: datetime) -> str:
    """The axes know no zones: the page names the one that its times are of."""
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _lonely(values: Sequence[Value]) -> bool:
    """Whether a value stands between gaps, where a line would not show it."""
    padded = [None, *values, None]
    return any(
        here is not None and before is None and after is None
        for before, here, after in zip(padded, padded[1:], padded[2:], strict=False)
    )
