"""Rendered pictures: the words stand where the gold boxes say, under every perturbation."""

import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from consumer.demo import canvas
from consumer.demo.canvas import FontMissing, LayoutError
from consumer.evaluation.copy import Scene
from consumer.evaluation.generator import GOODS
from consumer.evaluation.items import IMAGES, Design, Item, ItemPicture, Metadata, Passage
from consumer.evaluation.layouts import LAYOUTS, lay_out
from consumer.evaluation.perturbations import PICTURE
from consumer.evaluation.render import file_name, lines_of, paint, render
from consumer.evaluation.scenes import SCENES, draw_scene
from schemas import Category, Decision, Media

PASSAGES = (
    Passage("清宁胃舒片", "headline"),
    Passage("服用清宁,三天根治多年老胃病,再也不用担心", "copy", ("M01",), "三天根治多年老胃病"),
    Passage("用于胃酸过多引起的胃部不适", "copy"),
    Passage("禁忌:孕妇禁用。不良反应:尚不明确。", "notice"),
    Passage("请按药品说明书或者在药师指导下购买和使用", "notice"),
)
CASES = [(None, 0), *((name, strength) for name in PICTURE for strength in (1, 2, 3))]


def design(layout: str = "hero", *, scene: str = "", passages=PASSAGES) -> Design:
    return Design(layout, "sky", "regular", "pill_box", scene, passages, "seed")


@pytest.mark.parametrize(("perturbation", "strength"), CASES)
@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_boxes_hold_the_letters_and_little_else(layout, perturbation, strength):
    width, height, lines = lines_of(design(layout), perturbation, strength)
    picture = paint(design(layout), perturbation, strength)
    assert picture.size == (width, height)
    for line in lines:
        x0, y0, x1, y1 = line.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        dark, light = greys(picture, line.box)
        assert light - dark >= 12, line.text
        # what stands around is ground or panel, never letters that the box has missed
        around = greys(picture, (max(0, x0 - 3), max(0, y0 - 3), x1 + 3, y1 + 3))
        assert around[0] >= dark - 6 or perturbation == "vertical", line.text


def greys(picture, box) -> tuple[int, int]:
    """The darkest and the lightest pixel of a region."""
    x0, y0, x1, y1 = box
    region = np.asarray(picture.convert("L"))[y0:y1, x0:x1]
    return int(region.min()), int(region.max())


def test_ink_reaches_every_side_of_a_box():
    picture = paint(design(), None, 0)
    for line in lines_of(design(), None, 0)[2]:
        x0, y0, x1, y1 = line.box
        side = (y1 - y0) // 4  # a line's width is its advance: the blank beside a character belongs to it
        strips = [(x0, y0, x0 + side, y1), (x0, y0, x1, y0 + 4), (x0, y1 - 4, x1, y1)]
        if not line.text.endswith("。"):
            strips.append((x1 - side, y0, x1, y1))
        for strip in strips:
            dark, light = greys(picture, strip)
            assert light - dark >= 10, (line.text, strip)


@pytest.mark.parametrize("perturbation", [None, "vertical", "rotation"])
def test_lines_that_hold_the_quote_carry_its_rule(perturbation):
    _, _, lines = lines_of(design(), perturbation, 2 if perturbation else 0)
    marked = "".join(line.text for line in lines if line.rules == ("M01",))
    assert "三天根治多年老胃病" in marked
    assert "胃酸过多" not in marked
    assert any(line.rules == () for line in lines)


def test_all_words_are_placed_in_order():
    text = "".join(line.text for line in lines_of(design("feed"), None, 0)[2])
    assert text == "广告" + "".join(passage.text for passage in PASSAGES)


def test_no_line_begins_with_a_full_stop():
    long = Passage("一二三四五六七八九十," * 12, "copy")
    _, _, lines = lines_of(design("card", passages=(long,)), None, 0)
    assert len(lines) > 3
    assert not any(line.text.startswith(",") for line in lines)


def test_copy_that_does_not_fit_is_refused():
    with pytest.raises(LayoutError, match="shorten the copy"):
        lay_out(design(passages=(Passage("长" * 2000, "copy"),)))


def test_every_product_that_may_be_shown_can_be_drawn():
    plain = paint(replace(design(), product="tin"), None, 0).tobytes()
    for product in {name for names in GOODS.values() for name in names} - {"tin"}:
        assert paint(replace(design(), product=product), None, 0).tobytes() != plain, product


def test_small_and_pale_notices_are_hard_to_read():
    plain, small, pale = (lay_out(design("hero", scene=scene)) for scene in ("", "small_notice", "pale_notice"))
    assert small.placed[-1].size < plain.placed[-1].size / 2
    assert pale.placed[-1].color > "#d0d0d0"


def test_every_scene_is_drawn_and_no_two_alike_that_should_differ():
    drawn = {scene: draw_scene(scene, 120, 90).tobytes() for scene in Scene}
    assert set(SCENES) == set(Scene)
    assert len(set(drawn.values())) == len(Scene) - 1  # small and pale notices show the same product
    assert draw_scene(Scene.FLAG, 120, 90).size == (90, 90)


def test_files_are_png_but_jpeg_where_jpeg_is_the_disguise(tmp_path):
    (tmp_path / IMAGES).mkdir()
    for perturbation, strength, form in ((None, 0, "PNG"), ("blur_jpeg", 3, "JPEG")):
        width, height, lines = lines_of(design(), perturbation, strength)
        file = file_name("x", perturbation)
        item = Item(
            "x", "t", "A", "tune", "violation", Category.DRUG_OTC, Metadata(Media.INTERNET), "", "",
            (ItemPicture(file, width, height, lines, design()),), ("M01",), (), Decision.REJECT, perturbation, strength,
        )  # fmt: skip
        render(item, tmp_path)
        with Image.open(tmp_path / IMAGES / file) as picture:
            assert picture.format == form
            assert picture.size == (width, height)


def test_without_the_fonts_the_error_says_what_to_install(monkeypatch, tmp_path):
    program = tmp_path / "fc-match"
    program.write_text("#!/bin/sh\necho 'DejaVu Sans|/none|0'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(FontMissing, match="fonts-noto-cjk"):
        canvas.font("bold", random.randint(1000, 9000))
