"""OCR in its real process, on pictures drawn here: what it reads, where, and what its faults cost."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from consumer.errors import PermanentError, StartRefused, WorkerCrashed
from consumer.messages import MemoryFile, Picture
from consumer.screening.ocr import OcrReader
from consumer.settings import OcrSettings
from schemas import Reason, Stage
from tests.processes import exists, open_descriptors

Scenario = Callable[[OcrReader], Coroutine[None, None, None]]


def picture(*texts: tuple[str, int, int, int], size: tuple[int, int] = (600, 300), asset_id: str = "a") -> Picture:
    """Black text on white; each text with its left, top and height in pixels."""
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for text, left, top, height in texts:
        draw.text((left, top), text, fill="black", font=ImageFont.load_default(height))
    return of_image(image, asset_id)


def of_image(image: Image.Image, asset_id: str = "a") -> Picture:
    pixels = MemoryFile.of("pixels", image.tobytes())
    return Picture(asset_id, "0" * 64, image.width, image.height, pixels)


def on_reader(scenario: Scenario, **settings: float) -> None:
    async def run() -> None:
        reader = OcrReader(OcrSettings.model_validate(settings))
        await reader.start()
        try:
            await scenario(reader)
        finally:
            pids = reader.pids
            await reader.close()
        assert not [pid for pid in pids if exists(pid)]

    before = open_descriptors()
    asyncio.run(run())
    assert open_descriptors() == before


def test_reads_lines_in_order_with_boxes_and_confidence() -> None:
    async def scenario(reader: OcrReader) -> None:
        first = picture(("SECOND LINE", 40, 180, 40), ("FIRST", 40, 60, 40), ("RIGHT", 400, 60, 40), asset_id="one")
        blank = picture(asset_id="blank")
        last = picture(("1234567", 40, 60, 40), asset_id="two")
        lines = await reader.read([first, blank, last])
        assert [(line.asset_id, line.text.replace(" ", "")) for line in lines] == [
            ("one", "FIRST"), ("one", "RIGHT"), ("one", "SECONDLINE"), ("two", "1234567"),
        ]  # fmt: skip
        assert all(0.8 < line.confidence <= 1 for line in lines)
        x0, y0, x1, y1 = lines[1].box
        assert 0.6 < x0 < 0.72 < x1 < 1
        assert 0.15 < y0 < 0.3 < y1 < 0.42
        for drawn in (first, blank, last):
            drawn.pixels.close()

    on_reader(scenario)


def test_odd_sizes_are_read_or_empty() -> None:
    async def scenario(reader: OcrReader) -> None:
        for size in ((1, 1), (3, 900), (900, 3), (4000, 20), (31, 31)):
            blank = of_image(Image.new("RGB", size, (10, 200, 30)))
            assert isinstance(await reader.read([blank]), tuple)
            blank.pixels.close()
        large = picture(("LARGE", 200, 300, 400), size=(3600, 1200))
        (line,) = await reader.read([large])
        assert line.text == "LARGE"
        assert line.box[2] <= 1
        large.pixels.close()
        strip = picture(("A STRIP OF TEXT", 1500, 4, 40), size=(4000, 50))
        (line,) = await reader.read([strip])
        assert line.text.replace(" ", "") == "ASTRIPOFTEXT"
        assert line.box[0] == pytest.approx(0.376, abs=0.01)
        assert line.box[3] > 0.7
        strip.pixels.close()
        assert reader.crashes == 0

    on_reader(scenario, max_side=2000)


def test_every_line_of_a_long_page_is_read_once() -> None:
    async def scenario(reader: OcrReader) -> None:
        words = [f"ROW{number:02}" for number in range(24)]
        page = picture(*((text, 40, 250 * row + 90, 24) for row, text in enumerate(words)), size=(400, 6000))
        lines = await reader.read([page])
        assert [line.text for line in lines] == words
        for row, line in enumerate(lines):
            assert line.box[1] < (250 * row + 105) / 6000 < line.box[3]
        page.pixels.close()

    on_reader(scenario, max_side=2000)


def test_a_crash_or_overrun_is_tried_again_then_it_is_the_pictures_fault() -> None:
    async def scenario(reader: OcrReader) -> None:
        drawn = picture(("TEXT", 40, 60, 60))
        (pid,) = reader.pids
        os.kill(pid, signal.SIGSTOP)
        (line,) = await reader.read([drawn])
        assert line.text == "TEXT"
        assert reader.crashes == 1
        assert not exists(pid)
        drawn.pixels.close()

    on_reader(scenario, seconds=3)


def test_a_picture_that_always_takes_too_long_is_refused() -> None:
    async def scenario(reader: OcrReader) -> None:
        drawn = picture(*[("TOO MUCH TEXT TO READ", 10, 30 * row, 24) for row in range(60)], size=(2000, 2000))
        with pytest.raises(PermanentError, match="longer than") as raised:
            await reader.read([drawn])
        assert (raised.value.reason, raised.value.stage) == (Reason.CREATIVE_UNDECODABLE, Stage.OCR)
        assert reader.crashes == 2
        drawn.pixels.close()

    on_reader(scenario, seconds=0.01)


def test_a_closed_reader_blames_no_picture() -> None:
    async def run() -> None:
        reader = OcrReader(OcrSettings())
        await reader.start()
        drawn = picture(("TEXT", 40, 60, 60))
        reading = asyncio.create_task(reader.read([drawn]))
        await asyncio.sleep(0)
        await reader.close()
        with pytest.raises(WorkerCrashed):
            await reading
        drawn.pixels.close()

    asyncio.run(run())


def test_too_little_time_to_start_says_which_setting() -> None:
    reader = OcrReader(OcrSettings(start_seconds=0.01))
    with pytest.raises(StartRefused, match=r"ocr\.start_seconds"):
        asyncio.run(reader.start())


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(StartRefused, match=r"pip install 'advet\[screening\]'"):
        asyncio.run(OcrReader(OcrSettings()).start())


_OFFLINE = """
import socket, sys

def refuse(*_args, **_keywords):
    raise SystemExit("the network was touched")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from consumer.screening.ocr_worker import Recognizer

Recognizer(1, 2000)
"""


def test_the_models_are_the_bundled_ones_and_nothing_is_printed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _OFFLINE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
