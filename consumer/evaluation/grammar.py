"""How ads are put together from the copy: which phrases, for what goods, with which notices and faults. Pure.

`Grammar.draft` gives the next ad as words with their gold; `generator` gives it a place in text fields and pictures. It
takes turns, so that kinds, rules, phrases and categories come as evenly as the copy allows; a seed settles the rest.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from consumer.evaluation.copy import Copy, Phrase, Product, Role
from consumer.evaluation.gold import DEMANDED, PAPERS, SATISFYING, placement_rules
from consumer.evaluation.items import SUBMITTED_AT, Kind, Metadata, Part, Passage, SetName
from schemas import Category, Media
from schemas.submission import Certificate

SHARES: Final[dict[Kind, float]] = {
    "violation": 0.42,
    "trap": 0.18,
    "clean": 0.13,
    "multi": 0.08,
    "split_notice": 0.06,
    "missing": 0.13,
}
B_SHARE: Final = 0.15
STATEMENTS: Final = frozenset(rule for rules in DEMANDED.values() for rule in rules) - {"G15"}
"""Rules that only absence breaks: a phrase that breaks one stands where the statement should."""
_NUMBER: Final = re.compile(r"[^\s:：]*(?:广审|医广)[^号]*号")
_LAST_DAY: Final = re.compile(r"第\d{6}-")
_ISSUED: Final = re.compile(r"\d{4}(?=[^\d]{0,2}第)")
_KINDS: Final = ("药广审", "械广审", "食健广审", "食特广审")

T = TypeVar("T", bound=Hashable)


class CopyIncomplete(ValueError):
    """The copy lacks what an ad needs; the message says what to add."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An ad in words. `rules` are all that it breaks, with or without words to quote."""

    template: str
    set: SetName
    part: Part
    kind: Kind
    product: Product
    metadata: Metadata
    mains: tuple[Passage, ...]
    fillers: tuple[Passage, ...]
    notices: tuple[Passage, ...]
    rules: frozenset[str]
    near: tuple[str, ...] = ()
    scene: str = ""


class Rota:
    """Takes turns: of several options the one that has been chosen least, the dice deciding between equals."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._chosen: Counter[tuple[str, Hashable]] = Counter()

    def pick(self, what: str, options: Iterable[T]) -> T:
        """One of `options`, which must not be empty; `what` names the turns."""
        several = list(options)
        self._dice.shuffle(several)
        one = min(several, key=lambda option: self._chosen[what, option])
        self._chosen[what, one] += 1
        return one

    def give_back(self, what: str, one: Hashable) -> None:
        """Takes a choice back that could not be used: its turn is still to come."""
        self._chosen[what, one] -= 1


class Grammar:
    """The copy, in order, and whose turn it is."""

    def __init__(self, copy: Copy, dice: random.Random) -> None:
        self._copy = copy
        self._dice = dice
        self._rota = Rota(dice)
        self._phrases: dict[tuple[str, str], list[Phrase]] = defaultdict(list)
        for phrase in copy.phrases:
            self._phrases[phrase.set.value, phrase.role.value].append(phrase)
        self._made: Counter[tuple[SetName, Kind]] = Counter()
        self._makers: dict[Kind, Callable[[SetName], Draft]] = {
            "violation": self._violation,
            "trap": self._trap,
            "clean": self._clean,
            "multi": self._multi,
            "split_notice": self._split_notice,
            "missing": self._missing,
        }
        self._shares = self._possible()

    def draft(self) -> Draft:
        """The next ad. Raises CopyIncomplete."""
        total = sum(self._made.values()) + 1
        set_name, kind = max(self._shares, key=lambda one: self._shares[one] * total - self._made[one])
        self._made[set_name, kind] += 1
        return self._makers[kind](set_name)

    def _possible(self) -> dict[tuple[SetName, Kind], float]:
        """Shares of what the copy has phrases for."""
        shares: dict[tuple[SetName, Kind], float] = {}
        for kind in ("violation", "trap"):
            if self._phrases["B", kind]:
                shares["B", kind] = B_SHARE * (0.7 if kind == "violation" else 0.3)
        left = 1 - sum(shares.values())
        for kind, share in SHARES.items():
            needed = {"trap": "trap", "violation": "violation", "multi": "violation"}.get(kind, "clean")
            if kind in ("split_notice", "missing") and not self._regulated():
                continue
            if self._phrases["A", needed]:
                shares["A", kind] = share * left
        if not shares:
            raise CopyIncomplete("the copy has no phrases of set A: add violations, traps and clean ones")
        return shares

    def _regulated(self) -> list[Category]:
        """Categories that have clean copy and several statements to show."""
        categories = {category for phrase in self._phrases["A", "clean"] for category in phrase.categories}
        return [category for category, rules in DEMANDED.items() if category in categories and len(rules) > 1]

    def _violation(self, set_name: SetName) -> Draft:
        phrases = [one for one in self._phrases[set_name, "violation"] if not STATEMENTS.issuperset(one.rules)]
        rule = self._rota.pick(f"{set_name} rule", sorted({one.rules[0] for one in phrases}))
        phrase = self._rota.pick(f"{set_name} phrase", [one for one in phrases if one.rules[0] == rule])
        return self._assembled(set_name, "violation", (phrase,), self._category(phrase))

    def _trap(self, set_name: SetName) -> Draft:
        phrases = self._phrases[set_name, "trap"]
        rule = self._rota.pick(f"{set_name} near", sorted({one.near[0] for one in phrases}))
        phrase = self._rota.pick(f"{set_name} trap", [one for one in phrases if one.near[0] == rule])
        return self._assembled(set_name, "trap", (phrase,), self._category(phrase))

    def _clean(self, set_name: SetName) -> Draft:
        category = self._rota.pick("clean category", sorted(self._clean_categories()))
        return self._assembled(set_name, "clean", (self._clean_phrase(category),), category)

    def _multi(self, set_name: SetName) -> Draft:
        phrases = [
            one
            for one in self._phrases[set_name, "violation"]
            if one.media is None and not STATEMENTS.intersection(one.rules)
        ]
        first = self._rota.pick("multi", phrases)
        category = self._category(first)
        chosen = [first]
        for _ in range(self._dice.choice((1, 1, 2))):
            taken = {rule for one in chosen for rule in one.rules}
            others = [
                one
                for one in phrases
                if category in one.categories and one.part is first.part and taken.isdisjoint(one.rules)
            ]
            if others:
                chosen.append(self._rota.pick("multi", others))
        return self._assembled(set_name, "multi", tuple(chosen), category)

    def _split_notice(self, set_name: SetName) -> Draft:
        category = self._rota.pick("split category", sorted(self._regulated()))
        return self._assembled(set_name, "split_notice", (self._clean_phrase(category),), category)

    def _missing(self, set_name: SetName) -> Draft:
        stand_ins = [one for one in self._phrases[set_name, "violation"] if STATEMENTS.issuperset(one.rules)]
        clean = self._clean_categories()
        faults = [(rule, category, "absent") for category in clean for rule in DEMANDED.get(category, ())]
        faults += [("M12", category, "expired") for category in clean if "M12" in DEMANDED.get(category, ())]
        faults += [("M12", category, "of another kind") for category in clean if len(DEMANDED.get(category, ())) > 1]
        faults += [("G19", category, "expired certificate") for category in clean]
        faults += [("D01", category, "internet") for category in clean if placement_rules(category, Media.INTERNET)]
        faults += [
            ("G11", category, "minors") for category in clean if "G11" in placement_rules(category, Media.MINORS)
        ]
        rule = self._rota.pick("fault rule", sorted({fault[0] for fault in faults}))
        if self._dice.random() < 0.4 and (fitting := [one for one in stand_ins if one.rules[0] == rule]):
            phrase = self._rota.pick("stand-in", fitting)
            return self._assembled(set_name, "missing", (phrase,), self._category(phrase))
        _, category, fault = self._rota.pick("fault", sorted(one for one in faults if one[0] == rule))
        absent = frozenset({rule}) if fault == "absent" else frozenset()
        draft = self._assembled(set_name, "missing", (self._clean_phrase(category),), category, absent)
        return _spoiled(replace(draft, template=f"{rule}.{category}.{fault}"), rule, fault)

    def _assembled(
        self,
        set_name: SetName,
        kind: Kind,
        phrases: tuple[Phrase, ...],
        category: Category,
        absent: frozenset[str] = frozenset(),
    ) -> Draft:
        """An ad around its main phrases: goods, filling, notices, metadata."""
        product = self._rota.pick(f"product {category}", self._copy.products_of(category))
        rules = frozenset(rule for phrase in phrases if phrase.role is Role.VIOLATION for rule in phrase.rules)
        banned = tuple(word for rule in rules | absent for word in SATISFYING.get(rule, ()))
        if "G15" in rules - absent:
            banned = ()
        spoken = [phrase.about(product) for phrase in phrases]
        stand_ins = [phrase for phrase in spoken if phrase.rules and STATEMENTS.issuperset(phrase.rules)]
        notices = self._notices(category, absent | {rule for one in stand_ins for rule in one.rules}, banned)
        mains = [phrase for phrase in spoken if phrase not in stand_ins]
        media = next((phrase.media for phrase in phrases if phrase.media), None) or self._media(category)
        return Draft(
            template="+".join(sorted(phrase.id for phrase in phrases)),
            set=set_name,
            part="held_out" if any(phrase.part.value == "held_out" for phrase in phrases) else "tune",
            kind=kind,
            product=product,
            metadata=self._metadata(media, notices),
            mains=tuple(_passage(phrase) for phrase in mains),
            fillers=self._fillers(category, product, phrases, banned),
            notices=(*(Passage(one.text, "notice") for one in stand_ins), *notices),
            rules=rules | absent | placement_rules(category, media),
            near=tuple(sorted({rule for phrase in phrases for rule in phrase.near})),
            scene=next((phrase.scene.value for phrase in phrases if phrase.scene), ""),
        )

    def _notices(
        self, category: Category, without: frozenset[str] | set[str], banned: Sequence[str]
    ) -> tuple[Passage, ...]:
        """What the category must show, except for the rules in `without`."""
        offered = [one for one in self._notice_phrases(category) if without.isdisjoint(one.rules)]
        offered = [one for one in offered if not any(word in one.text for word in banned)]
        chosen: list[Phrase] = []
        for rule in DEMANDED.get(category, ()):
            if rule in without or any(rule in one.rules for one in chosen):
                continue
            fitting = [one for one in offered if rule in one.rules]
            if not fitting:
                raise CopyIncomplete(f"{category}: no notice satisfies {rule}; add one with role notice to the copy")
            chosen.append(self._rota.pick(f"notice {category}", fitting))
        product = self._copy.products_of(category)[0]
        return tuple(Passage(one.about(product).text, "notice") for one in chosen)

    def _notice_phrases(self, category: Category) -> list[Phrase]:
        return [one for one in self._copy.phrases if one.role is Role.NOTICE and category in one.categories]

    def _fillers(
        self, category: Category, product: Product, mains: Sequence[Phrase], banned: Sequence[str]
    ) -> tuple[Passage, ...]:
        """One or two lawful lines, none of which says what the ad must lack."""
        spoken = [
            phrase.about(product).text
            for phrase in self._phrases["A", "clean"]
            if category in phrase.categories and phrase not in mains
        ]
        spoken = [text for text in spoken if not any(word in text for word in banned)]
        if not spoken:
            return (Passage(product.line, "copy"),)
        return tuple(
            Passage(text, "copy") for text in self._dice.sample(spoken, min(len(spoken), self._dice.choice((1, 1, 2))))
        )

    def _metadata(self, media: Media, notices: Sequence[Passage]) -> Metadata:
        numbers = [found.group() for notice in notices if (found := _NUMBER.search(notice.text))]
        shown = numbers[0] if numbers and self._dice.random() < 0.5 else None
        certificates = (_certificate(days=400),) if self._dice.random() < 0.3 else ()
        return Metadata(media=media, approval_number=shown, certificates=certificates)

    def _media(self, category: Category) -> Media:
        if category in (Category.DRUG_RX, Category.TOBACCO):
            return Media.PROFESSIONAL
        return self._dice.choice((Media.INTERNET, Media.INTERNET, Media.MASS))

    def _category(self, phrase: Phrase) -> Category:
        offered = [category for category in phrase.categories if self._copy.products_of(category)]
        if not offered:
            raise CopyIncomplete(f"{phrase.id}: no product of {', '.join(phrase.categories)}; add one to the products")
        return self._rota.pick("category", offered)

    def _clean_categories(self) -> list[Category]:
        """Where a lawful ad is possible."""
        categories = {category for phrase in self._phrases["A", "clean"] for category in phrase.categories}
        return [one for one in sorted(categories) if self._copy.products_of(one) and one is not Category.TOBACCO]

    def _clean_phrase(self, category: Category) -> Phrase:
        fitting = [one for one in self._phrases["A", "clean"] if category in one.categories]
        return self._rota.pick("clean phrase", fitting)


def _passage(phrase: Phrase) -> Passage:
    if phrase.role is not Role.VIOLATION or not phrase.quote:
        return Passage(phrase.text, "copy")
    return Passage(phrase.text, "copy", phrase.rules, phrase.quote)


def _certificate(days: int) -> Certificate:
    return Certificate(kind="营业执照", number="91330100MA27X00X0X", expires_at=SUBMITTED_AT + timedelta(days=days))


def _spoiled(draft: Draft, rule: str, fault: str) -> Draft:
    """The draft with a fault in its papers or its placement."""
    metadata = draft.metadata
    notices = draft.notices
    if rule in PAPERS and fault == "expired":
        notices = tuple(replace(one, text=_outdated(one.text)) for one in notices)
    elif fault == "of another kind":
        notices = tuple(replace(one, text=_of_another_kind(one.text)) for one in notices)
    elif fault == "expired certificate":
        metadata = replace(metadata, certificates=(_certificate(days=-30),))
    elif fault in ("internet", "minors"):
        metadata = replace(metadata, media=Media(fault))
    rules = draft.rules | {rule} | placement_rules(draft.product.category, metadata.media)
    return replace(draft, metadata=metadata, notices=notices, rules=rules)


def _outdated(text: str) -> str:
    text = _LAST_DAY.sub("第240430-", text)
    return _ISSUED.sub("2022", text) if "医广" in text else text


def _of_another_kind(text: str) -> str:
    for index, kind in enumerate(_KINDS):
        if kind in text:
            return text.replace(kind, _KINDS[(index + 1) % len(_KINDS)])
    return text
