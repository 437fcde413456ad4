"""The evaluation in small: 150 ads, chosen evenly, rendered and read by the real OCR, judged by the real engine."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from consumer.evaluation.copy import load_copy
from consumer.evaluation.evaluate import evaluate
from consumer.evaluation.generator import generate
from consumer.evaluation.items import IMAGES, ITEMS, stratified, write_items
from consumer.evaluation.render import render
from consumer.evaluation.report import ALWAYS_REJECT, ALWAYS_REVIEW, EVERY_PART, OCR, TEXT, Report
from consumer.policy.pack import load_pack
from consumer.settings import OcrSettings

ADS = 150
AMONG = 600
SEED = 8
OCR_SETTINGS = OcrSettings(workers=2, threads=1)


def value(report: Report, judge: str, score: str, part: str = EVERY_PART, set_name: str = "A") -> float:
    (group,) = (one for one in report.groups if (one.set, one.part, one.judge) == (set_name, part, judge))
    return group.scores[score].value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("set")
    (made / IMAGES).mkdir()
    items = stratified(tuple(generate(load_copy(), AMONG, SEED)), ADS)
    for item in items:
        render(item, made)
    write_items(items, made / ITEMS)
    return made


@pytest.fixture(scope="module")
def report(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    from consumer.evaluation.items import read_set

    judge = partial(evaluate, read_set(folder), folder, load_pack(), OCR_SETTINGS, tmp_path_factory.mktemp("cache"))
    first = asyncio.run(judge(lambda _done, _total: None))
    again = asyncio.run(judge(lambda _done, _total: None))
    assert again == first  # the second time from the cache: OCR did not run, and nothing is left to chance
    return first


def test_every_picture_is_read_and_every_ad_judged(report: Report) -> None:
    assert report.facts["items"] == ADS
    assert report.unread == ()


def test_the_rules_hold_on_words_as_they_are_written(report: Report) -> None:
    missed = [bar for bar in report.bars if bar.name.endswith("on gold text") and bar.passed is False]
    assert missed == []
    assert value(report, TEXT, "evidence_verified") == 1
    assert value(report, TEXT, "quotes_agree") >= 0.9


def test_disguise_costs_a_part(report: Report) -> None:
    assert value(report, TEXT, "decision_f1") >= 0.80  # a third of these ads are in disguise


def test_the_rules_are_better_than_judges_that_look_at_nothing(report: Report) -> None:
    for baseline in (ALWAYS_REJECT, ALWAYS_REVIEW):
        assert value(report, OCR, "decision_f1") > value(report, baseline, "decision_f1") + 0.2


def test_ocr_costs_little(report: Report) -> None:
    bars = {bar.name: bar for bar in report.bars}
    assert bars["drop of decision F1 by OCR"].passed
    assert value(report, OCR, "boxes_hit") >= 0.8


def test_what_only_a_model_can_judge_is_apart(report: Report) -> None:
    assert value(report, TEXT, "decision_f1", set_name="B") < value(report, TEXT, "decision_f1")
    assert not any(miss.set == "B" and miss.item.startswith("a") for miss in report.misses)
