"""What is right, from the law itself and apart from the policy pack: demands by category, placements, decisions. Pure.

`generator` labels items with it. A test holds it against the shipped pack: where the two part, one of them is wrong.
"""

from collections.abc import Iterable
from typing import Final

from schemas import Category, Decision, Media

DEMANDED: Final[dict[Category, tuple[str, ...]]] = {
    Category.DRUG_OTC: ("D03", "D04", "M12"),
    Category.DRUG_RX: ("D02", "D04", "M12"),
    Category.MEDICAL_DEVICE: ("V01", "M12"),
    Category.HEALTH_FOOD: ("H02", "H04", "M12"),
    Category.FSMP: ("F01", "M12"),
    Category.MEDICAL_SERVICE: ("M12",),
    Category.FINANCE: ("G15",),
}
"""Rules that ask for a statement which every ad of the category must show."""

SATISFYING: Final[dict[str, tuple[str, ...]]] = {
    "D02": ("专业人士",),
    "D03": ("药师指导",),
    "D04": ("禁忌", "不良反应"),
    "V01": ("说明书", "医务人员"),
    "H02": ("代替药物", "不是药物"),
    "H04": ("适宜人群",),
    "F01": ("适用人群", "非目标人群", "营养师"),
    "M12": ("广审", "医广"),
    "G05": ("来源", "出处", "报告", "样本", "引自", "调查"),
    "G06": ("专利号", "ZL", "zl"),
    "G15": ("风险", "谨慎", "不保证", "不承诺"),
}
"""Words that may satisfy a rule: an ad that is to break it must not have them elsewhere."""

PAPERS: Final = frozenset({"M12", "G19"})
"""Approval numbers and certificates: a person looks."""
MEDIUM: Final = frozenset({"G05", "G06", "G07", "G10", "M08", "M09", "M11", "M13", "M14"})
"""Punished by article 59 of the Advertising Law or 28 of the review measures; all others are graver."""

_MINORS: Final = frozenset(
    {
        Category.DRUG_RX,
        Category.DRUG_OTC,
        Category.MEDICAL_DEVICE,
        Category.MEDICAL_SERVICE,
        Category.HEALTH_FOOD,
        Category.COSMETICS,
        Category.ALCOHOL,
    }
)


def placement_rules(category: Category, media: Media) -> frozenset[str]:
    """Rules that the placement breaks, whatever the ad says: articles 15, 22 and 40."""
    broken = set()
    if category is Category.DRUG_RX and media is not Media.PROFESSIONAL:
        broken.add("D01")
    if category is Category.TOBACCO and media is not Media.PROFESSIONAL:
        broken.add("G12")
    if category in _MINORS and media is Media.MINORS:
        broken.add("G11")
    return frozenset(broken)


def decision(rules: Iterable[str]) -> Decision:
    """The decision table, for someone who knows all: reject what is grave or lacks a statement, review the rest."""
    broken = frozenset(rules)
    if broken - MEDIUM - PAPERS:
        return Decision.REJECT
    return Decision.REVIEW if broken else Decision.APPROVE
