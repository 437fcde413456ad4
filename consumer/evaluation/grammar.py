"""How ads are put together from the copy: which phrases, for what goods, with which notices and faults. Pure.

`Grammar.draft` gives the next ad as words with their gold; `generator` gives it a place in text fields and pictures. It
takes turns, so that kinds, rules, phrases and categories come as evenly as the copy allows; a seed settles the rest.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from consumer.evaluation.assembly import STATEMENTS, Assembly, CopyIncomplete, Draft, Rota, satisfying, spoiled
from consumer.evaluation.copy import Copy, Phrase
from consumer.evaluation.gold import DEMANDED, placement_rules
from consumer.evaluation.items import Kind, SetName
from schemas import Category, Media

SHARES: Final[dict[Kind, float]] = {
    "violation": 0.42,
    "trap": 0.18,
    "clean": 0.13,
    "multi": 0.08,
    "split_notice": 0.06,
    "missing": 0.13,
}
B_SHARE: Final = 0.15


class Grammar:
    """The copy, in order, and whose turn it is."""

    def __init__(self, copy: Copy, dice: random.Random) -> None:
        self._copy = copy
        self._dice = dice
        self._rota = Rota(dice)
        self._assembly = Assembly(copy, dice, self._rota)
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
            if kind == "multi" and not self._partners("A"):
                continue
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
        return self._assembly.ad(set_name, "violation", (phrase,), self._assembly.category(phrase))

    def _trap(self, set_name: SetName) -> Draft:
        phrases = self._phrases[set_name, "trap"]
        rule = self._rota.pick(f"{set_name} near", sorted({one.near[0] for one in phrases}))
        phrase = self._rota.pick(f"{set_name} trap", [one for one in phrases if one.near[0] == rule])
        return self._assembly.ad(set_name, "trap", (phrase,), self._assembly.category(phrase))

    def _clean(self, set_name: SetName) -> Draft:
        category = self._rota.pick("clean category", sorted(self._clean_categories()))
        return self._assembly.ad(set_name, "clean", (self._clean_phrase(category),), category)

    def _multi(self, set_name: SetName) -> Draft:
        partners = self._partners(set_name)
        first = self._rota.pick("multi", list(partners))
        category = self._rota.pick("category", sorted(partners[first]))
        chosen = [first]
        for _ in range(self._dice.choice((1, 1, 2))):
            taken = {rule for one in chosen for rule in one.rules}
            others = [one for one in partners[first][category] if taken.isdisjoint(one.rules)]
            if others:
                chosen.append(self._rota.pick("multi", others))
        return self._assembly.ad(set_name, "multi", tuple(chosen), category)

    def _partners(self, set_name: str) -> dict[Phrase, dict[Category, list[Phrase]]]:
        """For a violation, by category: the others of its part that may stand in one ad with it."""
        phrases = [
            one
            for one in self._phrases[set_name, "violation"]
            if one.media is None and not STATEMENTS.intersection(one.rules)
        ]
        found: dict[Phrase, dict[Category, list[Phrase]]] = {}
        for first in phrases:
            for category in first.categories:
                others = [one for one in phrases if category in one.categories and _together(first, one)]
                if others:
                    found.setdefault(first, {})[category] = others
        return found

    def _split_notice(self, set_name: SetName) -> Draft:
        category = self._rota.pick("split category", sorted(self._regulated()))
        return self._assembly.ad(set_name, "split_notice", (self._clean_phrase(category),), category)

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
            return self._assembly.ad(set_name, "missing", (phrase,), self._assembly.category(phrase))
        _, category, fault = self._rota.pick("fault", sorted(one for one in faults if one[0] == rule))
        absent = frozenset({rule}) if fault == "absent" else frozenset()
        draft = self._assembly.ad(set_name, "missing", self._lawful(category, absent), category, absent)
        return spoiled(replace(draft, template=f"{rule}.{category}.{fault}"), rule, fault)

    def _clean_categories(self) -> list[Category]:
        """Where a lawful ad is possible."""
        categories = {category for phrase in self._phrases["A", "clean"] for category in phrase.categories}
        return [one for one in sorted(categories) if self._copy.products_of(one) and one is not Category.TOBACCO]

    def _lawful(self, category: Category, absent: frozenset[str]) -> tuple[Phrase, ...]:
        """A clean phrase that does not say what is to be absent; none where all of them do."""
        banned = satisfying(absent)
        fitting = [
            one
            for one in self._phrases["A", "clean"]
            if category in one.categories and not any(word in one.text for word in banned)
        ]
        return (self._rota.pick("clean phrase", fitting),) if fitting else ()

    def _clean_phrase(self, category: Category) -> Phrase:
        fitting = [one for one in self._phrases["A", "clean"] if category in one.categories]
        return self._rota.pick("clean phrase", fitting)


def _together(one: Phrase, other: Phrase) -> bool:
    """Whether both violate in one ad: other rules each, and neither says what the other must lack."""
    return (
        one.part is other.part
        and set(one.rules).isdisjoint(other.rules)
        and not any(word in other.text for word in satisfying(one.rules))
        and not any(word in one.text for word in satisfying(other.rules))
    )
