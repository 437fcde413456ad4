"""An ad around its main phrases: goods, lawful filling, the notices of the category, papers and placement. Pure.

`grammar` decides what an ad is about and asks for it here; `generator` gives the words their places.
"""

import random
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, TypeVar

from consumer.evaluation.copy import Copy, Phrase, Product, Role
from consumer.evaluation.copy import Part as CopyPart
from consumer.evaluation.gold import DEMANDED, SATISFYING, placement_rules
from consumer.evaluation.items import SUBMITTED_AT, Kind, Metadata, Part, Passage, SetName
from schemas import Category, Media
from schemas.submission import Certificate

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

    def least(self, what: str, options: Iterable[Hashable]) -> int:
        """How often the least chosen of `options` was chosen."""
        return min(self._chosen[what, one] for one in options)

    def give_back(self, what: str, one: Hashable) -> None:
        """Takes a choice back that could not be used: its turn is still to come."""
        self._chosen[what, one] -= 1


class Assembly:
    """Puts ads together from one copy."""

    def __init__(self, copy: Copy, dice: random.Random, rota: Rota) -> None:
        self._copy = copy
        self._dice = dice
        self._rota = rota
        self._clean = [one for one in copy.phrases if one.role is Role.CLEAN]

    def category(self, phrase: Phrase) -> Category:
        """A category for the phrase, in turn. Raises CopyIncomplete where there is nothing to advertise."""
        offered = [category for category in phrase.categories if self._copy.products_of(category)]
        if not offered:
            raise CopyIncomplete(f"{phrase.id}: no product of {', '.join(phrase.categories)}; add one to the products")
        return self._rota.pick("category", offered)

    def ad(
        self,
        set_name: SetName,
        kind: Kind,
        phrases: tuple[Phrase, ...],
        category: Category,
        absent: frozenset[str] = frozenset(),
    ) -> Draft:
        """An ad around its main phrases: goods, filling, notices, metadata."""
        product = self._product(category, phrases)
        rules = frozenset(rule for phrase in phrases if phrase.role is Role.VIOLATION for rule in phrase.rules)
        part: Part = "held_out" if any(phrase.part is CopyPart.HELD_OUT for phrase in phrases) else "tune"
        banned = satisfying(rules - {"G15"} | absent)
        spoken = [phrase.about(product) for phrase in phrases]
        stand_ins = [phrase for phrase in spoken if phrase.rules and STATEMENTS.issuperset(phrase.rules)]
        without = absent | {rule for one in stand_ins for rule in one.rules}
        notices = self._notices(product, part, without, banned)
        mains = [phrase for phrase in spoken if phrase not in stand_ins]
        media = next((phrase.media for phrase in phrases if phrase.media), None) or self._media(category)
        return Draft(
            template="+".join(sorted(phrase.id for phrase in phrases)),
            set=set_name,
            part=part,
            kind=kind,
            product=product,
            metadata=self._metadata(media, notices),
            mains=tuple(_passage(phrase) for phrase in mains),
            fillers=self._fillers(product, part, phrases, banned),
            notices=(*(Passage(one.text, "notice") for one in stand_ins), *notices),
            rules=rules | absent | placement_rules(category, media),
            near=tuple(sorted({rule for phrase in phrases for rule in phrase.near})),
            scene=next((phrase.scene.value for phrase in phrases if phrase.scene), ""),
        )

    def _product(self, category: Category, phrases: Sequence[Phrase]) -> Product:
        """What is advertised; a phrase that names a brand speaks of that brand's."""
        offered = self._copy.products_of(category)
        named = [one for one in offered if any(one.brand in phrase.text for phrase in phrases)]
        return self._rota.pick(f"product {category}", named or offered)

    def _notices(
        self, product: Product, part: Part, without: frozenset[str], banned: Sequence[str]
    ) -> tuple[Passage, ...]:
        """What the category must show, except for the rules in `without`."""
        category = product.category
        offered = [
            one
            for one in self._copy.phrases
            if one.role is Role.NOTICE
            and category in one.categories
            and _open_to(one, part)
            and without.isdisjoint(one.rules)
            and not any(word in one.text for word in banned)
        ]
        chosen: list[Phrase] = []
        for rule in DEMANDED.get(category, ()):
            if rule in without or any(rule in one.rules for one in chosen):
                continue
            fitting = [one for one in offered if rule in one.rules]
            if not fitting:
                raise CopyIncomplete(f"{category}: no notice satisfies {rule}; add one with role notice to the copy")
            chosen.append(self._rota.pick(f"notice {category}", fitting))
        return tuple(Passage(one.about(product).text, "notice") for one in chosen)

    def _fillers(
        self, product: Product, part: Part, mains: Sequence[Phrase], banned: Sequence[str]
    ) -> tuple[Passage, ...]:
        """One or two lawful lines about these goods, none of which says what the ad must lack."""
        others = [one.brand for one in self._copy.products_of(product.category) if one.brand != product.brand]
        spoken = [
            phrase.about(product).text
            for phrase in self._clean
            if product.category in phrase.categories and phrase not in mains and _open_to(phrase, part)
        ]
        spoken = [text for text in spoken if not any(word in text for word in (*others, *banned))]
        if not spoken:
            return (Passage(product.line, "copy"),)
        count = min(len(spoken), self._dice.choice((1, 1, 2)))
        return tuple(Passage(text, "copy") for text in self._dice.sample(spoken, count))

    def _metadata(self, media: Media, notices: Sequence[Passage]) -> Metadata:
        numbers = [found.group() for notice in notices if (found := _NUMBER.search(notice.text))]
        shown = numbers[0] if numbers and self._dice.random() < 0.5 else None
        certificates = (_certificate(days=400),) if self._dice.random() < 0.3 else ()
        return Metadata(media=media, approval_number=shown, certificates=certificates)

    def _media(self, category: Category) -> Media:
        if category in (Category.DRUG_RX, Category.TOBACCO):
            return Media.PROFESSIONAL
        return self._dice.choice((Media.INTERNET, Media.INTERNET, Media.MASS))


def _open_to(phrase: Phrase, part: Part) -> bool:
    """Whether an ad of this part may use it: what is held out stays out of the rest."""
    return part == "held_out" or phrase.part is CopyPart.TUNE


def satisfying(rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for rule in sorted(rules) for word in SATISFYING.get(rule, ()))


def _passage(phrase: Phrase) -> Passage:
    if phrase.role is not Role.VIOLATION or not phrase.quote:
        return Passage(phrase.text, "copy")
    return Passage(phrase.text, "copy", phrase.rules, phrase.quote)


def _certificate(days: int) -> Certificate:
    return Certificate(kind="营业执照", number="91330100MA27X00X0X", expires_at=SUBMITTED_AT + timedelta(days=days))


def spoiled(draft: Draft, rule: str, fault: str) -> Draft:
    """The draft with a fault in its papers or its placement."""
    metadata = replace(draft.metadata, approval_number=None) if rule == "M12" else draft.metadata
    notices = draft.notices
    if fault == "expired":
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
