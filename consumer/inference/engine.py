"""The GPU judge behind the engine port: rules judge the words, the model what words do not say.

    judge: words by the rules → prompt → visual budget that can fit → prepare → wait for memory, launch → parse → merge

The model adds findings and never takes one away: what the rules found stands. An ad whose price can never fit gets
fewer visual tokens, and is a dead letter before anything is launched when that does not help.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from consumer.decision import ANSWER_CUT, MODEL_UNSURE, PARTLY_SEEN
from consumer.engine import AdFacts, Capacity, Engine, Findings, NeverFits, Prepared, Price
from consumer.errors import PermanentError, WorkerCrashed
from consumer.inference import prompt
from consumer.inference.answer import ModelFindings, parse
from consumer.inference.gpu_process import GpuProcess, Opening
from consumer.inference.ladder import SUSPECT, Standing
from consumer.inference.launches import Answered, Launches
from consumer.inference.memory import most_available, oom_facts
from consumer.inference.preparing import Preparing
from consumer.inference.sizes import Share, share, shrink
from consumer.inference.work import PATCHES_PER_TOKEN, MemoryReading, Shape
from consumer.messages import CapacityReport, Picture
from consumer.ops.metrics import Metrics
from consumer.policy.pack import PolicyPack
from consumer.settings import GpuSettings
from consumer.workers.pool import WorkersUnavailable
from schemas import EngineFingerprint, Reason, Stage, Violation

REVISION: Final = "1"
"""Grows when the same model and prompt would find something else: part of the fingerprint."""
DOWNSCALED: Final = "downscaled"
CHARS_PER_TOKEN: Final = 8
"""More than any text has: a price by the header alone must not refuse what would fit."""
MAX_SUSPECTS: Final = 1024
PROBE_TOKENS: Final = 4096
"""Many enough that the phase which costs most per token sets the price."""


class GpuEngine:
    """The engine port over one card. `words` judges what needs no model."""

    def __init__(
        self,
        settings: GpuSettings,
        pack: PolicyPack,
        words: Engine,
        metrics: Metrics,
        process: GpuProcess | None = None,
    ) -> None:
        self._settings = settings
        self._pack = pack
        self._words = words
        self._process = process or GpuProcess(settings)
        self._preparing = Preparing(settings)
        self._launches = Launches(settings, self._process, metrics.gpu)
        self._under_way = 0
        self._suspects: OrderedDict[str, None] = OrderedDict()
        metrics.count_crashes("gpu", self._process)
        metrics.watch_pool("preparer", self._preparing)

    @property
    def fingerprint(self) -> EngineFingerprint:
        """Model, prompt, precision, and the rules that judge the words."""
        opened, words = self._launches.opened, self._words.fingerprint
        return EngineFingerprint(
            name="gpu",
            model=opened.model,
            revision=f"{REVISION}-{opened.revision}-{words.revision}",
            prompt_hash=self._prompt_hash,
            precision=f"{opened.precision}-{self._settings.max_visual_tokens}t-{words.precision}",
        )

    @property
    def policy_version(self) -> str:
        """Version of the pack."""
        return self._words.policy_version

    @property
    def process_pid(self) -> int | None:
        """Process id of the one that holds the card, while there is one."""
        return self._process.pid

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of all live processes."""
        holder = self._process.pid
        return self._preparing.pids | (frozenset() if holder is None else {holder})

    @property
    def crashes(self) -> int:
        """Processes lost since the start."""
        return self._process.crashes + self._preparing.crashes

    @property
    def reserved_bytes(self) -> int:
        """Bytes of the card promised to launches under way."""
        return self._launches.reserved_bytes

    @property
    def memory(self) -> MemoryReading:
        """The card's memory when the process that runs now was ready, before it judged anything."""
        return self._launches.opened.memory

    async def start(self) -> None:
        """Loads, warms up and calibrates; raises StartRefused or WorkersUnavailable."""
        await asyncio.gather(self._words.start(), self._preparing.start())
        ids = await self._preparing.prefix(prompt.prefix(self._pack))
        self._prompt_hash = prompt.prompt_hash(self._pack)
        await self._launches.start(Opening(ids, prompt.grammars(self._pack)))

    def capacity(self) -> Capacity:
        """Places in front of the card; none while nothing fits, or while its process is being started anew."""
        if self._launches.pause:
            return Capacity(items=0, bytes=0, reason=self._launches.pause)
        free = max(0, self._settings.waiting + self._settings.max_batch - self._under_way)
        return Capacity(items=free, bytes=free * self._most, reason="" if free else "gpu")

    def capacity_report(self) -> CapacityReport | None:
        """The card for `ad-consumers`; prices of an ad alone, taken apart so that their sum is never low."""
        output = self._settings.max_output_tokens
        fixed = self._launches.alone(Shape((), 0, output))
        visual = self._launches.alone(Shape((PROBE_TOKENS * PATCHES_PER_TOKEN,), 0, output)) - fixed
        text = self._launches.alone(Shape((), PROBE_TOKENS, output)) - fixed
        return CapacityReport(
            device=self._launches.opened.device,
            total_bytes=self.memory.total,
            free_bytes=self._launches.budget_bytes,
            fixed_bytes=fixed,
            visual_token_bytes=visual / PROBE_TOKENS,
            text_token_bytes=text / PROBE_TOKENS,
            ad_seconds=self._launches.ad_seconds,
        )

    def quote(self, facts: AdFacts) -> Price | NeverFits:
        """The price alone, with all the pictures' tokens that this card could ever give it."""
        sizes = [(header.width, header.height) for header in facts.headers]
        return self._affordable(sizes, facts.text_chars // CHARS_PER_TOKEN)[1]

    async def judge(self, prepared: Prepared) -> Findings:
        """Raises PermanentError (`oom_never_fits`, `oom_exhausted`, `model_output_invalid`) or WorkerCrashed."""
        self._under_way += 1
        try:
            words = await self._words.judge(prepared)
            asked = prompt.build(
                self._pack, prepared.submission, [picture.asset_id for picture in prepared.pictures], prepared.ocr
            )
            answered, shares, cut = await self._ask(prepared, asked)
            said = parse(answered.answer.text, asked, self._pack, finished=answered.answer.finished)
        finally:
            self._under_way -= 1
        return _merge(words, said, prepared.pictures, shares, answered, cut=cut or asked.cut)

    async def close(self) -> None:
        """Ends every process; idempotent."""
        await self._launches.close()
        await self._preparing.close()
        await self._words.close()

    @property
    def _most(self) -> int:
        return most_available(self.memory, self._settings.max_share)

    async def _ask(self, prepared: Prepared, asked: prompt.Prompt) -> tuple[Answered, Sequence[Share], bool]:
        submission = prepared.submission
        name = f"{submission.submission_id}:{submission.revision}"
        standing = SUSPECT if name in self._suspects else Standing()
        sizes = [(picture.width, picture.height) for picture in prepared.pictures]
        shares, quoted = self._affordable(sizes, 0)
        while True:
            if isinstance(quoted, NeverFits):
                raise PermanentError(Reason.OOM_NEVER_FITS, Stage.PRICE, quoted.message, oom=quoted.facts)
            ready = await self._preparing.prepare(asked, prepared.pictures, shares)
            with closing(ready.launchable.payload):
                if self._launches.alone(ready.launchable.shape) > self._most:  # its words are more than was assumed
                    shares, quoted = self._affordable(sizes, ready.launchable.shape.text_tokens)
                    continue
                try:
                    outcome = await self._launches.judge(ready.launchable, standing)
                except WorkersUnavailable:
                    raise
                except WorkerCrashed:
                    self._suspect(name)
                    raise
            if isinstance(outcome, Answered):
                self._suspects.pop(name, None)
                return outcome, shares, ready.cut
            standing = outcome.standing
            await asyncio.sleep(standing.pause_seconds)
            shares = shrink(sizes, shares, self._settings.min_visual_tokens) or shares

    def _suspect(self, name: str) -> None:
        self._suspects[name] = None
        while len(self._suspects) > MAX_SUSPECTS:
            self._suspects.popitem(last=False)

    def _affordable(
        self, sizes: Sequence[tuple[int, int]], text_tokens: int
    ) -> tuple[Sequence[Share], Price | NeverFits]:
        """The largest visual budget, halved as often as needed, with which the ad fits the empty card."""
        most = self._most
        shares = share(sizes, self._settings.max_visual_tokens)
        while True:
            patches = tuple(one.patches for one in shares)
            shape = Shape(patches, text_tokens, self._settings.max_output_tokens)
            needed = self._launches.alone(shape)
            if needed <= most:
                return shares, Price(needed, shape.visual_tokens)
            smaller = shrink(sizes, shares, self._settings.min_visual_tokens)
            if smaller is None:
                opened = self._launches.opened
                facts = oom_facts(shape, needed, opened.memory, opened.device, "never_fits")
                message = f"needs {needed} bytes with {shape.visual_tokens} visual tokens; the card can give {most}"
                return shares, NeverFits(facts, message)
            shares = smaller


def _merge(
    words: Findings,
    said: ModelFindings,
    pictures: Sequence[Picture],
    shares: Sequence[Share],
    answered: Answered,
    *,
    cut: bool,
) -> Findings:
    """What the rules found, then what only the model found."""
    marks = {
        PARTLY_SEEN: cut or not all(one.readable for one in shares),
        DOWNSCALED: any(one.shrunk for one in shares),
        ANSWER_CUT: said.cut,
        MODEL_UNSURE: said.uncertain,
    }
    assets = [picture.asset_id for picture in pictures]
    return replace(
        words,
        violations=(*words.violations, *(v for v in said.violations if not _known(v, words.violations))),
        model_ran=True,
        degraded=(*words.degraded, *(mark for mark, set_ in marks.items() if set_ and mark not in words.degraded)),
        visual_tokens={asset: one.patches // PATCHES_PER_TOKEN for asset, one in zip(assets, shares, strict=True)},
        downscaled=frozenset(asset for asset, one in zip(assets, shares, strict=True) if one.shrunk),
        gpu=answered.gpu,
        admission_seconds=answered.waited_seconds,
    )


def _known(violation: Violation, found: Sequence[Violation]) -> bool:
    """Whether the rules have the same finding in the same place."""
    quote = violation.evidence.quote or ""
    return any(
        one.rule_id == violation.rule_id
        and one.evidence.asset_id == violation.evidence.asset_id
        and bool(quote)
        and (quote in (one.evidence.quote or "") or (one.evidence.quote or "\0") in quote)
        for one in found
    )
