"""Judges a set's ads with the real engine: on their gold words, and on what OCR reads in their pictures.

`judge_text` hands the engine every word as it was drawn, `judge_pictures` the ad as a submission has it, with the
lines of the real OCR. Both decide by the policy's table with silence counted as innocence (`policy.unchecked =
"approve"`), as the gold does: what only a model can see is set B's business.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumer.decision import decide
from consumer.engine import Findings, Prepared, Price
from consumer.errors import PermanentError
from consumer.evaluation.items import IMAGES, Item, ItemPicture, SetUnreadable
from consumer.evaluation.reading import PictureReader
from consumer.messages import MemoryFile, OcrLine, Picture
from consumer.screening.engine import ScreeningEngine
from schemas import AdSubmission, AdText, CreativeKind, CreativeRef, Decision
from schemas.submission import Advertiser, Placement

Box = tuple[float, float, float, float]
Progress = Callable[[int, int], None]
"""Called with how many ads are judged and how many there are."""

_FREE: Final = Price(bytes=0, needs_pixels=False)
_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Shown:
    """One finding's evidence; `box` in pixels of picture number `picture`."""

    rule: str
    quote: str
    verified: bool
    picture: int | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of one ad. `rules`: violated, or asking for a statement that is absent."""

    item_id: str
    decision: Decision
    rules: frozenset[str] = frozenset()
    evidence: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """An ad without a judgement: one of its pictures could not be read."""

    item_id: str
    reason: str


async def judge_text(items: Sequence[Item], engine: ScreeningEngine) -> list[Judged]:
    """Every ad by its gold words, those in pictures included, as a perfect reader would see them."""
    judged = []
    for item in items:
        lines = tuple(
            OcrLine(_asset(number), line.text, 1.0, _WHOLE)
            for number, picture in enumerate(item.pictures)
            for line in picture.lines
        )
        findings = await engine.judge(Prepared(_submission(item), (), lines, _FREE))
        judged.append(_judged(item, findings, {}))
    return judged


async def judge_pictures(
    items: Sequence[Item], folder: Path, engine: ScreeningEngine, reader: PictureReader, progress: Progress
) -> list[Judged | Unread]:
    """Every ad by its text and what OCR reads in its pictures; at most `reader.concurrency` at a time.

    Raises SetUnreadable for a picture that is none, StartRefused when OCR does not start.
    """
    places = asyncio.Semaphore(reader.concurrency)
    done = 0

    async def one(item: Item) -> Judged | Unread:
        nonlocal done
        async with places:
            outcome = await _judge_read(item, folder, engine, reader)
        done += 1
        progress(done, len(items))
        return outcome

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failures:  # the others ended because of the first
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _judge_read(item: Item, folder: Path, engine: ScreeningEngine, reader: PictureReader) -> Judged | Unread:
    lines: list[OcrLine] = []
    for number, drawn in enumerate(item.pictures):
        try:
            lines += await reader.read(folder / IMAGES / drawn.file, _asset(number))
        except PermanentError as error:
            return Unread(item.id, f"{drawn.file}: {error.message}")
        except OSError as error:
            raise SetUnreadable(
                f"{folder / IMAGES / drawn.file}: no picture ({error}); generate the set anew"
            ) from error
    pictures = tuple(
        Picture(_asset(number), "", drawn.width, drawn.height, MemoryFile("unseen"))
        for number, drawn in enumerate(item.pictures)
    )
    findings = await engine.judge(Prepared(_submission(item), pictures, tuple(lines), _FREE))
    return _judged(item, findings, dict(enumerate(item.pictures)))


def _judged(item: Item, findings: Findings, pictures: Mapping[int, ItemPicture]) -> Judged:
    violated = {violation.rule_id for violation in findings.violations}
    absent = {statement.rule_id for statement in findings.missing}
    decided = decide(findings, item.category, "approve")
    return Judged(item.id, decided.decision, frozenset(violated | absent), tuple(_shown(findings, pictures)))


def _shown(findings: Findings, pictures: Mapping[int, ItemPicture]) -> Iterator[Shown]:
    for violation in findings.violations:
        evidence = violation.evidence
        number = int(evidence.asset_id) if evidence.asset_id else None
        picture = pictures.get(number) if number is not None else None
        box = None
        if picture and (part := evidence.bbox):
            width, height = picture.width, picture.height
            box = (part.x0 * width, part.y0 * height, part.x1 * width, part.y1 * height)
        yield Shown(violation.rule_id, evidence.quote or "", evidence.verified, number, box)


def _asset(number: int) -> str:
    return str(number)


def _submission(item: Item) -> AdSubmission:
    return AdSubmission(
        submission_id=item.id,
        revision=0,
        advertiser=Advertiser(id="evaluation", certificates=item.metadata.certificates),
        category=item.category,
        text=AdText(title=item.title or None, body=item.body or None),
        creatives=tuple(
            CreativeRef(asset_id=_asset(number), kind=CreativeKind.IMAGE, bucket="evaluation", key=picture.file)
            for number, picture in enumerate(item.pictures)
        ),
        approval_number=item.metadata.approval_number,
        placement=Placement(media=item.metadata.media),
        submitted_at=item.metadata.submitted_at,
    )
