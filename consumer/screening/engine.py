"""The judge that runs everywhere: rules on the CPU, applied to the ad's text and to what OCR read.

`Screening` is the judgement itself, a pure function of the submission and its OCR lines. `ScreeningEngine` offers
it to the pipeline through the engine port: short ads are judged in place, long texts on a thread of its own, so
that the event loop keeps answering.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Final

from consumer.decision import FINDINGS_CUT, PARTLY_SEEN
from consumer.engine import AdFacts, Capacity, Findings, Prepared, Price
from consumer.messages import OcrLine, Picture
from consumer.policy.pack import PolicyPack, Rule
from consumer.screening.examples import check_examples
from consumer.screening.matcher import MAX_HITS_PER_RULE, Matcher, misplaced
from consumer.screening.missing import RequiredStatements
from consumer.screening.quotes import MAX_PICTURE_CHARS, MAX_TEXT_CHARS, Source, confident, sources_of
from consumer.screening.tiles import READABLE_SCALE, scale_of
from consumer.settings import OcrSettings
from schemas import (
    AdSubmission,
    Category,
    Detector,
    EngineFingerprint,
    Evidence,
    EvidenceSource,
    Severity,
    Violation,
)
from schemas.codec import encode
from schemas.submission import CREATIVES_MAX

RULES_REVISION: Final = "5"
"""Grows when the same pack would find something else: part of the fingerprint."""
MAX_VIOLATIONS_BYTES: Final = 256 * 1024
"""Of JSON in one verdict, however many quotes an ad is worth: the topic takes records up to 1 MiB."""
_INLINE_CHARS: Final = 4_000
_THREADS: Final = 2
"""For long texts: Python runs one at a time anyway, and short ads need not wait behind one."""
_BYTES_PER_CHAR: Final = 300
_BYTES_PER_PICTURE: Final = MAX_PICTURE_CHARS * _BYTES_PER_CHAR
_MAX_PRICE_BYTES: Final = MAX_TEXT_CHARS * _BYTES_PER_CHAR + CREATIVES_MAX * _BYTES_PER_PICTURE

_GRAVITY: Final = tuple(Severity)


class Screening:
    """A pack, compiled, and what OCR promises: how sure it must be and how much of a picture it sees."""

    def __init__(self, pack: PolicyPack, ocr: OcrSettings) -> None:
        self._pack = pack
        self._ocr = ocr
        self._matcher = Matcher(pack)
        self._required = RequiredStatements(pack)
        self._paper_rules = frozenset(rule.id for rule in pack.rules if rule.papers)

    def check(self) -> None:
        """Tries the pack on its own examples; raises StartRefused."""
        check_examples(self._pack, self._matcher, self._required)

    def judge(self, submission: AdSubmission, ocr: Sequence[OcrLine], pictures: Sequence[Picture] = ()) -> Findings:
        """What the words of the ad violate and lack; `ocr` in reading order, picture by picture."""
        sources = sources_of(submission.text, ocr)
        ocr_confident = confident(ocr, self._ocr.min_confidence)
        cut = any(source.cut for source in sources) or any(map(self._seen_in_part, pictures))
        found = tuple(self._violations(submission, sources))
        listed = _bounded(found)
        crowded = len(listed) < len(found) or MAX_HITS_PER_RULE in Counter(one.rule_id for one in found).values()
        return Findings(
            violations=listed,
            missing=self._required.missing(submission, sources, seen_whole=ocr_confident and not cut),
            paper_rules=self._paper_rules,
            ocr_confident=ocr_confident,
            degraded=(PARTLY_SEEN,) * cut + (FINDINGS_CUT,) * crowded,
        )

    def _seen_in_part(self, picture: Picture) -> bool:
        return picture.frames > 1 or scale_of(picture.width, picture.height, self._ocr.max_side) < READABLE_SCALE

    def _violations(self, submission: AdSubmission, sources: Sequence[Source]) -> Iterator[Violation]:
        category, media = submission.category, submission.placement.media
        hits = self._matcher.hits(sources, category, media)
        for hit in hits:
            evidence = hit.source.evidence(hit.start, hit.end)
            yield _violation(hit.rule, category, evidence, Severity.LOW if hit.doubtful else hit.rule.severity)
        found = {hit.rule.id for hit in hits}
        for rule in self._pack.rules:
            if rule.placement and rule.placement.alone and rule.id not in found and misplaced(rule, category, media):
                # nothing to quote: category and placement, as declared, are the evidence
                yield _violation(rule, category, Evidence(source=EvidenceSource.TEXT, verified=True), rule.severity)


def _violation(rule: Rule, category: Category, evidence: Evidence, severity: Severity) -> Violation:
    return Violation(
        rule_id=rule.id,
        category=category.value,
        severity=severity,
        gist=rule.gist,
        evidence=evidence,
        legal_basis=rule.legal_basis,
        suggestion=rule.advice,
        detector=Detector.RULES,
    )


def _bounded(violations: Sequence[Violation]) -> tuple[Violation, ...]:
    """As many as fit: the first of each rule before any second one, the gravest first. Their order stays."""
    seen: Counter[str] = Counter()
    ranks = []
    for index, violation in enumerate(violations):
        ranks.append((seen[violation.rule_id], _GRAVITY.index(violation.severity), index))
        seen[violation.rule_id] += 1
    kept = []
    left_bytes = MAX_VIOLATIONS_BYTES
    for _nth, _gravity, index in sorted(ranks):
        left_bytes -= len(encode(violations[index]))
        if left_bytes < 0:
            break
        kept.append(index)
    return tuple(violations[index] for index in sorted(kept))


class ScreeningEngine:
    """The engine port over `Screening`; judges `concurrency` ads at a time."""

    def __init__(self, pack: PolicyPack, ocr: OcrSettings, concurrency: int) -> None:
        self._pack = pack
        self._ocr = ocr
        self._screening = Screening(pack, ocr)
        self._concurrency = concurrency
        self._running = 0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="screening")

    @property
    def fingerprint(self) -> EngineFingerprint:
        """Names the pack's content and how closely OCR looks: with another of either, it is another judge."""
        return EngineFingerprint(
            name="screening",
            model="rules",
            revision=f"{RULES_REVISION}-{self._pack.sha256[:16]}",
            precision=f"ocr-{self._ocr.max_side}px-{self._ocr.min_confidence:g}",
        )

    @property
    def policy_version(self) -> str:
        """Version of the pack."""
        return self._pack.version

    async def start(self) -> None:
        """Tries the pack on its own examples; raises StartRefused."""
        self._screening.check()

    def capacity(self) -> Capacity:
        """Free places; each takes the largest ad there is."""
        free = max(0, self._concurrency - self._running)
        return Capacity(items=free, bytes=free * _MAX_PRICE_BYTES, reason="" if free else "screening")

    def quote(self, facts: AdFacts) -> Price:
        """Memory for the text, its folded form and the lines of each picture; always fits."""
        text_bytes = min(facts.text_chars, MAX_TEXT_CHARS) * _BYTES_PER_CHAR
        return Price(bytes=text_bytes + min(len(facts.headers), CREATIVES_MAX) * _BYTES_PER_PICTURE)

    async def judge(self, prepared: Prepared) -> Findings:
        """Applies the rules. Nothing about an ad makes this fail."""
        self._running += 1
        try:
            judgement = partial(self._screening.judge, prepared.submission, prepared.ocr, prepared.pictures)
            if _chars(prepared.submission, prepared.ocr) <= _INLINE_CHARS:
                return judgement()
            return await asyncio.get_running_loop().run_in_executor(self._threads, judgement)
        finally:
            self._running -= 1

    async def close(self) -> None:
        """Waits for the threads under way; idempotent."""
        await asyncio.to_thread(self._threads.shutdown)


def _chars(submission: AdSubmission, ocr: Sequence[OcrLine]) -> int:
    text = submission.text
    fields = (text.title or "", text.body or "", text.call_to_action or "")
    return sum(map(len, chain(fields, (line.text for line in ocr))))
