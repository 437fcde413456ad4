"""Patterns of a pack: their shorthand, and the proof that no text can make them slow. Pure.

A pattern is a regular expression for folded text. `{name}` stands for one of the pack's terms. Every repetition has an
upper bound, and the ways in which one pattern can be tried at one place are counted and limited, so that matching stays
linear in the length of a hostile text.
"""

import importlib
import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Final

MAX_WAYS: Final = 20_000
"""In which one pattern may be tried from one character; (\\d{1,9}){1,9} has 4·10⁸."""
MAX_WAYS_AHEAD: Final = 500
MAX_SET: Final = 24
_TERM: Final = re.compile(r"\{([a-z]+)\}")

# sre_parse, its documented name, is deprecated without a successor; the tree has been the same since 3.6
_sre: Any = importlib.import_module("re._parser")
_op: Any = importlib.import_module("re._constants")


def expand(pattern: str, terms: Mapping[str, str]) -> str:
    """Replaces each {name} by the term's pattern; raises ValueError for an unknown one."""

    def term(match: re.Match[str]) -> str:
        if match[1] not in terms:
            raise ValueError(f"{pattern!r} uses {match[0]}, which is none of the pack's terms: {', '.join(terms)}")
        return f"(?:{terms[match[1]]})"

    return _TERM.sub(term, pattern)


def check_pattern(pattern: str) -> None:
    """Raises ValueError unless the expanded pattern compiles and is quick on every text."""
    try:
        tree = _sre.parse(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    ways = _ways(tree, pattern)
    if ways > MAX_WAYS:
        raise ValueError(f"{pattern!r} can be tried in {ways} ways from one place: repeat less within repetitions")


def needed_characters(pattern: re.Pattern[str]) -> frozenset[str]:
    """Characters of which every match holds at least one; empty: cannot be told."""
    return _needed(_sre.parse(pattern.pattern))


def _ways(tree: Iterable[Any], pattern: str) -> int:
    ways: int = prod(_ways_of(op, argument, pattern) for op, argument in tree)
    return ways


def _ways_of(op: Any, argument: Any, pattern: str) -> int:
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT):
        least, most, body = argument
        if most is _op.MAXREPEAT:
            raise ValueError(f"{pattern!r} has no upper bound: write {{0,9}} or {{1,9}} instead of * or +")
        once = _ways(body, pattern)
        # one way more than any pattern needs is as good as all of them
        ways: int = most - least + 1 if once == 1 else min(sum(once**n for n in range(least, most + 1)), 10**9)
        return ways
    if op is _op.BRANCH:
        return sum(_ways(branch, pattern) for branch in argument[1])
    if op is _op.SUBPATTERN:
        return _ways(argument[-1], pattern)
    if op in (_op.ASSERT, _op.ASSERT_NOT):
        if _ways(argument[1], pattern) > MAX_WAYS_AHEAD:
            raise ValueError(f"{pattern!r} looks around too widely: repeat less within (?…)")
        return 1  # it is never entered again from behind
    if op in (_op.GROUPREF, _op.GROUPREF_EXISTS):
        raise ValueError(f"{pattern!r} refers back to a group; write out what is meant")
    return 1


def _needed(tree: Iterable[Any]) -> frozenset[str]:
    """The smallest set that one item of the sequence offers."""
    offers = [offer for op, argument in tree if (offer := _needed_of(op, argument))]
    return min(offers, key=len, default=frozenset())


def _needed_of(op: Any, argument: Any) -> frozenset[str]:
    if op is _op.LITERAL:
        return frozenset(chr(argument).lower())
    if op is _op.IN and all(item[0] is _op.LITERAL for item in argument) and len(argument) <= MAX_SET:
        return frozenset(chr(code).lower() for _, code in argument)
    if op is _op.BRANCH:
        offers = [_needed(branch) for branch in argument[1]]
        return frozenset().union(*offers) if all(offers) else frozenset()
    if op is _op.SUBPATTERN:
        return _needed(argument[-1])
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT) and argument[0] > 0:
        return _needed(argument[2])
    return frozenset()
