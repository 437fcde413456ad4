"""Ads, OCR lines and answers for the tests of prompt and answer."""

import json
from datetime import UTC, datetime
from typing import Any

from consumer.inference import prompt
from consumer.messages import OcrLine
from consumer.policy.model import PolicyPack
from schemas import AdSubmission, Category


def submission(category: Category = Category.DRUG_OTC, **text: str) -> AdSubmission:
    """An ad with this text."""
    return AdSubmission.model_validate(
        {
            "submission_id": "s-1",
            "revision": 1,
            "advertiser": {"id": "a-1"},
            "category": category,
            "text": text or {"title": "感冒灵颗粒"},
            "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )


def line(text: str, asset_id: str = "p0", box: tuple[float, float, float, float] = (0.1, 0.2, 0.3, 0.4)) -> OcrLine:
    """A line that OCR read."""
    return OcrLine(asset_id, text, 0.99, box)


def asked(pack: PolicyPack, *ocr: OcrLine, category: Category = Category.DRUG_OTC, **text: str) -> prompt.Prompt:
    """The prompt of an ad with two pictures, p0 and p1."""
    return prompt.build(pack, submission(category, **text), ["p0", "p1"], ocr)


def found(rule_id: str, where: str, quote: str, *bbox: int) -> dict[str, Any]:
    """A violation as the model writes it."""
    return {"rule_id": rule_id, "where": where, "quote": quote, **({"bbox": bbox} if bbox else {})}


def answer(*violations: dict[str, Any], category: str = "drug_otc", decision: str = "reject") -> str:
    """The model's text."""
    document = {"category": category, "violations": violations, "decision": decision}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
