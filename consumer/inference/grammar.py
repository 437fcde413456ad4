"""What the model may write: a JSON schema for each category, which the worker turns into masks over tokens. Pure.

The order of the properties is the order of writing: evidence before the decision that rests on it. `uniqueItems`
is not used (llguidance refuses it); `answer` drops repetitions.
"""

from collections.abc import Sequence
from typing import Any, Final

from schemas import Category, Decision

Schema = dict[str, Any]

MAX_VIOLATIONS: Final = 6
MAX_QUOTE_CHARS: Final = 40
"""With six such quotes the answer stays within 512 tokens."""
BOX_SCALE: Final = 1000
"""Boxes count in thousandths of the picture's sides."""
DECISIONS: Final = (Decision.APPROVE, Decision.REJECT, Decision.REVIEW)

WHERE: Final = r"T[1-9][0-9]{0,3}|I(0|[1-9][0-9]?)(-L[1-9][0-9]{0,3})?"
_QUOTE: Final = rf'[^"\\\x00-\x1f\x7f]{{0,{MAX_QUOTE_CHARS}}}'
"""Nothing that JSON would escape: an escape could spell half a character. Quotes are compared without punctuation."""


def name_of(category: Category) -> str:
    """Name of the category's grammar."""
    return category.value


def schema(rule_ids: Sequence[str]) -> Schema:
    """The answer's schema where these rules can be violated."""
    violation = _object(
        {
            "rule_id": {"type": "string", "enum": list(rule_ids)},
            "where": {"type": "string", "pattern": f"^({WHERE})$"},
            "quote": {"type": "string", "pattern": f"^{_QUOTE}$"},
            "bbox": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": BOX_SCALE},
                "minItems": 4,
                "maxItems": 4,
            },
        },
        optional=("bbox",),
    )
    listed = {"items": violation, "maxItems": MAX_VIOLATIONS} if rule_ids else {"maxItems": 0}
    answer = _object(
        {
            "category": {"type": "string", "enum": [category.value for category in Category]},
            "violations": {"type": "array", **listed},
            "decision": {"type": "string", "enum": [decision.value for decision in DECISIONS]},
        }
    )
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_COMPACT, **answer}


_COMPACT: Final[Schema] = {"x-guidance": {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}}
"""Blanks between tokens say nothing and cost a step each."""


def _object(properties: Schema, optional: Sequence[str] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
