"""W3C trace context: which `traceparent` values may be passed on. Pure."""

import re

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<fields>(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2})"
)


def valid_traceparent(value: str) -> str | None:
    """`value` in version 00 of the format, or None when the standard says to drop it.

    A later version is passed on as version 00, the one this code understands.
    """
    match = _TRACEPARENT.match(value)
    if match is None or match["version"] == "ff":
        return None
    rest = value[match.end() :]
    if rest and (match["version"] == "00" or not rest.startswith("-")):
        return None
    if not match["trace"].strip("0") or not match["parent"].strip("0"):
        return None
    return f"00-{match['fields']}"
