"""How fast the CPU judge is: the rules on one core, and whole ads with a picture through OCR on two.

    python -m benchmarks.screening [--seconds 2] [--ads 68] [--json]

Hard texts are the shipped pack's own examples, put together to about 80 characters: half of them hold a violation, the
others nearly do, which is far from any real stream. Ordinary ones are the evaluation's lawful copy, one in twenty with
a violation. Each is different. CPU time of this process is counted, but a core that shares its units with a busy one is
slower by a third or more. A text judged is folded, searched by all rules of its category and asked for its mandatory
statements.

Ads with a picture go the whole way from pixels: the demo's pictures, 1,000 pixels on the longer side, read by two OCR
processes of one thread each and judged by the engine. The rate by the clock is true on a quiet machine only; pictures a
core are counted in CPU seconds of the OCR processes.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from PIL import Image

from consumer.demo.ads import PICTURES
from consumer.engine import Prepared, Price
from consumer.evaluation.copy import Copy, CopySet, Role, load_copy
from consumer.messages import MemoryFile, Picture
from consumer.policy.pack import PolicyPack, load_pack
from consumer.screening.engine import Screening, ScreeningEngine
from consumer.screening.ocr import OcrReader
from consumer.settings import OcrSettings
from schemas import AdSubmission, AdText, Category
from schemas.submission import Advertiser

TEXT_CHARS = 80
TEXTS = 2_000
SEED = 8
LENGTHS = (80, 800, 8_000, 80_000, 200_000)
LEXICON_FACTORS = (1, 4, 16)
OCR = OcrSettings(workers=2, threads=1)
LONGER_SIDE_PX = 1_000
CATEGORIES = (Category.GENERAL, Category.FOOD, Category.DRUG_OTC, Category.HEALTH_FOOD, Category.FINANCE)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time spent on each figure")
    parser.add_argument("--ads", type=int, default=68, help="ads with a picture; 0: none is read")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pack = load_pack()
    report = measure(pack, options.seconds) | {"with_ocr": asyncio.run(read(pack, options.ads)) if options.ads else {}}
    if options.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return
    for kind in ("hard", "ordinary"):
        for category, rate in report[f"{kind}_texts_per_second"].items():
            print(f"{category:>12}  {rate:>8,.0f} {kind} texts/s of about {TEXT_CHARS} characters")
    for chars, spent in report["microseconds_per_character_by_length"].items():
        print(f"{chars:>12,} characters at once: {spent:.2f} µs a character")
    for factor, spent in report["microseconds_per_text_by_lexicon"].items():
        print(f"{factor:>11}× the lexicon: {spent:.0f} µs a text")
    if found := report["with_ocr"]:
        print(f"{found['ads_per_second']:.2f} ads/s with a picture of {LONGER_SIDE_PX} px, by the clock")
        print(f"{found['pictures_per_cpu_second']:.2f} pictures/s a core, by CPU time")


def measure(pack: PolicyPack, seconds: float) -> dict[str, Any]:
    """All figures; each is the median of five parts of `seconds` of CPU time."""
    screening = _screening(pack)
    rates = {category.value: 1e6 / _spent(screening, _ads(pack, category), seconds) for category in CATEGORIES}
    copy = load_copy(pack=pack)
    ordinary = {
        category.value: 1e6 / _spent(screening, _ordinary_ads(copy, category), seconds) for category in CATEGORIES
    }
    lengths = {
        chars: _spent(screening, _ads(pack, Category.DRUG_OTC, chars, max(2, 20_000 // chars)), seconds) / chars
        for chars in LENGTHS
    }
    lexicons = {
        factor: _spent(_screening(_larger(pack, factor)), _ads(pack, Category.GENERAL), seconds)
        for factor in LEXICON_FACTORS
    }
    return {
        "policy": pack.version,
        "hard_texts_per_second": rates,
        "ordinary_texts_per_second": ordinary,
        "microseconds_per_character_by_length": lengths,
        "microseconds_per_text_by_lexicon": lexicons,
    }


async def read(pack: PolicyPack, count: int) -> dict[str, float]:
    """Ads with one picture each from pixels to findings, as many at a time as there are OCR processes."""
    pictures = [_picture(path) for path in sorted(PICTURES.iterdir())]
    engine, reader = ScreeningEngine(pack, OCR, OCR.workers), OcrReader(OCR)
    places = asyncio.Semaphore(OCR.workers)

    async def judge(picture: Picture) -> None:
        async with places:
            lines = await reader.read([picture])
            ad = _ad(Category.GENERAL, 0, "新品上市")
            await engine.judge(Prepared(ad, (picture,), lines, Price(bytes=0)))

    await reader.start()
    try:
        await asyncio.gather(*map(judge, pictures[: OCR.workers]))
        pids, cpu, start = reader.pids, _cpu_seconds(reader.pids), perf_counter()
        await asyncio.gather(*map(judge, islice(cycle(pictures), count)))
        seconds = perf_counter() - start
        cpu = _cpu_seconds(pids) - cpu
    finally:
        await reader.close()
        await engine.close()
    return {"ads": count, "ads_per_second": count / seconds, "pictures_per_cpu_second": count / cpu}


def _picture(path: Path) -> Picture:
    with Image.open(path) as image:
        image.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX))
        pixels = image.convert("RGB")
    return Picture(path.name, "", pixels.width, pixels.height, MemoryFile.of("pixels", pixels.tobytes()))


def _cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _screening(pack: PolicyPack) -> Screening:
    return Screening(pack, OcrSettings())


def _ads(pack: PolicyPack, category: Category, chars: int = TEXT_CHARS, count: int = TEXTS) -> list[AdSubmission]:
    """Different ads of about `chars` characters, half of them with a violation."""
    draw = random.Random(SEED)
    rules = pack.rules_for(category)
    lawful = [phrase for rule in rules for phrase in rule.traps]
    unlawful = [phrase for rule in rules for phrase in rule.positives]
    ads = []
    for number in range(count):
        parts = [draw.choice(unlawful)] if number % 2 else []
        while sum(map(len, parts)) < chars:
            parts.append(draw.choice(lawful))
        draw.shuffle(parts)
        ads.append(_ad(category, number, ",".join(parts)[: chars - 6] + f"{number:06}"))
    return ads


def _ordinary_ads(copy: Copy, category: Category) -> list[AdSubmission]:
    """The same of lawful copy; every twentieth has a violation."""
    draw = random.Random(SEED)
    product = copy.products_of(category)[0]
    words = {
        role: [
            phrase.about(product).text
            for phrase in copy.phrases
            if phrase.role is role and phrase.set is CopySet.A and category in phrase.categories
        ]
        for role in (Role.CLEAN, Role.NOTICE, Role.VIOLATION)
    }
    ads = []
    for number in range(TEXTS):
        parts = [draw.choice(words[Role.VIOLATION])] if number % 20 == 0 else []
        while sum(map(len, parts)) < TEXT_CHARS:
            parts.append(draw.choice(words[Role.CLEAN] + words[Role.NOTICE]))
        draw.shuffle(parts)
        ads.append(_ad(category, number, ",".join(parts)[: TEXT_CHARS - 6] + f"{number:06}"))
    return ads


def _ad(category: Category, number: int, body: str) -> AdSubmission:
    return AdSubmission(
        submission_id=str(number),
        revision=0,
        advertiser=Advertiser(id="bench"),
        category=category,
        text=AdText(body=body),
        submitted_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def _spent(screening: Screening, ads: list[AdSubmission], seconds: float) -> float:
    """Microseconds of CPU an ad."""
    return statistics.median(_rate(lambda ad: screening.judge(ad, ()), ads, seconds / 5) for _ in range(5))


def _rate(judge: Callable[[AdSubmission], object], ads: list[AdSubmission], seconds: float) -> float:
    judged = 0
    start = process_time()
    while (spent := process_time() - start) < seconds or not judged:
        judge(ads[judged % len(ads)])
        judged += 1
    return spent / judged * 1e6 if spent else seconds / judged * 1e6


def _larger(pack: PolicyPack, factor: int) -> PolicyPack:
    """The pack with `factor` times as many words; the further ones occur in no ad."""
    if factor == 1:
        return pack
    rules = []
    for number, rule in enumerate(pack.rules):
        further = [f"龘{number}龖{copy}{word}" for copy in range(factor - 1) for word in rule.lexicon]
        rules.append(rule.model_copy(update={"lexicon": (*rule.lexicon, *further)}))
    return pack.model_copy(update={"rules": tuple(rules)})


if __name__ == "__main__":
    main()
