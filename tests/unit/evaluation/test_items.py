"""Sets on disk: what cannot be read says which line and what to do."""

import pytest

from consumer.evaluation.generator import generate
from consumer.evaluation.items import IMAGES, ITEMS, SetUnreadable, read_set, write_items
from tests.unit.evaluation.small_copy import COPY


def test_a_folder_without_a_set(tmp_path):
    with pytest.raises(SetUnreadable, match="name a folder that holds a set"):
        read_set(tmp_path)


def test_a_broken_line_is_named(tmp_path):
    write_items(generate(COPY, 3, seed=0), tmp_path / ITEMS)
    path = tmp_path / ITEMS
    lines = path.read_text("utf-8").splitlines()
    lines[1] = lines[1].replace('"kind":', '"sort":')
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(SetUnreadable, match=r"line 2: kind: .*generate the set anew"):
        read_set(tmp_path)


def test_missing_pictures_are_told(tmp_path):
    (tmp_path / IMAGES).mkdir()
    write_items(generate(COPY, 20, seed=0), tmp_path / ITEMS)
    with pytest.raises(SetUnreadable, match=r"pictures are missing, a0\d+-0\.png first"):
        read_set(tmp_path)
