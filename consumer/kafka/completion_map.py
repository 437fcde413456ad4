"""What a partition's committed offset says besides the offset: which records above it are finished. Pure.

The map travels as the metadata of the offset commit, in the same transaction as the terminal records, so the
next owner judges nothing twice. It is a fixed window of offsets above the lowest unfinished one, as a bitset:
683 base64 characters at most, which always fits the broker's limit of 4,096 for metadata.

    advet1 <starts> <suspect offset - low, or -> <suspect tries> <bitset, base64 without padding>

Bit i (least significant first) stands for offset low + i. Bit 0 is never set: `low` is unfinished.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

WINDOW_OFFSETS = 4096
"""How far a partition may run ahead of its lowest unfinished offset."""
VERSION = "advet1"
_FORM = re.compile(r"advet1 (\d{1,4}) (-|\d{1,4}) (\d{1,4}) ([A-Za-z0-9_-]{0,683})")
_MOST = 9999


class MapUnreadable(Exception):
    """The metadata was written by something this version does not understand; judging on could judge twice."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """State of a partition as it is committed."""

    low: int
    """Lowest unfinished offset; everything below has its terminal record."""
    finished: frozenset[int] = frozenset()
    """Finished offsets above `low`, within the window."""
    starts: int = 0
    """Owners that ended without a clean drain, and the one there is, since all that was in flight then was finished.

    Progress alone does not reset it: records below the one that ends processes may finish first, one each time.
    """
    suspect: int | None = None
    """Offset that was running alone when this was committed."""
    suspect_tries: int = 0

    def restarted(self) -> "Coverage":
        """As it is committed by an activation, before anything is admitted."""
        return replace(self, starts=min(self.starts + 1, _MOST))


def encode(coverage: Coverage) -> str:
    """Metadata of a commit at `coverage.low`. Raises ValueError for an offset outside the window."""
    bits = 0
    for offset in coverage.finished:
        place = offset - coverage.low
        if not 0 < place < WINDOW_OFFSETS:
            raise ValueError(f"offset {offset} is outside the window above {coverage.low}")
        bits |= 1 << place
    packed = base64.urlsafe_b64encode(bits.to_bytes((bits.bit_length() + 7) // 8, "little")).rstrip(b"=").decode()
    suspect = "-" if coverage.suspect is None else str(coverage.suspect - coverage.low)
    return f"{VERSION} {coverage.starts} {suspect} {coverage.suspect_tries} {packed}"


def decode(low: int, metadata: str | None) -> Coverage:
    """The state behind a committed offset. Empty metadata (another client, `at_least_once`) finishes nothing.

    Raises MapUnreadable for anything that this version did not write.
    """
    if not metadata:
        return Coverage(low)
    form = _FORM.fullmatch(metadata)
    if form is None:
        raise MapUnreadable(
            f"offset {low} was committed with metadata of another version or program: {metadata[:40]!r}"
        )
    starts, suspect, tries, packed = form.groups()
    try:
        bits = int.from_bytes(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), "little")
    except binascii.Error as error:
        raise MapUnreadable(f"offset {low} was committed with a damaged completion map") from error
    if bits & 1 or bits.bit_length() > WINDOW_OFFSETS:
        raise MapUnreadable(f"offset {low} was committed with a completion map that contradicts itself")
    return Coverage(
        low,
        frozenset(_offsets(low, bits)),
        int(starts),
        None if suspect == "-" else low + int(suspect),
        int(tries),
    )


def _offsets(low: int, bits: int) -> Iterable[int]:
    return (low + place for place in range(bits.bit_length()) if bits >> place & 1)
