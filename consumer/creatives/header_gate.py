"""The gate between header and decoder: refuses, by what the header says, what must not be decoded. Pure."""

from consumer.creatives.containers import EMPTY, UNKNOWN
from consumer.errors import PermanentError
from consumer.messages import HeaderFacts
from consumer.settings import CreativeSettings
from schemas import Reason, Stage

ACCEPTED = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff"})


def refusal(facts: HeaderFacts, settings: CreativeSettings) -> PermanentError | None:
    """The error to dead-letter this creative with, or None when it may be decoded.

    Bytes are bounded earlier, by the store (`storage.max_object_bytes`).
    """
    if facts.content_type == EMPTY:
        return _refused(Reason.CREATIVE_UNDECODABLE, facts, "is empty")
    if facts.content_type not in ACCEPTED:
        kind = "of no known type" if facts.content_type == UNKNOWN else facts.content_type
        known = ", ".join(sorted(name.removeprefix("image/").upper() for name in ACCEPTED))
        return _refused(Reason.CREATIVE_UNSUPPORTED, facts, f"is {kind} by its content; accepted are {known}")
    if facts.width < 1 or facts.height < 1:
        return _refused(Reason.CREATIVE_UNDECODABLE, facts, f"says it is {facts.width}×{facts.height} pixels")
    if facts.pixels > settings.max_pixels:
        return _refused(
            Reason.CREATIVE_TOO_LARGE, facts,
            f"has {facts.width}×{facts.height} = {facts.pixels:,} pixels, more than {settings.max_pixels:,}",
        )  # fmt: skip
    aspect = max(facts.width, facts.height) / min(facts.width, facts.height)
    if aspect > settings.max_aspect:
        what = f"is {facts.width}×{facts.height}, an aspect ratio over {settings.max_aspect:g}"
        return _refused(Reason.CREATIVE_TOO_LARGE, facts, what)
    if facts.frames > settings.max_frames:
        return _refused(Reason.CREATIVE_TOO_LARGE, facts, f"has more than {settings.max_frames} frames")
    return None


def _refused(reason: Reason, facts: HeaderFacts, what: str) -> PermanentError:
    return PermanentError(reason, Stage.GATE, f"creative {facts.asset_id} {what}")
