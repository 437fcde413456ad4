"""JSON without its ambiguities: what two parsers could read differently is refused. Pure, no recursion.

Stands before every model: `codec` and `cloudevents` read bytes of strangers only through here. Duplicate
keys, NaN and Infinity, numbers beyond a double, lone surrogates and deep nesting never reach a model. Nor does
a megabyte of empty lists: it would hold the event loop for a second.
"""

import json
import math
import sys
from typing import Any

import pydantic_core

DEPTH_MAX = 32
BRACKETS_MAX = 10_000
NAME_SHOWN_CHARS = 64
INTEGER_CHARS_MAX = sys.float_info.max_10_exp


class NotStrictJson(ValueError):
    """The bytes are not JSON, or are JSON that readers could understand differently."""


def loads(data: bytes) -> object:
    """The document in `data` (UTF-8); raises NotStrictJson with a short message that echoes no long value."""
    brackets = data.count(b"[") + data.count(b"{")
    if brackets > BRACKETS_MAX:
        raise NotStrictJson(f"more than {BRACKETS_MAX} opening brackets and braces")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from error
    try:
        # The Rust parser bounds its own recursion and refuses lone surrogates and control characters; the
        # standard library's, which alone shows duplicate keys, then meets nothing that overflows its stack.
        pydantic_core.from_json(data, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise NotStrictJson(_in_our_words(str(error))) from error
    document: object = _DECODER.decode(text)
    if brackets > DEPTH_MAX:
        _check_depth(document)
    return document


def raw_member(data: bytes, name: str) -> bytes:
    """The exact bytes of one member's value; `data` is an object that `loads` has accepted."""
    text = data.decode()
    decoder = json.JSONDecoder()
    at = _skip_blank(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        start = _skip_blank(text, text.index(":", at) + 1)
        _, at = decoder.raw_decode(text, start)
        if key == name:
            return text[start:at].encode()
        at = _skip_blank(text, at)
        if text[at] == ",":
            at = _skip_blank(text, at + 1)
    raise KeyError(name)


def _in_our_words(message: str) -> str:
    """The parser's message, clearer where its own wording hides what the sender did."""
    if message.startswith("recursion limit"):
        return f"nested deeper than {DEPTH_MAX} levels"
    if "hex escape" in message:
        return f"not valid JSON: incomplete escape or lone surrogate ({message})"
    return f"not valid JSON: {message}"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = json.dumps(name[:NAME_SHOWN_CHARS], ensure_ascii=False)
                raise NotStrictJson(f"the key {shown} appears twice in one object; send it once")
            seen.add(name)
    return members


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise NotStrictJson("a number is too large for a double")
    return number


def _bounded(literal: str) -> int:
    if len(literal) > INTEGER_CHARS_MAX:
        raise NotStrictJson("a number is too large for a double")
    return int(literal)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_int=_bounded)


def _check_depth(document: object) -> None:
    level = [document]
    for _ in range(DEPTH_MAX):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise NotStrictJson(f"nested deeper than {DEPTH_MAX} levels")


def _children(node: object) -> list[object]:
    within = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in within if isinstance(child, dict | list)]


def _skip_blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at
