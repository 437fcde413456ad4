"""How fast the rules are on one core, and what the length of a text and the size of the lexicon do to that.

    python -m benchmarks.screening [--seconds 2] [--json]

Texts are the shipped pack's own examples, put together to about 80 characters: half of them hold a violation, which is
far more than in a real stream, and each is different. CPU time of this process is counted, so a busy machine hardly
matters. A text judged is folded, searched by all rules of its category and asked for its mandatory statements.
"""

import argparse
import json
import random
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time
from typing import Any

from consumer.policy.pack import PolicyPack, load_pack
from consumer.screening.engine import Screening
from consumer.settings import OcrSettings
from schemas import AdSubmission, AdText, Category
from schemas.submission import Advertiser

TEXT_CHARS = 80
TEXTS = 2_000
SEED = 8
LENGTHS = (80, 800, 8_000, 80_000, 200_000)
LEXICON_FACTORS = (1, 4, 16)
CATEGORIES = (Category.GENERAL, Category.FOOD, Category.DRUG_OTC, Category.HEALTH_FOOD, Category.FINANCE)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time spent on each figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = measure(load_pack(), options.seconds)
    if options.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return
    for category, rate in report["texts_per_second"].items():
        print(f"{category:>12}  {rate:>8,.0f} texts/s of about {TEXT_CHARS} characters")
    for chars, spent in report["microseconds_per_character_by_length"].items():
        print(f"{chars:>12,} characters at once: {spent:.2f} µs a character")
    for factor, spent in report["microseconds_per_text_by_lexicon"].items():
        print(f"{factor:>11}× the lexicon: {spent:.0f} µs a text")


def measure(pack: PolicyPack, seconds: float) -> dict[str, Any]:
    """All figures; each is the median of five parts of `seconds` of CPU time."""
    screening = _screening(pack)
    rates = {category.value: 1e6 / _spent(screening, _ads(pack, category), seconds) for category in CATEGORIES}
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
        "texts_per_second": rates,
        "microseconds_per_character_by_length": lengths,
        "microseconds_per_text_by_lexicon": lexicons,
    }


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
