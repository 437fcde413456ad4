"""Lines come in the order a person reads them."""

from consumer.screening.reading_order import Line, in_reading_order


def line(text: str, x0: float, y0: float, x1: float, y1: float) -> Line:
    return Line(text, 1.0, (x0, y0, x1, y1))


def test_rows_from_the_top_each_from_the_left() -> None:
    lines = [
        line("price", 0.6, 0.11, 0.9, 0.16),
        line("foot", 0.1, 0.9, 0.5, 0.93),
        line("title", 0.1, 0.10, 0.5, 0.2),
        line("body", 0.1, 0.3, 0.5, 0.35),
    ]
    assert [found.text for found in in_reading_order(lines)] == ["title", "price", "body", "foot"]


def test_a_large_title_does_not_swallow_the_small_lines_beside_and_below_it() -> None:
    lines = [line("TITLE", 0.0, 0.0, 0.4, 0.3), line("one", 0.5, 0.1, 0.9, 0.2), line("two", 0.1, 0.31, 0.9, 0.36)]
    assert [found.text for found in in_reading_order(lines)] == ["TITLE", "one", "two"]


def test_nothing_is_lost_and_nothing_invented() -> None:
    lines = [line(str(number), number % 7 / 10, number % 5 / 10, 0.9, 0.9) for number in range(50)]
    assert sorted(found.text for found in in_reading_order(lines)) == sorted(found.text for found in lines)
    assert in_reading_order([]) == []
