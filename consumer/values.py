"""Values that are made with every record."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(*, eq: bool = True) -> Callable[[type[T]], type[T]]:
    """A dataclass with slots that the type checker lets nobody change.

    Frozen at run time as well, it would take three times as long to make, and each record makes ten of them.
    """
    return dataclass(slots=True, eq=eq)
