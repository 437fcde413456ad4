"""Patterns of a pack: their shorthand, and the proof that no text can make them slow. Pure.

A pattern is a regular expression for folded text. `{name}` stands for one of the pack's terms. Every repetition has an
upper bound, and the ways in which one pattern can be tried at one place are counted and limited, so that matching stays
linear in the length of a hostile text.
"""

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, Final

MAX_WAYS: Final = 20_000
"""In which one pattern may be tried from one character; (\\d{1,9}){1,9} has 4·10⁸."""
MAX_WAYS_AHEAD: Final = 500
SHOWN_CHARS: Final = 80
WORDS_MAX: Final = 256
SPELLED_MAX: Final = 2_048
FEW: Final = 10
_NOTHING: Final = frozenset({""})
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
        raise ValueError(f"{_short(pattern)} is not a regular expression: {error}") from error
    ways = _ways(tree, pattern)
    if ways > MAX_WAYS:
        raise ValueError(
            f"{_short(pattern)} can be tried in {ways} ways from one place: repeat less within repetitions"
        )


def needed_words(pattern: re.Pattern[str]) -> frozenset[str]:
    """Words in lower case of which every match holds at least one; empty: cannot be told."""
    words = _needed(_sre.parse(pattern.pattern))
    return words if _worth(words)[0] else frozenset()


def spelled_words(pattern: re.Pattern[str]) -> frozenset[str]:
    """What the pattern writes out between its gaps and across those that may be empty, as long as it can.

    (无效|没效)[^,]{0,4}退款 spells 无效, 没效, 退款, 无效退款 and 没效退款.
    """
    return frozenset(_spelled(_sre.parse(pattern.pattern))) - _NOTHING


def _spelled(tree: Iterable[Any]) -> Iterator[str]:
    run: frozenset[str] = _NOTHING
    for op, argument in tree:
        if op in (_op.ASSERT, _op.ASSERT_NOT, _op.AT):
            continue  # nothing is written there
        whole = _whole(op, argument)
        if whole is not None and len(run) * len(whole) <= SPELLED_MAX:
            run = frozenset(head + tail for head in run for tail in whole)
            continue
        yield from run
        if _may_be_empty(op, argument):
            run |= _NOTHING
            continue
        run = whole if whole is not None else _NOTHING
        if whole is None:
            for part in _inside(op, argument):
                yield from _spelled(part)
    yield from run


def _may_be_empty(op: Any, argument: Any) -> bool:
    """Whether it is a gap: a repetition of single characters that may be none."""
    return (
        op in (_op.MAX_REPEAT, _op.MIN_REPEAT)
        and argument[0] == 0
        and [item[0] for item in argument[2]] in ([_op.IN], [_op.NOT_LITERAL], [_op.ANY])
    )


def _inside(op: Any, argument: Any) -> Sequence[Any]:
    if op is _op.BRANCH:
        return list(argument[1])
    if op is _op.SUBPATTERN:
        return [argument[-1]]
    return [argument[2]] if op in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT) else []


def _ways(tree: Iterable[Any], pattern: str) -> int:
    ways: int = prod(_ways_of(op, argument, pattern) for op, argument in tree)
    return ways


def _ways_of(op: Any, argument: Any, pattern: str) -> int:
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT):
        least, most, body = argument
        if most is _op.MAXREPEAT:
            raise ValueError(f"{_short(pattern)} has no upper bound: write {{0,9}} or {{1,9}} instead of * or +")
        once = _ways(body, pattern)
        # one way more than any pattern needs is as good as all of them
        ways: int = most - least + 1 if once == 1 else min(sum(once**n for n in range(least, most + 1)), 10**9)
        return ways
    if op is _op.BRANCH:
        return _ways_of_branches(argument[1], pattern)
    if op is _op.SUBPATTERN:
        return _ways(argument[-1], pattern)
    if op in (_op.ASSERT, _op.ASSERT_NOT):
        if _ways(argument[1], pattern) > MAX_WAYS_AHEAD:
            raise ValueError(f"{_short(pattern)} looks around too widely: repeat less within (?…)")
        return 1  # it is never entered again from behind
    if op in (_op.GROUPREF, _op.GROUPREF_EXISTS):
        raise ValueError(f"{_short(pattern)} refers back to a group; write out what is meant")
    return 1


def _ways_of_branches(branches: Sequence[Any], pattern: str) -> int:
    """Branches that begin with different characters exclude each other: only the others multiply."""
    beginnings = [_beginning(branch) for branch in branches]
    anywhere = sum(beginning is None for beginning in beginnings)
    most = (
        max(beginnings.count(beginning) for beginning in beginnings if beginning is not None) if any(beginnings) else 0
    )
    return (most + anywhere) * max(_ways(branch, pattern) for branch in branches)


def _beginning(branch: Any) -> str | None:
    """The character that a branch must begin with, or None."""
    if not len(branch):
        return None
    op, argument = branch[0]
    return chr(argument) if op is _op.LITERAL else None


def _needed(tree: Iterable[Any]) -> frozenset[str]:
    """The best of what the sequence offers: long words, few of them."""
    offers: list[frozenset[str]] = []
    run: frozenset[str] = _NOTHING
    for op, argument in tree:
        whole = _whole(op, argument)
        if whole is not None and len(run) * len(whole) <= WORDS_MAX:
            run = frozenset(head + tail for head in run for tail in whole)
            continue
        offers += (run, _needed_of(op, argument))
        run = whole if whole is not None else _NOTHING
    return max((*offers, run), key=_worth)


def _worth(offer: frozenset[str]) -> tuple[int, int]:
    return (min(map(len, offer)), -len(offer)) if offer else (0, 0)


def _needed_of(op: Any, argument: Any) -> frozenset[str]:
    if op is _op.BRANCH:
        offers = [_needed(branch) for branch in argument[1]]
        return frozenset().union(*offers) if all(_worth(offer)[0] for offer in offers) else _NOTHING
    if op is _op.SUBPATTERN:
        return _needed(argument[-1])
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT, _op.POSSESSIVE_REPEAT) and argument[0] > 0:
        return _needed(argument[2])
    return _NOTHING


def _whole(op: Any, argument: Any) -> frozenset[str] | None:
    """All that an item can match, if that is a handful of words."""
    if op is _op.LITERAL:
        return frozenset({chr(argument).lower()})
    if op is _op.IN and all(item[0] is _op.LITERAL or _few(*item) for item in argument):
        codes = (range(code[0], code[1] + 1) if kind is _op.RANGE else (code,) for kind, code in argument)
        return frozenset(chr(code).lower() for several in codes for code in several)
    if op is _op.BRANCH:
        wholes = [_whole_sequence(branch) for branch in argument[1]]
        found = [whole for whole in wholes if whole is not None]
        return frozenset().union(*found) if len(found) == len(wholes) else None
    if op is _op.SUBPATTERN:
        return _whole_sequence(argument[-1])
    if op in (_op.MAX_REPEAT, _op.MIN_REPEAT) and argument[:2] == (0, 1):
        whole = _whole_sequence(argument[2])
        return None if whole is None else whole | _NOTHING
    return None


def _few(kind: Any, bounds: Any) -> bool:
    """Whether it is a range such as 1-9."""
    return kind is _op.RANGE and bounds[1] - bounds[0] < FEW


def _whole_sequence(tree: Iterable[Any]) -> frozenset[str] | None:
    words = _NOTHING
    for op, argument in tree:
        whole = _whole(op, argument)
        if whole is None or len(words) * len(whole) > WORDS_MAX:
            return None
        words = frozenset(head + tail for head in words for tail in whole)
    return words


def _short(pattern: str) -> str:
    return repr(pattern if len(pattern) <= SHOWN_CHARS else pattern[:SHOWN_CHARS] + "…")
