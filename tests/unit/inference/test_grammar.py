"""The schemas of answers: complete for every category, small, and within what the mask maker understands."""

import json
import random

import pytest
from jsonschema import Draft202012Validator, ValidationError

from consumer.inference import grammar, prompt
from consumer.policy.pack import load_pack
from schemas import Category
from tests.unit.inference.words import answer, found

PACK = load_pack()
GRAMMARS = prompt.grammars(PACK)


def _valid(text: str, category: str = "drug_otc") -> bool:
    try:
        Draft202012Validator(GRAMMARS[category]).validate(json.loads(text))
    except ValidationError:
        return False
    return True


def test_every_category_has_a_valid_schema_without_what_llguidance_refuses() -> None:
    assert set(GRAMMARS) == {category.value for category in Category}
    for schema in GRAMMARS.values():
        Draft202012Validator.check_schema(schema)
        assert "uniqueItems" not in json.dumps(schema)
    assert len(json.dumps(GRAMMARS)) < 100_000  # all of them travel in one message


@pytest.mark.parametrize(
    "wrong",
    [
        found("Z99", "T1", "x"),
        found("H02", "T1", "x"),  # a missing statement is not the model's to find
        found("G01", "T0", "x"),
        found("G01", "X1", "x"),
        found("G01", "I00", "x"),
        found("G01", "T1", "x" * 41),
        found("G01", "T1", 'a"b'),
        found("G01", "T1", "a\\b"),
        found("G01", "T1", "a\nb"),
        found("G01", "I0", "x", 1, 2, 3),
        found("G01", "I0", "x", 1, 2, 3, 1001),
        found("G01", "I0", "x") | {"severity": "low"},
    ],
)
def test_what_the_schema_forbids(wrong: dict[str, object]) -> None:
    assert not _valid(answer(wrong))


def test_what_the_schema_allows() -> None:
    good = [found("G01", "T1", "最佳"), found("M01", "I12-L340", "x" * 40), found("G03", "I0", "", 0, 1, 999, 1000)]
    assert _valid(answer(*good))
    assert _valid(answer(*good, *good))
    assert not _valid(answer(*good, *good, *good))
    assert not _valid(answer(decision="unknown"))
    assert not _valid(answer(found("G14", "T1", "包过")))  # a rule of another category
    assert _valid(answer(found("G14", "T1", "包过"), category="education"), "education")


def test_a_random_writer_under_the_masks_always_writes_a_valid_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("torch", reason="needs the gpu extra")
    llguidance = pytest.importorskip("llguidance", reason="needs the gpu extra")
    from llguidance.hf import from_tokenizer

    from consumer.inference import vocabulary

    tokenizer = vocabulary.build_tokenizer(vocabulary.load_ranks(8_000))
    masks = from_tokenizer(tokenizer, n_vocab=8_064)
    draw = random.Random(5)
    for category, schema in GRAMMARS.items():
        matcher = llguidance.LLMatcher(masks, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)))
        assert not matcher.get_error()
        ids: list[int] = []
        while not matcher.is_stopped():
            mask = matcher.compute_bitmask()
            allowed = [token for token in range(8_064) if mask[token // 8] >> token % 8 & 1]
            token = draw.choice(allowed)
            assert matcher.consume_token(token)
            ids.append(token)
        text = tokenizer.decode([token for token in ids if token < 8_000])
        assert _valid(text, category), text
        assert ": " not in text.split('"quote"')[0]


def test_the_longest_answer_fits_its_share_of_tokens() -> None:
    """Measured with Qwen2's whole vocabulary: six full quotes of Chinese leave room in 512 tokens."""
    pytest.importorskip("torch", reason="needs the gpu extra")
    from consumer.inference import vocabulary

    tokenizer = vocabulary.build_tokenizer(vocabulary.load_ranks())
    quote = "本品采用国际领先技术三天见效七天根治永不复发无效全额退款专家推荐患者信赖国家级品质保证"[:40]
    longest = answer(*[found("M01", "I10-L123", quote, 100, 200, 900, 1000)] * grammar.MAX_VIOLATIONS)
    assert len(tokenizer.encode(longest)) <= 512
