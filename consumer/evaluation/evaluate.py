"""A whole evaluation: a set's ads → every judge → the report."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from consumer.evaluation.baselines import always
from consumer.evaluation.items import ITEMS, Item
from consumer.evaluation.judge import Judged, Progress, Unread, judge_pictures, judge_text
from consumer.evaluation.reading import PictureReader
from consumer.evaluation.report import ALWAYS_REJECT, ALWAYS_REVIEW, OCR, TEXT, Report, counted, make_report
from consumer.policy.pack import PolicyPack
from consumer.screening.engine import ScreeningEngine
from consumer.settings import OcrSettings
from schemas import Decision, Severity

_ONE_BY_ONE = 1


async def evaluate(
    items: Sequence[Item], folder: Path, pack: PolicyPack, ocr: OcrSettings, cache: Path | None, progress: Progress
) -> Report:
    """Judges the set in `folder` and scores it; `cache` None: on words alone, no picture is read.

    Raises StartRefused when the pack fails its own examples or OCR does not start.
    """
    engine = ScreeningEngine(pack, ocr, _ONE_BY_ONE)
    await engine.start()
    try:
        found: dict[str, Sequence[Judged | Unread]] = {TEXT: await judge_text(items, engine)}
        if cache is not None:
            async with PictureReader.opened(ocr, cache) as reader:
                found[OCR] = await judge_pictures(items, folder, engine, reader, progress)
    finally:
        await engine.close()
    found[ALWAYS_REJECT] = always(Decision.REJECT, items)
    found[ALWAYS_REVIEW] = always(Decision.REVIEW, items)
    critical = frozenset(rule.id for rule in pack.rules if rule.severity is Severity.CRITICAL)
    judges = {name: counted(items, judged, critical) for name, judged in found.items()}
    unread = [one for one in found.get(OCR, ()) if isinstance(one, Unread)]
    return make_report(judges, unread, _facts(items, folder, pack, engine))


def _facts(items: Sequence[Item], folder: Path, pack: PolicyPack, engine: ScreeningEngine) -> dict[str, object]:
    """What was judged by what: the same facts give the same report."""
    return {
        "items": len(items),
        "templates": len({item.template for item in items}),
        "pictures": sum(len(item.pictures) for item in items),
        "set_sha256": hashlib.sha256((folder / ITEMS).read_bytes()).hexdigest(),
        "policy_version": pack.version,
        "policy_sha256": pack.sha256,
        "engine": engine.fingerprint.model_dump(mode="json", exclude_none=True),
    }
