"""The copy of the evaluation: what synthetic ads say, each phrase with its gold label. `generator` builds ads from it.

The phrases are TOML files under `copy/`, written by the law's meaning and apart from the policy pack's word lists: one
for each industry, and two by hands that had not read the word lists. Those of `held_out.toml` were written so, too, and
are read by nobody who works on the rules: no rule is changed because of one; once somebody has looked at a miss among
them, they are `tune` phrases.

How phrases are labelled:
- A phrase breaks every rule it lists, in each of its categories, and no other. Of two rules of which one is the special
  case of the other (M07, words of safety, within M01's assertions) only the special one is listed.
- A rule that asks for a statement is broken by its absence: such a violation is what an ad shows in its place
  and has no quote.
- `media` is where the ad must run for the label to hold; elsewhere it may run anywhere, prescription drugs and
  specific FSMP only in professional media.
- Approval numbers, certificates and dates are judged as of GOLD_DATE.
- Set A is decided by words and by metadata; set B only by one who understands the text or sees the scene.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from consumer.policy.model import PolicyPack
from consumer.policy.pack import load_pack
from schemas import Category, Media

GOLD_DATE: Final = date(2026, 6, 1)
SHIPPED: Final = files("consumer.evaluation") / "copy"
SLOTS: Final = frozenset({"product", "brand", "line"})
PRODUCTS_FILE: Final = "products.toml"
_SLOT: Final = re.compile(r"\{(.*?)\}")
_Entry = TypeVar("_Entry", "Phrase", "Product")


class CopyInvalid(ValueError):
    """A copy file that cannot be used: file, phrase and reason."""


class CopySet(StrEnum):
    """What it takes to judge a phrase."""

    A = "A"
    B = "B"


class Part(StrEnum):
    """Whether a phrase may be looked at while the rules are worked on."""

    TUNE = "tune"
    HELD_OUT = "held_out"


class Role(StrEnum):
    """What a phrase is in an ad; a trap nearly breaks a rule, a notice satisfies one that asks for a statement."""

    VIOLATION = "violation"
    TRAP = "trap"
    CLEAN = "clean"
    NOTICE = "notice"


class Scene(StrEnum):
    """What the picture shows beside its words."""

    FLAG = "flag"
    EMBLEM = "emblem"
    ANTHEM_CEREMONY = "anthem_ceremony"
    INCOMPLETE_MAP = "incomplete_map"
    UNIFORM = "uniform"
    DOCTOR = "doctor"
    PATIENT = "patient"
    BEFORE_AFTER = "before_after"
    SMALL_NOTICE = "small_notice"
    PALE_NOTICE = "pale_notice"
    CHILD_ENDORSER = "child_endorser"
    DRINKING = "drinking"
    DRIVING_WITH_DRINK = "driving_with_drink"
    SMOKING = "smoking"
    FAKE_CLOSE = "fake_close"
    FAKE_SYSTEM_ALERT = "fake_system_alert"
    LINGERIE = "lingerie"
    BREASTFEEDING_BOTTLE = "breastfeeding_bottle"


@dataclass(frozen=True, slots=True)
class Product:
    """Something to advertise: `line` is a selling point or an indication in lawful words."""

    category: Category
    brand: str
    name: str
    line: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """A headline or a body line with its gold label; `text` and `quote` may hold the slots {product} {brand} {line}."""

    id: str
    set: CopySet
    part: Part
    role: Role
    categories: tuple[Category, ...]
    text: str
    rules: tuple[str, ...] = ()
    """Broken by a violation, satisfied by a notice."""
    near: tuple[str, ...] = ()
    """Nearly broken by a trap."""
    quote: str = ""
    """The words that break the rules; empty where the scene, the placement or an absence does."""
    media: Media | None = None
    scene: Scene | None = None

    def about(self, product: Product) -> "Phrase":
        """This phrase with its slots filled. Raises CopyInvalid for a product of another category."""
        if product.category not in self.categories:
            raise CopyInvalid(f"{self.id}: is not for {product.category}; choose {', '.join(self.categories)}")
        return replace(self, text=_fill(self.text, product), quote=_fill(self.quote, product))


@dataclass(frozen=True, slots=True)
class Copy:
    """All phrases and products, in the order of their files."""

    phrases: tuple[Phrase, ...]
    products: tuple[Product, ...]

    def products_of(self, category: Category) -> tuple[Product, ...]:
        """What can be advertised in a category."""
        return tuple(product for product in self.products if product.category is category)


def load_copy(folder: Path | None = None, pack: PolicyPack | None = None) -> Copy:
    """Reads and checks the copy; None is what ships. Raises CopyInvalid: file, phrase, reason."""
    root: Traversable = folder or SHIPPED
    pack = pack or load_pack()
    products = _entries(root / PRODUCTS_FILE, "product", Product)
    phrases: list[Phrase] = []
    origins: dict[str, str] = {}
    for file in sorted((one for one in root.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name):
        for phrase in _entries(file, "phrase", Phrase) if file.name != PRODUCTS_FILE else ():
            if phrase.id in origins:
                raise CopyInvalid(f"{file.name}: {phrase.id}: the id is taken in {origins[phrase.id]}; choose another")
            origins[phrase.id] = file.name
            faults = [*_faults(phrase), *_faults_by_law(phrase, pack)]
            if faults:
                raise CopyInvalid(f"{file.name}: {phrase.id}: {'; '.join(faults)}")
            phrases.append(phrase)
    return Copy(tuple(phrases), tuple(products))


def _entries(file: Traversable, table: str, kind: type[_Entry]) -> list[_Entry]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CopyInvalid(f"{file.name}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise CopyInvalid(f"{file.name}: is not TOML in UTF-8 ({error})") from error
    found = document.pop(table, None)
    if document or not isinstance(found, list) or not found:
        raise CopyInvalid(f"{file.name}: must hold [[{table}]] tables and nothing else")
    form, known = TypeAdapter(kind), [field.name for field in fields(kind)]
    return [_entry(f"{file.name}: {table} number {number}", one, form, known) for number, one in enumerate(found, 1)]


def _entry(where: str, table: Any, form: TypeAdapter[_Entry], known: list[str]) -> _Entry:
    if not isinstance(table, dict):
        raise CopyInvalid(f"{where}: must be a table")
    if unknown := sorted(table.keys() - set(known)):
        raise CopyInvalid(f"{where}: unknown key {', '.join(unknown)}; use {', '.join(known)}")
    try:
        return form.validate_python(table)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise CopyInvalid(f"{where} ({table.get('id', 'without an id')}): {field}: {fault['msg']}") from error


def _faults(phrase: Phrase) -> Iterator[str]:
    """What contradicts itself in a phrase."""
    if not phrase.text.strip():
        yield "the text is empty"
    if not phrase.categories:
        yield "categories are empty: say what the phrase may advertise"
    if phrase.quote not in phrase.text:
        yield f"the quote {phrase.quote!r} is not in the text"
    if unknown := sorted(set(_SLOT.findall(phrase.text)) - SLOTS):
        yield f"unknown slot {', '.join(unknown)}: use {', '.join(sorted(SLOTS))}"
    if phrase.rules and phrase.role in (Role.TRAP, Role.CLEAN):
        yield f"a {phrase.role} breaks no rule: leave rules out"
    if not phrase.rules and phrase.role in (Role.VIOLATION, Role.NOTICE):
        yield f"a {phrase.role} names its rules"
    if bool(phrase.near) != (phrase.role is Role.TRAP):
        yield "near names the rules that a trap nearly breaks, and only a trap has it"
    if phrase.quote and phrase.role is not Role.VIOLATION:
        yield "only a violation has a quote"
    if phrase.scene and phrase.set is CopySet.A:
        yield "set A is decided by words: a phrase with a scene belongs to set B"


def _faults_by_law(phrase: Phrase, pack: PolicyPack) -> Iterator[str]:
    """What contradicts the policy pack: rules that it lacks or that do not apply, words that cannot be missing."""
    rules = {rule.id: rule for rule in pack.rules}
    if unknown := [rule_id for rule_id in (*phrase.rules, *phrase.near) if rule_id not in rules]:
        yield f"the policy pack has no rule {', '.join(unknown)}"
        return
    gold = [rules[rule_id] for rule_id in phrase.rules]
    for rule in gold:
        if beyond := [category.value for category in phrase.categories if not rule.applies_to(category)]:
            yield f"{rule.id} does not apply to {', '.join(beyond)}"
    absent = any("missing" in rule.parts for rule in gold)
    if phrase.role is Role.VIOLATION and not (phrase.quote or phrase.media or phrase.scene or absent):
        yield "a violation needs a quote, unless its media, its scene or an absence is what violates"
    if phrase.role is Role.NOTICE and not absent:
        yield "a notice satisfies rules that ask for a statement"


def _fill(text: str, product: Product) -> str:
    values = {"product": product.name, "brand": product.brand, "line": product.line}
    return _SLOT.sub(lambda slot: values[slot[1]], text)
