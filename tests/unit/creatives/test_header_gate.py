"""The gate's limits and its words, and the structure readers behind it."""

import pytest

from consumer.creatives import containers
from consumer.creatives.header_gate import ACCEPTED, refusal
from consumer.messages import HeaderFacts
from consumer.settings import CreativeSettings
from schemas import Reason, Stage
from tests.hostile import encoded, gif, quarters

SETTINGS = CreativeSettings(max_pixels=1000, max_aspect=10, max_frames=5)


def facts(content_type: str = "image/png", width: int = 10, height: int = 10, frames: int = 1) -> HeaderFacts:
    return HeaderFacts("a", content_type, 100, width, height, frames)


@pytest.mark.parametrize(
    "passing", [facts(), facts(width=100), facts(frames=5), *(facts(name) for name in sorted(ACCEPTED))]
)
def test_what_keeps_the_limits_passes(passing: HeaderFacts) -> None:
    assert refusal(passing, SETTINGS) is None


@pytest.mark.parametrize(
    ("refused", "reason", "words"),
    [
        (facts(width=77, height=13), Reason.CREATIVE_TOO_LARGE, "1,001 pixels, more than 1,000"),
        (facts(width=51, height=5), Reason.CREATIVE_TOO_LARGE, "aspect ratio over 10"),
        (facts(width=5, height=51), Reason.CREATIVE_TOO_LARGE, "aspect ratio over 10"),
        (facts(frames=6), Reason.CREATIVE_TOO_LARGE, "more than 5 frames"),
        (facts(width=0), Reason.CREATIVE_UNDECODABLE, "0×10 pixels"),
        (facts("image/svg+xml", 0, 0, 0), Reason.CREATIVE_UNSUPPORTED, "image/svg+xml"),
        (facts("video/mp4", 0, 0, 0), Reason.CREATIVE_UNSUPPORTED, "accepted are BMP, GIF, JPEG"),
        (facts(containers.UNKNOWN, 0, 0, 0), Reason.CREATIVE_UNSUPPORTED, "no known type"),
        (facts(containers.EMPTY, 0, 0, 0), Reason.CREATIVE_UNDECODABLE, "is empty"),
    ],
)
def test_what_breaks_them_is_refused_in_words(refused: HeaderFacts, reason: Reason, words: str) -> None:
    error = refusal(refused, SETTINGS)
    assert error is not None
    assert (error.reason, error.stage) == (reason, Stage.GATE)
    assert words in error.message


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x1cftypheic", "image/heic"),
        (b"\0\0\0\x1cftypqt  ", "video/mp4"),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo"),
        ("<svg>".encode("utf-16"), "image/svg+xml"),
        (b"<!-- a comment --><svg xmlns='x'>", "image/svg+xml"),
        (b"GIF88a", containers.UNKNOWN),
    ],
)
def test_types_by_content(content: bytes, content_type: str) -> None:
    assert containers.sniff(content) == content_type


def test_counting_stops_just_past_its_limit() -> None:
    assert containers.count_frames("image/gif", gif(4), 5) == 4
    assert containers.count_frames("image/gif", gif(100), 5) == 6


def test_every_prefix_of_every_format_is_counted_or_damaged() -> None:
    """Structure readers see hostile bytes first: only `Damaged` may leave them."""
    for name in ("GIF", "PNG", "TIFF", "WebP", "JPEG"):
        content = encoded(quarters(size=(16, 8)), name)
        content_type = containers.sniff(content)
        for length in range(len(content)):
            try:
                assert containers.count_frames(content_type, content[:length], 5) <= 6
            except containers.Damaged:
                assert length < len(content)
