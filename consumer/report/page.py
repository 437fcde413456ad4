"""The page: one file that holds its pictures, its library and its style, and asks the network for nothing.

Its content security policy forbids it to. Without scripts, the words and figures on top remain.
"""

import json
from base64 import b64encode
from datetime import datetime, tzinfo
from hashlib import sha256
from html import escape
from importlib.metadata import version
from importlib.resources import files

from plotly.offline import get_plotlyjs

from consumer.report.charts import figures
from consumer.report.panels import Panel, Picture
from consumer.report.summary import Fact, Summary


def page(picture: Picture, summary: Summary, zone: tzinfo) -> str:
    """HTML; times are those of `zone`."""
    drawn = json.dumps(figures(picture, zone), ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    scripts = (get_plotlyjs(), _own("page.js"))
    style = _own("page.css")
    body = "\n".join(
        (
            "<main>",
            "<h1>advet report</h1>",
            f'<p class="sentence">{escape(summary.sentence)}</p>',
            f'<p class="span">{escape(span(picture, zone))}</p>',
            '<ul class="facts">',
            *map(_fact, summary.facts),
            "</ul>",
            "<noscript><p>The pictures need JavaScript; the figures above do not.</p></noscript>",
            '<div class="charts">',
            *map(_figure, sorted(picture.panels, key=lambda panel: not panel.series)),
            "</div>",
            *_sources(picture, summary, zone),
            "</main>",
            f'<script type="application/json" id="figures">{drawn}</script>',
            *(f"<script>{script}</script>" for script in scripts),
        )
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(scripts)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>advet report: {escape(summary.sentence)}</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def span(picture: Picture, zone: tzinfo) -> str:
    """From when to when, in which zone, in which steps."""
    window = picture.window
    since = datetime.fromtimestamp(window.since_seconds, zone)
    until = datetime.fromtimestamp(window.until_seconds, zone)
    end = f"{until:%H:%M:%S}" if since.date() == until.date() else f"{until:%Y-%m-%d %H:%M:%S}"
    offset = f"{until:%z}"
    return f"{since:%Y-%m-%d %H:%M:%S} to {end} (UTC{offset[:3]}:{offset[3:]}), in steps of {window.step_seconds} s"


def _fact(fact: Fact) -> str:
    mark = ' class="look"' if fact.look else ""
    return f"<li{mark}>{escape(fact.title)}<b>{escape(fact.figure)}</b><small>{escape(fact.detail)}</small></li>"


def _figure(panel: Panel) -> str:
    label = escape(f"{panel.title}: {', '.join(panel.series)}", quote=True)
    drawn = f'<div class="chart" id="{escape(panel.name)}" role="img" aria-label="{label}"></div>'
    inside = drawn if panel.series else f'<p class="absent">{escape(panel.absent)}</p>'
    return (
        f"<figure><figcaption>{escape(panel.title)}<small>{escape(panel.meaning)}</small></figcaption>{inside}</figure>"
    )


def _sources(picture: Picture, summary: Summary, zone: tzinfo) -> list[str]:
    made = datetime.now(zone).isoformat(sep=" ", timespec="seconds")
    lines = [
        f"Read from {picture.origin.words}.",
        *summary.notes,
        "Times of the worst 1 % and medians are read from histograms: exact to the bucket, not to the digit.",
        f"Made by advet {version('advet')} at {made}.",
    ]
    items = [f"<li>{escape(line)}</li>" for line in lines]
    return [
        '<section class="sources"><h2>Where this comes from, and what is missing</h2><ul>',
        *items,
        "</ul></section>",
    ]


def _policy(scripts: tuple[str, ...]) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _own(name: str) -> str:
    return (files("consumer.report") / name).read_text(encoding="utf-8")
