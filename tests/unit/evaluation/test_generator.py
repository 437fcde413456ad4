"""The evaluation's ads: the same for the same seed, right about themselves, and of every sort."""

import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from consumer.evaluation.assembly import CopyIncomplete
from consumer.evaluation.copy import Copy, load_copy
from consumer.evaluation.generator import generate, write_set
from consumer.evaluation.gold import DEMANDED, MEDIUM, PAPERS
from consumer.evaluation.items import read_set, stratified
from consumer.evaluation.perturbations import PICTURE, STRENGTHS, TEXT
from consumer.policy.pack import load_pack
from schemas import Category, Decision, Media, Severity
from tests.unit.evaluation.small_copy import COPY


@pytest.fixture(scope="module")
def items():
    """The default set, without its pictures' files."""
    return tuple(generate(load_copy(), 1200, seed=0))


def _words(item, where):
    if where == "text":
        return f"{item.title}\n{item.body}"
    return "".join(line.text for line in item.pictures[where].lines)


def test_same_seed_same_items_another_seed_others():
    first = list(generate(COPY, 40, seed=1))
    assert first == list(generate(COPY, 40, seed=1))
    assert first != list(generate(COPY, 40, seed=2))
    assert first[:10] == list(generate(COPY, 10, seed=1))


def test_same_seed_same_bytes_in_another_process(tmp_path):
    program = (
        "import sys; from pathlib import Path; from consumer.evaluation.generator import write_set;"
        "write_set(Path(sys.argv[1]), 12, 5)"
    )
    digests = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        subprocess.run(
            [sys.executable, "-c", program, folder], check=True, timeout=120, env={"PYTHONHASHSEED": hash_seed}
        )
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert digests[0] == digests[1]
    assert len(digests[0]) > 6


def test_a_set_is_read_back_as_it_was_written(tmp_path):
    heard = []
    written = write_set(tmp_path, 15, 3, lambda done, of: heard.append((done, of)))
    assert read_set(tmp_path) == written
    assert heard == [(done, 15) for done in range(1, 16)]


def test_ids_are_unique_and_twins_share_all_but_the_disguise(items):
    assert len({item.id for item in items}) == len(items) == 1200
    by_id = {item.id: item for item in items}
    twins = [item for item in items if item.perturbation]
    assert len(twins) > 400
    for twin in twins:
        base = by_id[twin.id.partition("~")[0]]
        assert base.perturbation is None
        assert base.strength == 0
        for field in ("template", "set", "part", "kind", "category", "metadata", "gold_rules", "decision"):
            assert getattr(twin, field) == getattr(base, field), field
        assert [one.design.layout for one in twin.pictures] == [one.design.layout for one in base.pictures]
        if twin.perturbation in TEXT:
            assert (twin.title, twin.body, twin.pictures) != (base.title, base.body, base.pictures)


def test_quotes_are_in_the_ad_and_marked_in_its_lines(items):
    for item in items:
        for quote in item.quotes:
            assert quote.text
            assert quote.rule in item.gold_rules
            shown = _words(item, quote.where)
            # a line begins and ends without spaces, so one at the break is lost
            assert quote.text in shown or quote.text.replace(" ", "") in shown.replace(" ", ""), item.id
            if quote.where != "text":
                lines = [one for one in item.pictures[quote.where].lines if quote.rule in one.rules]
                marked = "".join(one.text for one in lines).replace(" ", "")
                assert quote.text.replace(" ", "") in marked, item.id


def test_boxes_are_inside_their_picture(items):
    for item in items:
        for picture in item.pictures:
            assert picture.lines
            for line in picture.lines:
                x0, y0, x1, y1 = line.box
                assert 0 <= x0 < x1 <= picture.width, (item.id, line)
                assert 0 <= y0 < y1 <= picture.height, (item.id, line)


def test_an_item_says_something_and_its_kind_is_what_it_is(items):
    for item in items:
        assert item.pictures or item.body
        lawful = item.kind in ("trap", "clean", "split_notice")
        assert (item.decision is Decision.APPROVE) == lawful == (not item.gold_rules), item.id
        if item.kind == "multi":
            assert len(item.template.split("+")) > 1
            assert len(item.gold_rules) > 1
        if item.kind == "trap":
            assert item.near
        if item.kind == "split_notice":
            assert len(item.pictures) > 1


def test_every_kind_rule_category_layout_and_disguise_occurs(items):
    words = [item for item in items if item.set == "A"]
    cells = Counter((item.perturbation, item.strength) for item in words)
    assert set(cells) == {(None, 0)} | {(name, strength) for name in (*TEXT, *PICTURE) for strength in STRENGTHS}
    assert min(cells.values()) >= 10
    assert {item.kind for item in words} == {"violation", "trap", "clean", "multi", "split_notice", "missing"}
    assert {item.category for item in words} == set(Category)
    expressible = {one.id for one in load_pack().rules if one.lexical or one.required or one.papers}
    assert expressible <= {rule for item in words for rule in item.gold_rules}
    designs = [picture.design for item in items for picture in item.pictures]
    assert len({one.layout for one in designs}) >= 5
    assert len({one.weight for one in designs}) == 3
    carriers = Counter((bool(item.body), bool(item.pictures)) for item in items)
    assert min(carriers[True, True], carriers[True, False], carriers[False, True]) > 100


def test_what_is_held_out_stays_out_of_the_rest(items):
    copy = load_copy()
    spoken = defaultdict(set)
    for phrase in copy.phrases:
        for category in phrase.categories:
            spoken[phrase.part].update(phrase.about(one).text for one in copy.products_of(category))
    only_held_out = spoken["held_out"] - spoken["tune"]
    for item in items:
        if item.part == "tune" and not item.perturbation:
            passages = {one.text for picture in item.pictures for one in picture.design.passages}
            assert only_held_out.isdisjoint({*item.body.split("\n"), *passages}), item.id


def test_regulated_ads_show_their_notices_unless_that_is_the_fault(items):
    notices = defaultdict(list)
    for one in load_copy().phrases:
        if one.role == "notice":
            notices[one.rules].append(one.text)
    for item in items:
        if item.perturbation or item.set == "B":
            continue
        shown = "\n".join((item.body, *(passage.text for one in item.pictures for passage in one.design.passages)))
        for rule in DEMANDED.get(item.category, ()):
            there = any(text in shown for rules, texts in notices.items() if rule in rules for text in texts)
            if rule not in item.gold_rules:
                assert there, (item.id, rule)
            elif rule not in PAPERS and rule != "G15":
                assert not there, (item.id, rule)


def test_gold_agrees_with_the_pack_on_gravity():
    """The labels are written apart from the pack; where the two part, one of them is wrong."""
    pack = {rule.id: rule for rule in load_pack().rules}
    grave = {name for name, rule in pack.items() if rule.severity in (Severity.CRITICAL, Severity.HIGH)}
    assert set(pack) - grave - PAPERS == MEDIUM
    for category, rules in DEMANDED.items():
        for rule in rules:
            assert pack[rule].applies_to(category)
            assert pack[rule].required


def test_prescription_drugs_run_where_they_may(items):
    for item in items:
        if item.category is Category.DRUG_RX:
            assert ("D01" in item.gold_rules) == (item.metadata.media is not Media.PROFESSIONAL)


def test_a_part_of_a_set_keeps_what_is_rare(items):
    some = stratified(items, 150)
    assert len(some) == len({item.id for item in some}) == 150
    assert {item.kind for item in some} == {item.kind for item in items}
    assert {item.category for item in some} == {item.category for item in items}
    assert {item.set for item in some} == {item.set for item in items}
    assert {(one.perturbation, one.strength) for one in some} == {(one.perturbation, one.strength) for one in items}
    provable = {rule for one in items if one.set == "A" for rule in one.gold_rules}
    assert provable <= {rule for one in some for rule in one.gold_rules}
    assert min(Counter(item.kind for item in some).values()) >= 5
    assert stratified(items, 5000) == items


def test_copy_without_a_notice_is_refused_with_what_to_add():
    poor = Copy(tuple(one for one in COPY.phrases if one.id != "n3"), COPY.products)
    with pytest.raises(CopyIncomplete, match="no notice satisfies M12; add one"):
        list(generate(poor, 30, seed=0))
    with pytest.raises(CopyIncomplete, match="no phrases of set A"):
        list(generate(replace(COPY, phrases=()), 1, seed=0))


def test_pictures_of_set_b_show_their_scene():
    scenes = {one.design.scene for item in generate(COPY, 60, seed=0) if item.set == "B" for one in item.pictures}
    assert scenes == {"doctor"}
