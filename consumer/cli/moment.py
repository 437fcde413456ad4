"""A moment, as people type it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import rich_click as click

_AGO = re.compile(r"-?(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType):  # type: ignore[type-arg]  # generic in click 8.3 and not before
    """`90m` or `-90m`, which is that long ago; `now`; or an ISO 8601 time with its zone."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, in UTC."""
        if isinstance(value, datetime):
            return value
        now = datetime.now(UTC)
        if value == "now":
            return now
        ago = _AGO.fullmatch(str(value))
        try:
            if ago is not None:
                return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(str(value))
        except (ValueError, OverflowError):
            self.fail(_help(value), param, ctx)
        if moment.tzinfo is None:
            self.fail(_help(value), param, ctx)
        return moment.astimezone(UTC)


def _help(value: object) -> str:
    return (
        f"{value!r} is neither a time ago (90s, 30m, 2h, 7d) nor now nor one with its zone, "
        "like 2026-11-22T08:00:00+08:00"
    )
