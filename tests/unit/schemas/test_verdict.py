"""The reader's contract: which of several verdicts of one submission is the current one."""

from typing import Any

import pytest

from schemas import AdVerdict

from .examples import document


def verdict(**changes: Any) -> AdVerdict:
    return AdVerdict.model_validate({**document("ad_verdict.approve"), **changes})


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"revision": 1, "policy_version": "9"}, {"revision": 2, "policy_version": "1"}),
        ({"policy_version": "1.9.0"}, {"policy_version": "1.10.0"}),
        ({"policy_version": "1.9"}, {"policy_version": "1.9.1"}),
        ({"policy_version": "2", "judged_at": "2027-01-01T00:00:00Z"}, {"policy_version": "10"}),
        ({"judged_at": "2026-03-02T09:00:00+08:00"}, {"judged_at": "2026-03-02T08:00:00Z"}),
        ({"policy_version": "1.0", "judged_at": "2026-01-01T00:00:00Z"}, {"policy_version": "1"}),
    ],
)
def test_the_current_verdict(older: dict[str, Any], newer: dict[str, Any]) -> None:
    assert verdict(**older).precedence < verdict(**newer).precedence


@pytest.mark.parametrize("version", ["", "v1", "1.", "1..2", "1.0-rc1", "１"])
def test_policy_versions_are_dotted_integers(version: str) -> None:
    with pytest.raises(ValueError, match="policy_version"):
        verdict(policy_version=version)
