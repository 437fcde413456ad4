"""A folder with random weights loads like a downloaded model, and the same seed writes the same bytes."""

import hashlib
import json
import unicodedata
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the gpu extra")
pytest.importorskip("dashscope", reason="needs the bench extra")

import torch
from click.testing import CliRunner
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from consumer.cli.bench import bench_group
from consumer.errors import StartRefused
from consumer.inference import model_folder, vocabulary

TEXTS = ["国家级最佳产品，治愈率99%！", "Hello, world's 𠮷 ﬁ 頂級\n\n  x", "a\u0300\u200b🎉", ""]


def _write(folder: Path, seed: int = 0) -> Path:
    model_folder.write("tiny", folder, seed, lambda written, total: None)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("model") / "tiny")


def _hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert _hashes(_write(tmp_path / "again")) == _hashes(folder)
    other = _hashes(_write(tmp_path / "other", seed=1))
    assert {name for name, digest in _hashes(folder).items() if other[name] != digest} == {"model.safetensors"}


def test_every_weight_is_there_and_none_is_left_over(folder: Path) -> None:
    model, report = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.dtype == torch.float32
    assert all(tensor.isfinite().all() and tensor.std() > 0 for tensor in model.state_dict().values())


def test_special_tokens_stand_behind_the_ordinary_ones_in_qwens_order(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.convert_tokens_to_ids(list(vocabulary.SPECIAL_TOKENS))
    assert ids == list(range(8_000, 8_014))
    assert tokenizer.eos_token == "<|im_end|>"
    config = json.loads((folder / "config.json").read_text())
    assert config["image_token_id"] == tokenizer.convert_tokens_to_ids("<|image_pad|>")


@pytest.mark.parametrize("count", [8_000, None])
def test_the_tokenizer_spells_the_ranks_own_encoding(count: int | None, tmp_path: Path) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    ranks = vocabulary.load_ranks(count)
    vocabulary.build_tokenizer(ranks).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    reference = tiktoken.Encoding("reference", pat_str=PATTERN, mergeable_ranks=dict(ranks), special_tokens={})
    for text in TEXTS:
        composed = unicodedata.normalize("NFC", text)  # which Qwen2's tokenizer does first
        ids = tokenizer.encode(text)
        assert ids == reference.encode(composed)
        assert tokenizer.decode(ids) == composed


PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def test_the_processor_loads_and_the_model_answers_a_picture(folder: Path) -> None:
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    content = [{"type": "text", "text": "最佳"}, {"type": "image"}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    pictures = torch.randint(0, 256, (2, 3, 56, 84), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    answers = []
    for picture in pictures:
        inputs = processor(text=[text], images=[picture], return_tensors="pt")
        with torch.no_grad():
            answers.append(model(**inputs).logits[0, -1])
    assert answers[0].isfinite().all()
    assert (answers[0] - answers[1]).abs().max() > 0.01  # what the picture shows matters


def test_a_large_model_is_written_in_shards_that_hold_every_weight_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_folder, "SHARD_BYTES", 300_000)
    seen = []
    made = model_folder.write("tiny", tmp_path / "shards", 0, lambda written, total: seen.append((written, total)))
    shards = sorted(path.name for path in made.folder.glob("*.safetensors"))
    index = json.loads((made.folder / "model.safetensors.index.json").read_text())
    assert len(shards) > 2
    assert set(index["weight_map"].values()) == set(shards)
    assert seen == sorted(seen)
    assert seen[-1] == (made.weight_bytes, made.weight_bytes)
    whole, parts = (AutoModelForImageTextToText.from_pretrained(path).state_dict() for path in (folder, made.folder))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_folder_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(StartRefused, match="not an empty folder"):
        _write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_command_writes_a_model_and_prints_what_it_wrote(tmp_path: Path) -> None:
    ran = CliRunner().invoke(bench_group, ["make-model", "--shape", "tiny", "--json", str(tmp_path / "m")])
    assert ran.exit_code == 0, ran.output
    facts = json.loads(ran.stdout)
    assert facts["weight_bytes"] == 4 * facts["parameters"]
    assert (tmp_path / "m" / "model.safetensors").stat().st_size > facts["weight_bytes"]


def test_without_dashscope_the_command_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(StartRefused, match=r"pip install 'advet\[bench\]'"):
        vocabulary.load_ranks()
