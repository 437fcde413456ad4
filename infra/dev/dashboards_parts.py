"""PromQL and panels that the dashboards are written with."""

from dashboards_model import Colour, Panel, Query

OURS = 'group="$group"'
"""Of the group that is looked at: figures about partitions and the group."""
HERE = 'instance=~"$instance"'
"""Of the chosen consumers: figures about the inside of a process."""
WINDOW = "$__rate_interval"
PARTITION = "group, topic, partition"
QUANTILES = (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99))


def merged(metric: str, labels: str = PARTITION) -> str:
    """A figure about partitions: `advet lag --serve` and the owner both measure it."""
    return f"max by ({labels}) ({metric}{{{OURS}}})"


def total(metric: str, by: str = "") -> str:
    """Sum of a gauge over the chosen consumers."""
    return f"{_sum(by)}({metric}{{{HERE}}})"


def rate(metric: str, by: str = "") -> str:
    """Events a second."""
    return f"{_sum(by)}(rate({metric}{{{HERE}}}[{WINDOW}]))"


def count(metric: str, window: str, by: str = "") -> str:
    """Events in a window."""
    return f"{_sum(by)}(increase({metric}{{{HERE}}}[{window}]))"


def mean(metric: str, by: str) -> str:
    """Mean of what a histogram observed; nothing where it observed nothing."""
    return f"{rate(metric + '_sum', by)} / ({rate(metric + '_count', by)} > 0)"


def quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    """The usual quantiles of a histogram, with their names."""
    return tuple((f"histogram_quantile({share}, {rate(metric + '_bucket', 'le')})", name) for name, share in QUANTILES)


def _sum(by: str) -> str:
    return f"sum by ({by}) " if by else "sum"


def or_none(expr: str) -> str:
    """For events that may never have happened: 0 is an answer, an empty panel is none."""
    return f"{expr} or on () vector(0)"


def stat(title: str, unit: str, meaning: str, expr: str, *steps: tuple[float, Colour], base: Colour = "green") -> Panel:
    """A figure that is read from across the room."""
    return Panel("stat", title, meaning, unit, [Query(expr)], 6, 4, base, steps)


def graph(
    title: str, unit: str, meaning: str, *queries: tuple[str, str], stacked: bool = False, limit: float | None = None
) -> Panel:
    """Lines over time; each query is (expression, legend)."""
    steps: tuple[tuple[float, Colour], ...] = () if limit is None else ((limit, "red"),)
    return Panel("timeseries", title, meaning, unit, [Query(*query) for query in queries], steps=steps, stacked=stacked)


def table(title: str, meaning: str, expr: str, width: int = 8, height: int = 8) -> Panel:
    """One line for each series, its labels as columns."""
    return Panel("table", title, meaning, "short", [Query(expr)], width, height)
