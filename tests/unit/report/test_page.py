"""The page: nothing from outside, nothing that data can break out of, and every picture in its units."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from consumer.report.charts import figures
from consumer.report.page import page
from consumer.report.panels import Picture, picture
from consumer.report.series import Line, Origin
from consumer.report.summary import count, seconds, size, summarise
from consumer.report.window import Window

EVIL = "</script><script>alert(1)</script><img src=http://127.0.0.1:9/x>"
UNTIL = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
GIB = 1024**3


class Recorded:
    """A source whose readings stand in a table: name → labels and the value at every step."""

    def __init__(self, **readings: list[tuple[dict[str, str], float]]) -> None:
        self._readings = readings
        self.window = Window.between(UNTIL - timedelta(minutes=10), UNTIL, 60)

    def origin(self) -> Origin:
        return Origin(f"a table {EVIL}", {"one": 0}, [True] * self.window.steps, [f"a note {EVIL}"])

    def counters(self, name: str) -> list[Line]:
        """Each step adds the value."""
        steps = range(self.window.steps + 1)
        return [Line("one", labels, [each * step for step in steps]) for labels, each in self._readings.get(name, ())]

    def last(self, name: str) -> list[Line]:
        return [Line("one", labels, [value]) for labels, value in self._readings.get(name, ())]

    def gauges(self, name: str, where: Mapping[str, str], lowest: bool) -> list[Line]:
        del lowest
        found = [(labels, value) for labels, value in self._readings.get(name, ()) if where.items() <= labels.items()]
        return [Line("one", labels, [value] * (self.window.steps + 1)) for labels, value in found]


def seen() -> Picture:
    return picture(
        Recorded(
            advet_records_total=[({}, 12)],
            advet_verdicts_total=[({"decision": "approve"}, 10)],
            advet_dead_letters_total=[({"reason": EVIL, "stage": "fetch"}, 2)],
            advet_gpu_memory_bytes=[({"kind": "total"}, 80 * GIB), ({"kind": "free"}, 3 * GIB)],
            advet_gpu_ooms_total=[({"phase": "decode"}, 1)],
            advet_partition_paused=[({"group": "g", "topic": "t", "partition": "0", "reason": "gpu_memory"}, 1)],
        )
    )


def test_the_page_carries_all_it_needs_and_its_policy_allows_nothing_else() -> None:
    found = seen()
    text = page(found, summarise(found, UTC), UTC)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy[1]
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy[1]
    outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert set(re.findall(r'\b(?:src|href)="([^"]*)"', outside)) == {"data:,"}
    assert "url(" not in outside


def test_words_from_outside_stay_words() -> None:
    found = seen()
    text = page(found, summarise(found, UTC), UTC)
    assert EVIL not in text
    assert "<img" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    island = re.search(r'<script type="application/json" id="figures">(.*?)</script>', text, re.DOTALL)
    assert island is not None
    assert json.loads(island[1])["dead_letters"]["data"][0]["name"] == EVIL


def test_the_card_s_memory_and_what_ran_out_of_it_are_shown() -> None:
    found = seen()
    facts = {fact.title: fact for fact in summarise(found, UTC).facts}
    assert facts["Card, lowest free"].figure == "3 GiB"
    assert (facts["Workers lost"].figure, facts["Workers lost"].look) == ("0", False)
    assert facts["Out of memory on the card"].figure == "10"
    assert facts["Time with a paused partition"].figure == "100 %"
    drawn = figures(found, UTC)
    assert drawn["card_bytes"]["layout"]["yaxis"]["ticksuffix"] == " GiB"
    assert set(drawn["paused"]["data"][0]["y"]) == {1}
    assert drawn["paused"]["data"][0]["name"] == "gpu_memory"


def test_times_are_those_of_the_zone_that_the_page_names() -> None:
    zone = timezone(timedelta(hours=8))
    found = seen()
    assert "2026-11-23 15:50:00 to 16:00:00 (UTC+08:00), in steps of 60 s" in page(found, summarise(found, zone), zone)
    assert figures(found, zone)["verdicts"]["data"][0]["x"][-1] == "2026-11-23T16:00:00"


def test_what_is_not_there_is_said() -> None:
    words = summarise(picture(Recorded(advet_lag_records=[({"partition": "0"}, 4)])), UTC)
    assert "No consumer was there, only what reports the lag." in words.notes
    assert {fact.title: fact.figure for fact in words.facts}["Verdicts"] == "not known"
    assert "dead letters" not in words.sentence


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0 s"), (0.41, "410 ms"), (3, "3 s"), (119.4, "119 s"), (600, "10 min"), (7200, "2 h"), (4 * 86_400, "4 d")],
)
def test_seconds_as_a_person_says_them(value: float, words: str) -> None:
    assert seconds(value) == words


def test_sizes_and_counts() -> None:
    assert [size(3), size(1536), size(5 * 1024**2), size(141 * GIB)] == ["3 B", "1.5 KiB", "5 MiB", "141 GiB"]
    assert count(12_345.2) == "12,345"
