"""`advet policy eval` as its user sees it: figures, bars, exit statuses, and what a broken set says."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumer.cli.root import advet
from consumer.evaluation.items import ITEMS, Item, write_items
from schemas import Category, Decision
from tests.unit.evaluation.ads import ad, drawn

REVIEW, REJECT = Decision.REVIEW, Decision.REJECT


def run(*arguments: str) -> Result:
    return CliRunner().invoke(advet, ["policy", "eval", *arguments])


def plain(framed: str) -> str:
    """Words of an error without the frame around them, and without the line breaks that it makes."""
    return "".join(line.strip("│ ") for line in framed.splitlines())


def ads(folder: Path) -> list[Item]:
    picture = drawn(folder, "top.png", "TOP 1 BRAND", ("G01",))
    return [
        ad("a1", "全网销量第一的水壶", REJECT, (("G01", "销量第一"),), kind="violation"),
        ad("a2", "吊打同行", REVIEW, (("G07", "吊打"),), kind="violation"),
        ad("a3", "新品上市", pictures=(picture,), decision=REJECT, kind="violation", gold=(("G01", 0, "TOP 1"),)),
        ad("a4", "最佳食用温度8℃", kind="trap", category=Category.FOOD),
        ad("a5", "新品上市,包邮"),
        ad("a6", "大红灯笼高高挂", part="held_out"),
        ad("b1", "用了它,别人都得靠边站", REJECT, (("G07", "别人都得靠边站"),), kind="violation", set="B"),
    ]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = tmp_path / "set"
    (made / "images").mkdir(parents=True)
    write_items(ads(made), made / ITEMS)
    return made


def test_a_set_is_judged_on_words_and_through_ocr(folder: Path, tmp_path: Path) -> None:
    result = run("--set", str(folder), "--json", "--check")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["facts"]["items"] == 7
    scores = {(one["set"], one["part"], one["judge"]): one["scores"] for one in report["groups"]}
    for judge in ("rules on gold text", "rules on OCR"):
        assert scores["A", "all", judge]["decision_f1"]["value"] == 1
        assert scores["A", "all", judge]["critical_false_approve"]["value"] == 0
    assert scores["A", "all", "rules on OCR"]["boxes_hit"]["value"] == 1
    assert scores["A", "all", "always review"]["clean_review"]["value"] == 1
    assert scores["B", "all", "rules on OCR"]["decision_f1"]["value"] < 1
    assert all(bar["passed"] for bar in report["bars"] if bar["value"] is not None)
    assert len(list((tmp_path / "cache" / "advet" / "ocr").glob("*.json"))) == 1
    again = json.loads(run("--set", str(folder), "--json").stdout)
    assert again == report


def test_words_alone_need_no_picture(folder: Path, tmp_path: Path) -> None:
    result = run("--set", str(folder), "--words-only")
    assert result.exit_code == 0
    assert "Set A, words decide" in result.stdout
    assert "not measured" in result.stdout
    assert not (tmp_path / "cache").exists()


def test_a_missed_bar_is_named(folder: Path) -> None:
    write_items([*ads(folder), ad("a7", "全网销量第一")], folder / ITEMS)
    result = run("--set", str(folder), "--words-only", "--check")
    assert result.exit_code == 1
    assert "missed: decision F1 on gold text" in result.stderr
    assert run("--set", str(folder), "--words-only").exit_code == 0


def test_what_is_held_out_counts_in_the_bars_and_has_its_own_figures(folder: Path) -> None:
    write_items([*ads(folder), ad("a7", "全网销量第一", part="held_out")], folder / ITEMS)
    result = run("--set", str(folder), "--words-only", "--check", "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    scores = {
        one["part"]: one["scores"]["decision_f1"]["value"]
        for one in report["groups"]
        if (one["set"], one["judge"]) == ("A", "rules on gold text")
    }
    assert scores["held_out"] < scores["all"] < scores["tune"] == 1
    assert report["bars"][0]["value"] == scores["all"]


def test_the_report_and_its_plots_are_kept(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    assert run("--set", str(folder), "--words-only", "--out", str(out)).exit_code == 0
    assert json.loads((out / "report.json").read_text("utf-8"))["facts"]["items"] == 7
    assert {"rules-text.png", "decisions-text.png"} <= {file.name for file in out.iterdir()}


def test_without_matplotlib_there_is_everything_but_plots(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "consumer.evaluation.plots", None)
    result = run("--set", str(folder), "--words-only", "--json", "--out", str(tmp_path / "out"))
    assert result.exit_code == 3
    assert "advet[plots]" in result.stderr
    assert json.loads(result.stdout)["facts"]["items"] == 7
    assert (tmp_path / "out" / "report.json").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "empty"), ("{}\n", "line 1"), ("not json\n", "line 1"), (None, "cannot be read")],
)
def test_a_broken_set_says_what_is_wrong(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / ITEMS).write_text(content, "utf-8")
    result = run("--set", str(tmp_path), "--words-only")
    assert result.exit_code == 1
    assert words in plain(result.stderr)


def test_a_picture_that_is_none_is_named(folder: Path) -> None:
    (folder / "images" / "top.png").write_bytes(b"no picture")
    result = run("--set", str(folder))
    assert result.exit_code == 1
    assert "top.png" in plain(result.stderr)
