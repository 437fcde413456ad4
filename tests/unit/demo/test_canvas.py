"""The drawing surface refuses copy that would not be legible. Needs the fonts that `draw` needs."""

import pytest

from consumer.demo.canvas import Canvas, FontMissing, LayoutError, Style, font, mix


def canvas() -> Canvas:
    try:
        font("regular", 40)
    except FontMissing as error:
        pytest.skip(str(error))
    return Canvas(400, 200, "#ffffff", "#eeeeee")


def test_overlapping_text_is_refused() -> None:
    surface = canvas()
    surface.text((20, 20), "请按药品说明书", Style(24, "#000000"))
    with pytest.raises(LayoutError, match="overlaps"):
        surface.text((30, 30), "国药准字", Style(24, "#000000"))


def test_text_beyond_the_edge_is_refused() -> None:
    with pytest.raises(LayoutError, match="leaves the picture"):
        canvas().text((350, 20), "请按药品说明书", Style(24, "#000000"))


def test_a_long_line_is_made_smaller_until_it_fits() -> None:
    surface = canvas()
    style = surface.fitted("一行很长很长很长很长的字", Style(60, "#000000"), 300)
    assert surface.measure("一行很长很长很长很长的字", style) <= 301


def test_a_paragraph_never_starts_a_line_with_a_full_stop() -> None:
    surface = canvas()
    below = surface.paragraph((20, 20), "最佳食用温度是二至六度。", Style(24, "#000000"), 24 * 11.5)
    assert below == pytest.approx(20 + 24 * 1.42)


def test_mixing_colours() -> None:
    assert mix("#000000", "#ffffff", 0.5) == "#808080"
