"""Engines of known behaviour behind the real port, and a consumer process that uses one.

`python -m tests.engines CONFIG ENGINE ARGUMENT [PLAN FOLDER]` is `advet run` with such an engine and without OCR.
"""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from consumer.app import Consumer
from consumer.creatives.decoder import Decoder
from consumer.engine import AdFacts, Capacity, Findings, Prepared, Price
from consumer.errors import PermanentError
from consumer.inference.engine import GpuEngine
from consumer.inference.gpu_process import GpuProcess
from consumer.kafka.delivery import reached_nothing
from consumer.messages import CapacityReport, OcrLine, Picture
from consumer.ops.logs import configure
from consumer.ops.metrics import Metrics
from consumer.pipeline import Parts
from consumer.policy.pack import load_pack
from consumer.screening.engine import ScreeningEngine
from consumer.screening.ocr import OcrReader
from consumer.settings import Settings, load
from schemas import Detector, EngineFingerprint, Evidence, EvidenceSource, Reason, Severity, Stage, Violation
from tests.faults.deadly_decoder import DeadlyDecoder
from tests.faults.failpoints import Failpoints, Folder, Plan


class FixedTimeEngine:
    """Finds nothing, in `seconds` an ad, all ads at the same time."""

    policy_version = "0"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.fingerprint = EngineFingerprint(name="fixed-time", model="none", revision="1")
        self.judged: list[str] = []

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def capacity(self) -> Capacity:
        return Capacity(items=1000, bytes=2**40, reason="")

    def quote(self, facts: AdFacts) -> Price:
        return Price(bytes=0)

    async def judge(self, prepared: Prepared) -> Findings:
        await asyncio.sleep(self._seconds)
        self.judged.append(prepared.submission.submission_id)
        return Findings(model_ran=True)


class FailingEngine(FixedTimeEngine):
    """Raises what nobody expected for submissions whose title is `poison`."""

    async def judge(self, prepared: Prepared) -> Findings:
        if prepared.submission.text.title == "poison":
            raise ZeroDivisionError("secret detail")
        return await super().judge(prepared)


class BrokenEngine(FixedTimeEngine):
    """Raises what nobody expected while the file at `gate` exists."""

    def __init__(self, gate: Path) -> None:
        super().__init__(0)
        self._gate = gate

    async def judge(self, prepared: Prepared) -> Findings:
        if self._gate.exists():
            raise ZeroDivisionError("secret detail")
        return await super().judge(prepared)


class BusyEngine(FixedTimeEngine):
    """Has no room while the file at `gate` exists."""

    def __init__(self, gate: Path) -> None:
        super().__init__(0)
        self._gate = gate

    def capacity(self) -> Capacity:
        return Capacity(items=0 if self._gate.exists() else 100, bytes=2**40, reason="gpu_memory")


class JitterEngine(FixedTimeEngine):
    """Takes up to `seconds` an ad, so that ads finish out of order."""

    async def judge(self, prepared: Prepared) -> Findings:
        await asyncio.sleep(random.uniform(0, self._seconds))
        return Findings(model_ran=True)


class DeadlyEngine(JitterEngine):
    """Ends its whole process, as the kernel does when memory runs out, for submissions whose title is `poison`."""

    async def judge(self, prepared: Prepared) -> Findings:
        if prepared.submission.text.title == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().judge(prepared)


class ObservedEngine(FixedTimeEngine):
    """Does what a title says. While `folder` has a file `full` there is no room; while it has `hold`, such ads wait."""

    def __init__(self, folder: Path) -> None:
        super().__init__(0)
        self._full = folder / "full"
        self._hold = folder / "hold"

    def capacity(self) -> Capacity:
        return Capacity(items=0 if self._full.exists() else 100, bytes=2**40, reason="gpu_memory")

    async def judge(self, prepared: Prepared) -> Findings:
        match prepared.submission.text.title:
            case "poison":
                raise ZeroDivisionError
            case "block":
                time.sleep(0.5)  # noqa: ASYNC251 - as native code would that holds the event loop
            case "hold":
                while self._hold.exists():  # noqa: ASYNC110 - the file of another process
                    await asyncio.sleep(0.02)
            case "oom":
                raise PermanentError(Reason.OOM_EXHAUSTED, Stage.ADMIT, "scripted")
            case "best":
                evidence = Evidence(source=EvidenceSource.TEXT, quote="best", verified=True)
                found = Violation(
                    rule_id="T1",
                    category="general",
                    severity=Severity.HIGH,
                    gist="scripted",
                    evidence=evidence,
                    detector=Detector.RULES,
                )
                return Findings(violations=(found,), admission_seconds=0.001)
            case "doubt":
                return Findings(ocr_confident=False, admission_seconds=0.001)
        return Findings(model_ran=True, admission_seconds=0.001)


class HeaderEngine(FixedTimeEngine):
    """Is content with what the headers of creatives say."""

    def quote(self, facts: AdFacts) -> Price:
        return Price(bytes=0, needs_pixels=False)


class DeviceEngine(FixedTimeEngine):
    """Reports a device of 1 GiB with as many bytes free as the file at `free` says."""

    def __init__(self, free: Path) -> None:
        super().__init__(0)
        self._free = free

    def capacity_report(self) -> CapacityReport:
        free_bytes = int(self._free.read_text())
        return CapacityReport("test device", 2**30, free_bytes, 1000.0, 10.0, 1.0, ad_seconds=0.5)


class NoReader:
    """Reads nothing: for engines that do not look at words in pictures."""

    crashes = 0
    waiting = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def read(self, pictures: Sequence[Picture]) -> tuple[OcrLine, ...]:
        return ()


ENGINES: dict[str, Callable[[str], FixedTimeEngine]] = {
    "fixed": lambda argument: FixedTimeEngine(float(argument)),
    "header": lambda argument: HeaderEngine(float(argument)),
    "failing": lambda argument: FailingEngine(float(argument)),
    "broken": lambda argument: BrokenEngine(Path(argument)),
    "jitter": lambda argument: JitterEngine(float(argument)),
    "deadly": lambda argument: DeadlyEngine(float(argument)),
    "device": lambda argument: DeviceEngine(Path(argument)),
    "busy": lambda argument: BusyEngine(Path(argument)),
    "observed": lambda argument: ObservedEngine(Path(argument)),
}


def on_arena(settings: Settings, metrics: Metrics) -> Parts:
    """The GPU judge, with OCR, on a device of so many bytes as `tests.gpu.arena` reads from the environment."""
    pack = load_pack(settings.policy.pack)
    words = ScreeningEngine(pack, settings.ocr, settings.flow.max_records)
    process = GpuProcess(settings.gpu, module="tests.gpu.arena_worker")
    engine = GpuEngine(settings.gpu, pack, words, metrics, process)
    return Parts(engine, Decoder(settings.creatives), OcrReader(settings.ocr))


def main(config: str, engine: str, argument: str, plan: str = "", folder: str = "") -> None:
    """Runs the consumer with the named engine until SIGTERM; with `plan`, hurts itself as `Failpoints` does."""
    settings = load(config=Path(config)).settings
    configure(settings.logs)
    reached = Failpoints(Folder(Path(folder)), Plan.parse(plan)).reached if plan else reached_nothing

    def build(chosen: Settings, metrics: Metrics) -> Parts:
        if engine == "arena":
            return on_arena(chosen, metrics)
        decoder = DeadlyDecoder(chosen.creatives) if engine == "deadly" else Decoder(chosen.creatives)
        return Parts(ENGINES[engine](argument), decoder, NoReader())

    asyncio.run(Consumer(settings, build, reached).run())


if __name__ == "__main__":
    main(*sys.argv[1:])
