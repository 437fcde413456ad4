"""Finding a pack's words in an ad: one automaton for all lexicons, then each rule's patterns and exceptions.

Pure once built. The statements that the law itself demands are masked first (they contain 治疗 and 药物), then
each rule's exceptions, so that neither can be part of a hit. Only rules of a lexical kind find anything here.

The automaton holds every spelling of every word (`disguises`), so a text is read once however large the lexicon is. It
also holds the words without which a pattern cannot match, so a pattern is tried only on texts that have one of them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, product
from typing import Final

from ahocorasick_rs import AhoCorasick

from consumer.policy.pack import PolicyPack, Rule
from consumer.policy.patterns import needed_words, spelled_words
from consumer.screening.disguises import spellings
from consumer.screening.normalise import Folded, fold, fold_pattern
from consumer.screening.quotes import Source
from consumer.screening.restoring import Restorer
from consumer.screening.spans import Span, mask, meets, merge, within
from schemas import Category, Media

MAX_HITS_PER_RULE: Final = 10
"""In one ad: a word repeated a thousand times is one finding for the reader."""
_GUARD_CHARS: Final = 24
_WITNESS: Final = "(明星|名人|专家|患者|医生|学员|顾客)的?(形象|名义|照片)?"
_NEGATED: Final = re.compile(
    "((?<!无)(?<!没有)(?<!无一)(?<!一个)(?<!得)(?<!不是)(?<!并非)(?<!二话)"
    "(不|无|无法|没有|并非|非|未|勿|禁止|谢绝|拒绝)"
    "(能|得|可|可以|会|是|等于|代表|应)?"
    "(用于?|用来|具有|具备|涉及|进行|作为|宣称|保证|代替|替代|任何|含有?|治|说|称|引用|摘引|公布|使用|请|送|签|做|参加|设|售|承诺"
    # what is denied may be a list, 不提供问诊、义诊; not after just any verb: 不含糖、降血糖, 不设门槛、稳赚
    "|(提供|开展|发布|出售|存传)((?!门槛|压力|假|限)[^,。!?;]{1,8}[、和与及或]){0,3}"
    f"|用{_WITNESS}([、和与及或]{_WITNESS}){{0,2}}[、和与及或])?"
    '|(警惕|谨防|切勿轻信|不要相信|请勿相信)(所谓的?|任何|一切)?[“"「『]?)$'
)


_DENIED_TWICE: Final = ("不了", "不好", "不到", "不中")


@dataclass(frozen=True, slots=True)
class Hit:
    """Words of a rule in `source.text[start:end]`."""

    rule: Rule
    source: Source
    start: int
    end: int
    doubtful: bool = False
    """The words may be lawful here: a person looks."""

    @property
    def written(self) -> Span:
        """Where the words stand in the text as it is written."""
        return self.source.folded.span(self.start, self.end)


@dataclass(frozen=True, slots=True, eq=False)
class _Pattern:
    """A compiled pattern, and the words of which a text must hold one before it is tried; none: always."""

    expression: re.Pattern[str]
    needs: frozenset[str]


@dataclass(frozen=True)
class _Compiled:
    rule: Rule
    regexes: tuple[_Pattern, ...]
    exceptions: tuple[_Pattern, ...]
    doubtful: tuple[_Pattern, ...]
    unless_shown: tuple[_Pattern, ...]

    @property
    def patterns(self) -> tuple[_Pattern, ...]:
        return (*self.regexes, *self.exceptions, *self.doubtful)

    @cached_property
    def always(self) -> bool:
        """Whether a pattern must be tried on every text."""
        return any(not pattern.needs for pattern in self.regexes)


@dataclass(slots=True)
class _Text:
    """A source being searched: what is worked out at most once for all rules."""

    source: Source
    words: dict[str, list[Span]]
    possible: set[_Pattern]
    rules: set[str]
    """Ids of those that have a word here or a pattern that may match."""
    masks: list[Span] | None = None

    def trying(self, patterns: Iterable[_Pattern]) -> list[_Pattern]:
        """Those of the patterns that may match."""
        possible = self.possible
        return [pattern for pattern in patterns if pattern in possible or not pattern.needs]


def compile_patterns(patterns: Iterable[str]) -> tuple[_Pattern, ...]:
    """The patterns for folded text."""
    compiled = map(fold_pattern, patterns)
    return tuple(_Pattern(pattern, needed_words(pattern)) for pattern in compiled)


class Matcher:
    """A pack's lexical rules, compiled."""

    def __init__(self, pack: PolicyPack) -> None:
        self._rules = tuple(
            _Compiled(
                rule,
                compile_patterns(rule.regex),
                compile_patterns(rule.exceptions),
                compile_patterns(rule.doubtful),
                compile_patterns(rule.unless_shown),
            )
            for rule in pack.rules
            if rule.lexical
        )
        self._applying = {
            (category, media): tuple(
                compiled
                for compiled in self._rules
                if compiled.rule.applies_to(category) and words_count(compiled.rule, category, media)
            )
            for category, media in product(Category, Media)
        }
        self._rule_of = {pattern: compiled.rule.id for compiled in self._rules for pattern in compiled.regexes}
        self._exceptions = {compiled.rule.id: compiled.exceptions for compiled in self._rules}
        self._masks = compile_patterns(demand.pattern for rule in pack.rules for demand in rule.required)
        owners: dict[str, set[str]] = defaultdict(set)
        for compiled in self._rules:
            for word in compiled.rule.lexicon:
                for spelling in spellings(word, pack.sound_alikes):
                    owners[fold(spelling).text].add(compiled.rule.id)
        waiting: dict[str, list[_Pattern]] = defaultdict(list)
        for pattern in chain(self._masks, *(compiled.patterns for compiled in self._rules)):
            for word in pattern.needs:
                waiting[word].append(pattern)
        words = tuple({**owners, **waiting})
        self._owners = tuple(tuple(owners.get(word, ())) for word in words)
        self._waiting = tuple(tuple(waiting.get(word, ())) for word in words)
        self._automaton = AhoCorasick(words)
        self._restorer = Restorer(
            (fold(word).text for compiled in self._rules for word in compiled.rule.lexicon),
            (spelled_words(pattern.expression) for compiled in self._rules for pattern in compiled.regexes),
        )

    def hits(self, sources: Sequence[Source], category: Category, media: Media) -> tuple[Hit, ...]:
        """What the ad's words violate, in the order of the pack, without repeats."""
        applying = self._applying[category, media]
        found: dict[str, list[Hit]] = {compiled.rule.id: [] for compiled in applying}
        for source in sources:
            for hit in self._search(source, applying):
                found[hit.rule.id].append(hit)
            for hit in self._restored(source, applying):
                found[hit.rule.id].append(hit)
        hits: list[Hit] = []
        for compiled in applying:
            special = [hit for rule_id in compiled.rule.special_cases for hit in found.get(rule_id, ())]
            own = _apart(found[compiled.rule.id], special)
            if own and not _shown(compiled.unless_shown, sources):
                hits += _without_repeats(own)[:MAX_HITS_PER_RULE]
        return tuple(hits)

    def _search(self, source: Source, applying: Iterable[_Compiled]) -> Iterator[Hit]:
        text = self._read(source)
        for compiled in applying:
            if compiled.always or compiled.rule.id in text.rules:
                yield from self._rule_hits(compiled, text)

    def _restored(self, source: Source, applying: Iterable[_Compiled]) -> Iterator[Hit]:
        """What the words say that stand there in disguise; the others have been judged as they are written."""
        restored = self._restorer.restored(source.folded)
        if restored is None:
            return
        for hit in self._search(replace(source, folded=restored.folded), applying):
            if restored.shows(hit.start, hit.end) and not self._excepted(hit, source):
                yield hit

    def _excepted(self, hit: Hit, written: Source) -> bool:
        """Whether the hit lies in what an exception allows as it is written: restored words may have hidden that."""
        lawful = (
            written.folded.span(*span)
            for pattern in self._exceptions[hit.rule.id]
            for span in _matches(pattern.expression, written.text)
        )
        return meets(hit.written, merge(lawful))

    def _read(self, source: Source) -> _Text:
        """One pass over the text: each rule's words, and the patterns that may match."""
        words: dict[str, list[Span]] = defaultdict(list)
        seen: set[int] = set()
        for word, start, end in self._automaton.find_matches_as_indexes(source.text, overlapping=True):
            seen.add(word)
            if self._owners[word] and _stands_alone(source.text, start, end):
                for rule_id in self._owners[word]:
                    words[rule_id].append((start, end))
        possible = {pattern for word in seen for pattern in self._waiting[word]}
        trying = {self._rule_of[pattern] for pattern in possible if pattern in self._rule_of}
        return _Text(source, words, possible, trying | words.keys())

    def _rule_hits(self, compiled: _Compiled, text: _Text) -> list[Hit]:
        rule, words = compiled.rule, text.source.text
        lexical = text.words.get(rule.id, [])
        patterns = text.trying(compiled.regexes)
        if not lexical and not any(pattern.expression.search(words) for pattern in patterns):
            return []
        if text.masks is None:
            text.masks = list(_spans(self._masks, text))
        barred = merge([*text.masks, *_spans(compiled.exceptions, text)])
        spans = [span for span in lexical if not meets(span, barred)]
        masked = mask(words, barred)
        for pattern in patterns:
            spans += _matches(pattern.expression, masked)
        if rule.negation_guard:
            spans = [span for span in spans if not _negated(words, *span)]
        if not spans:
            return []
        doubtful = merge(_spans(compiled.doubtful, text))
        return [
            Hit(rule, text.source, start, end, within((start, end), doubtful))
            for start, end in _join(merge(spans), text.source.folded)[:MAX_HITS_PER_RULE]
        ]


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


def _shown(patterns: Iterable[_Pattern], sources: Sequence[Source]) -> bool:
    return any(pattern.expression.search(source.text) for pattern in patterns for source in sources)


def _spans(patterns: Iterable[_Pattern], text: _Text) -> Iterator[Span]:
    for pattern in text.trying(patterns):
        yield from _matches(pattern.expression, text.source.text)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    return (match.span() for match in pattern.finditer(text) if match.end() > match.start())


def _join(merged: Iterable[Span], folded: Folded) -> list[Span]:
    """Spans with nothing between them in the original read as one phrase: 保本保息."""
    joined: list[Span] = []
    for start, end in merged:
        if joined and start == joined[-1][1] and folded.starts[start] == folded.ends[start - 1]:
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


def _negated(text: str, start: int, end: int) -> bool:
    """Whether a denial stands before the words; 没有根治不了 denies twice."""
    denied = _NEGATED.search(text, max(0, start - _GUARD_CHARS), start)
    return denied is not None and not text.startswith(_DENIED_TWICE, end)


def _apart(hits: Sequence[Hit], special: Sequence[Hit]) -> Sequence[Hit]:
    """The hits that share no word with a special one, restored words taken as they are written."""
    if not special:
        return hits
    taken: dict[str, list[Span]] = defaultdict(list)
    for hit in special:
        taken[hit.source.folded.original].append(hit.written)
    merged = {text: merge(spans) for text, spans in taken.items()}
    return [hit for hit in hits if not meets(hit.written, merged.get(hit.source.folded.original, ()))]


def _without_repeats(hits: Iterable[Hit]) -> list[Hit]:
    """The first of each wording in each picture or in the text, doubtful or not."""
    first: dict[tuple[str | None, str, bool], Hit] = {}
    for hit in hits:
        first.setdefault((hit.source.asset_id, hit.source.text[hit.start : hit.end], hit.doubtful), hit)
    return list(first.values())
