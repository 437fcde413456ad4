"""What a Grafana dashboard is made of, as far as ours need it, and its JSON (Grafana 11, schema version 39).

Panels flow from left to right and wrap at 24 columns; a row with a title starts a new line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Colour = Literal["green", "yellow", "orange", "red", "blue", "text"]
COLUMNS = 24
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """PromQL and the name of what it returns, with labels as `{{label}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `steps` are (value, colour) from which on the colour holds, before them it is `base`."""

    kind: Literal["stat", "timeseries", "table"]
    title: str
    meaning: str
    unit: str
    queries: Sequence[Query]
    width: int = 8
    height: int = 8
    base: Colour = "green"
    steps: Sequence[tuple[float, Colour]] = ()
    stacked: bool = False

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at a place."""
        table = self.kind == "table"
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.meaning,
            "datasource": SOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": _OPTIONS[self.kind],
            "targets": [self._target(query, letter) for query, letter in zip(self.queries, "ABCDEFGH", strict=False)],
        } | ({"transformations": [{"id": "labelsToFields", "options": {"mode": "columns"}}]} if table else {})

    def _defaults(self) -> Json:
        steps = [{"color": self.base, "value": None}, *({"color": c, "value": v} for v, c in self.steps)]
        defaults: Json = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "stat":
            return defaults | {"color": {"mode": "thresholds"}, "noValue": "no data"}
        if self.kind == "timeseries":
            custom: Json = {"lineWidth": 2, "fillOpacity": 30 if self.stacked else 0, "showPoints": "never"}
            custom["stacking"] = {"mode": "normal" if self.stacked else "none", "group": "A"}
            custom["thresholdsStyle"] = {"mode": "dashed" if self.steps else "off"}
            return defaults | {"color": {"mode": "palette-classic"}, "custom": custom, "min": 0}
        return defaults

    def _target(self, query: Query, letter: str) -> Json:
        now = self.kind != "timeseries"
        shape = {"format": "table"} if self.kind == "table" else {"legendFormat": query.legend}
        return {"refId": letter, "datasource": SOURCE, "expr": query.expr, "instant": now, "range": not now} | shape


_OPTIONS: dict[str, Json] = {
    "stat": {
        "colorMode": "background",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    },
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "table": {"showHeader": True},
}


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a title."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page. Its variables are the data source, the group of consumers and the instances."""

    uid: str
    title: str
    meaning: str
    rows: Sequence[Row] = field(default_factory=tuple)

    def json(self) -> Json:
        """The whole file."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.meaning,
            "tags": ["advet"],
            "schemaVersion": 39,
            "editable": False,
            "refresh": "15s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "",
            "graphTooltip": 1,
            "links": [
                {"type": "dashboards", "tags": ["advet"], "title": "advet", "asDropdown": False, "keepTime": True,
                 "includeVars": True}
            ],
            "templating": {"list": [_SOURCE_VARIABLE, _variable(*_GROUP), _variable(*_INSTANCE, many=True)]},
            "annotations": {"list": [_ALERTS]},
            "panels": list(self._placed()),
        }  # fmt: skip

    def _placed(self) -> Iterator[Json]:
        number = y = 0
        for row in self.rows:
            number += 1
            yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                   "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}}  # fmt: skip
            y += 1
            x = tallest = 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                number += 1
                yield panel.json(number, x, y)
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest


_SOURCE_VARIABLE: Json = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_GROUP = ("group", "Consumer group", "label_values(advet_lag_records, group)")
_INSTANCE = ("instance", "Consumer", "label_values(advet_records_total, instance)")
_ALERTS: Json = {
    "name": "Pages",
    "datasource": SOURCE,
    "enable": True,
    "iconColor": "red",
    "expr": 'ALERTS{alertname=~"Advet.+", alertstate="firing", severity="page"}',
    "titleFormat": "{{alertname}}",
}


def _variable(name: str, label: str, query: str, many: bool = False) -> Json:
    variable: Json = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }
    return variable | ({"multi": True, "includeAll": True, "allValue": ".+"} if many else {})
