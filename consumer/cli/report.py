"""`advet report`: what went on between two moments, as one page that needs no network, or as JSON."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from consumer.cli.moment import Moment
from consumer.cli.options import settings_options
from consumer.errors import AdvetError, StartRefused
from consumer.settings import Loaded

if TYPE_CHECKING:
    from consumer.report.panels import Picture
    from consumer.report.series import Source
    from consumer.report.summary import Summary

EXTRA = "the page needs plotly: pip install 'advet[report]' (--json works without)"
OWN = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a consumer may listen on
"""Address of everywhere → of this machine."""


@click.command("report")
@click.option("--from", "since", type=Moment(), default="-2h", show_default=True, help="-2h, or a time with its zone.")
@click.option("--to", "until", type=Moment(), default="now", show_default=True, help="now, -30m, or a time.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write [default: report.html].")
@click.option("--prometheus", metavar="URL", help="Read a Prometheus: all consumers, any time that it kept.")
@click.option(
    "--match", "matchers", multiple=True, metavar="MATCHER",
    help="Narrow what is read from Prometheus, as in 'namespace=\"ads\"'; may be given more than once.",
)  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), help="File with a bearer token for Prometheus.")
@click.option(
    "--consumer", "consumers", multiple=True, metavar="URL",
    help="Read the samples of a running consumer; may be given more than once "
    "[default: the one at http.host:http.port].",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write the series as JSON instead, to stdout without --out.")
@settings_options("http")
def report_command(
    loaded: Loaded,
    since: datetime,
    until: datetime,
    out: Path | None,
    prometheus: str | None,
    matchers: tuple[str, ...],
    token_file: Path | None,
    consumers: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show lag, rates, times, memory, verdicts and dead letters without Grafana: one page that works offline."""
    if prometheus is not None and consumers:
        raise click.UsageError("--prometheus and --consumer exclude each other: one report has one source")
    if prometheus is None and (matchers or token_file):
        raise click.UsageError("--match and --token-file go with --prometheus")
    if since >= until:
        raise click.UsageError("--from must be before --to")
    from consumer.report.panels import picture
    from consumer.report.summary import summarise

    here = _here(loaded.settings.http.host, loaded.settings.http.port)
    if prometheus is not None:
        source = _prometheus(prometheus, token_file, matchers, since, until)
    else:
        source = _consumers(consumers or (here,), since, until)
    zone = datetime.now().astimezone().tzinfo or UTC
    shown = picture(source)
    summary = summarise(shown, zone)
    if as_json:
        text = json.dumps(as_object(shown, summary), ensure_ascii=False, allow_nan=False) + "\n"
        _write(out, text) if out is not None else click.echo(text, nl=False)
        return
    out = out or Path("report.html")
    _write(out, _page(shown, summary, zone))
    click.echo(summary.sentence)
    click.echo(f"{out}: open it in any browser; it needs no network", err=True)


def as_object(shown: "Picture", summary: "Summary") -> dict[str, Any]:
    """What the page shows, as JSON."""
    window = shown.window
    return {
        "from": datetime.fromtimestamp(window.since_seconds, UTC).isoformat(),
        "to": datetime.fromtimestamp(window.until_seconds, UTC).isoformat(),
        "step_seconds": window.step_seconds,
        "source": shown.origin.words,
        "summary": summary.sentence,
        "figures": [asdict(fact) for fact in summary.facts],
        "notes": list(summary.notes),
        "times": [moment.isoformat() for moment in window.moments()],
        "panels": {
            panel.name: {"title": panel.title, "unit": panel.unit, "series": dict(panel.series)}
            for panel in shown.panels
        },
    }


def _prometheus(
    url: str, token_file: Path | None, matchers: tuple[str, ...], since: datetime, until: datetime
) -> "Source":
    from consumer.report.fetch import Address
    from consumer.report.prometheus import PrometheusSource

    return PrometheusSource(Address(url, token_file), matchers, since, until)


def _consumers(urls: tuple[str, ...], since: datetime, until: datetime) -> "Source":
    from consumer.report.fetch import Address
    from consumer.report.ring import RingSource

    return RingSource([Address(url) for url in urls], since, until)


def _here(host: str, port: int) -> str:
    """The consumer of these settings, as seen from its own machine."""
    host = OWN.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _page(shown: "Picture", summary: "Summary", zone: tzinfo) -> str:
    try:
        from consumer.report.page import page
    except ImportError as error:
        raise StartRefused(EXTRA) from error
    return page(shown, summary, zone)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AdvetError(f"cannot write {out}: {error.strerror}") from error
