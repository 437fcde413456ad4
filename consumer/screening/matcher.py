"""Finding a pack's words in an ad: one automaton for all lexicons, then each rule's patterns and exceptions.

Pure once built. The statements that the law itself demands are masked first (they contain 治疗 and 药物), then
each rule's exceptions, so that neither can be part of a hit. Only rules of a lexical kind find anything here.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ahocorasick_rs import AhoCorasick

from consumer.errors import StartRefused
from consumer.policy.pack import PolicyPack, Rule
from consumer.screening.normalise import SENTENCE_END, Folded, fold, fold_pattern
from consumer.screening.quotes import Source
from schemas import Category, Media

MAX_HITS_PER_RULE: Final = 10
"""In one ad: a word repeated a thousand times is one finding for the reader."""
_GUARD_CHARS: Final = 12
_NEGATED: Final = re.compile(
    "(?<!无)(?<!没有)(?<!无一)(?<!得)"
    "(不|无|无法|没有|并非|非|未|勿|禁止)"
    "(能|得|可|会|是|用于|能用于|可用于|具有|具备|涉及|进行|作为|宣称|保证|代替|替代|任何|含有?)?$"
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """Words of a rule in `source.text[start:end]`."""

    rule: Rule
    source: Source
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    regexes: tuple[re.Pattern[str], ...]
    exceptions: tuple[re.Pattern[str], ...]
    unless_shown: tuple[re.Pattern[str], ...]


def compile_patterns(patterns: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """The patterns for folded text."""
    return tuple(map(fold_pattern, patterns))


class Matcher:
    """A pack's lexical rules, compiled."""

    def __init__(self, pack: PolicyPack) -> None:
        self._rules = tuple(
            _Compiled(
                rule,
                compile_patterns(rule.regex),
                compile_patterns(rule.exceptions),
                compile_patterns(rule.unless_shown),
            )
            for rule in pack.rules
            if rule.lexical
        )
        self._masks = compile_patterns(demand.pattern for rule in pack.rules for demand in rule.required)
        owners: dict[str, list[str]] = defaultdict(list)
        for compiled in self._rules:
            for word in compiled.rule.lexicon:
                owners[fold(word).text].append(compiled.rule.id)
        self._words = tuple(owners)
        self._owners = tuple(map(frozenset, owners.values()))
        self._automaton = AhoCorasick(self._words)

    def hits(self, sources: Sequence[Source], category: Category, media: Media) -> tuple[Hit, ...]:
        """What the ad's words violate, in the order of the pack, without repeats."""
        applying = [
            compiled
            for compiled in self._rules
            if compiled.rule.applies_to(category) and words_count(compiled.rule, category, media)
        ]
        found: dict[str, list[Hit]] = {compiled.rule.id: [] for compiled in applying}
        for source in sources:
            self._search(source, applying, found)
        hits: list[Hit] = []
        for compiled in applying:
            if found[compiled.rule.id] and not _shown(compiled.unless_shown, sources):
                hits += _without_repeats(found[compiled.rule.id])[:MAX_HITS_PER_RULE]
        return tuple(hits)

    def _search(self, source: Source, applying: Iterable[_Compiled], found: dict[str, list[Hit]]) -> None:
        text = source.text
        words = self._word_spans(text)
        masks = list(_spans(self._masks, text))
        for compiled in applying:
            rule = compiled.rule
            lexical = words.get(rule.id, [])
            if not lexical and not any(regex.search(text) for regex in compiled.regexes):
                continue
            barred = _merge([*masks, *_spans(compiled.exceptions, text)])
            spans = [span for span in lexical if not _meets(span, barred)]
            spans += _spans(compiled.regexes, _mask(text, barred))
            if rule.negation_guard:
                spans = [span for span in spans if not _negated(text, span[0])]
            joined = _join(_merge(spans), source.folded)[:MAX_HITS_PER_RULE]
            found[rule.id] += [Hit(rule, source, start, end) for start, end in joined]

    def _word_spans(self, text: str) -> dict[str, list[Span]]:
        spans: dict[str, list[Span]] = defaultdict(list)
        for word, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            if _stands_alone(text, start, end):
                for rule_id in self._owners[word]:
                    spans[rule_id].append((start, end))
        return spans

    def check(self) -> None:
        """Runs every lexical rule on its own examples; raises StartRefused naming the rule and the phrase."""
        for compiled in self._rules:
            rule = compiled.rule
            category = next((c for c in Category if rule.applies_to(c)), Category.GENERAL)
            media = rule.placement.media[0] if rule.placement else Media.INTERNET
            for phrase, wanted in [(p, True) for p in rule.positives] + [(t, False) for t in rule.traps]:
                found = any(hit.rule is rule for hit in self.hits((Source(fold(phrase)),), category, media))
                if found != wanted:
                    fault = "does not find its example" if wanted else "finds its counter-example"
                    raise StartRefused(f"policy pack: rule {rule.id} {fault} {phrase!r}; correct the rule's words")


def words_count(rule: Rule, category: Category, media: Media) -> bool:
    """Whether the rule's words violate where this ad runs."""
    return rule.placement is None or not rule.placement.gates or misplaced(rule, category, media)


def misplaced(rule: Rule, category: Category, media: Media) -> bool:
    """Whether an ad of this category must not run in these media."""
    placement = rule.placement
    return (
        placement is not None
        and media in placement.media
        and rule.applies_to(category)
        and (not placement.categories or category in placement.categories)
    )


def _shown(patterns: Iterable[re.Pattern[str]], sources: Sequence[Source]) -> bool:
    return any(pattern.search(source.text) for pattern in patterns for source in sources)


def _spans(patterns: Iterable[re.Pattern[str]], text: str) -> Iterator[Span]:
    for pattern in patterns:
        for match in pattern.finditer(text):
            if match.end() > match.start():
                yield match.span()


def _meets(span: Span, merged: Sequence[Span]) -> bool:
    """Whether the span overlaps one of the merged, hence ordered and disjoint, spans."""
    nearest = bisect_left(merged, span[1], key=lambda other: other[0]) - 1
    return nearest >= 0 and merged[nearest][1] > span[0]


def _mask(text: str, merged: Iterable[Span]) -> str:
    """The text with each span replaced by ends of sentences, which no pattern's gap crosses."""
    parts: list[str] = []
    done = 0
    for start, end in merged:
        parts += (text[done:start], SENTENCE_END * (end - start))
        done = end
    return "".join((*parts, text[done:]))


def _merge(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap become one: the longest quote says it once."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _join(merged: Iterable[Span], folded: Folded) -> list[Span]:
    """Spans with nothing between them in the original read as one phrase: 保本保息."""
    joined: list[Span] = []
    for start, end in merged:
        if joined and start == joined[-1][1] and folded.origins[start] == folded.origins[start - 1] + 1:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Latin words and numbers of the lexicon match whole: `rx` not in `marx`, `0元购` not in `10元购`."""
    return not (_continues(text, start - 1, start) or _continues(text, end - 1, end))


def _continues(text: str, left: int, right: int) -> bool:
    if left < 0 or right >= len(text) or not (text[left].isascii() and text[right].isascii()):
        return False
    both_letters = text[left].isalpha() and text[right].isalpha()
    return both_letters or (text[left] in "0123456789." and text[right].isdigit())


def _negated(text: str, start: int) -> bool:
    return _NEGATED.search(text, max(0, start - _GUARD_CHARS), start) is not None


def _without_repeats(hits: Iterable[Hit]) -> list[Hit]:
    """The first of each wording in each picture or in the text."""
    first: dict[tuple[str | None, str], Hit] = {}
    for hit in hits:
        first.setdefault((hit.source.asset_id, hit.source.text[hit.start : hit.end]), hit)
    return list(first.values())
