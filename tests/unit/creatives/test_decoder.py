"""Decoding hostile and odd files in real processes: each gives its reason or its right pixels, and no harm."""

import asyncio
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from consumer.creatives.decoder import Decoder
from consumer.errors import PermanentError, WorkerCrashed
from consumer.messages import Blob, HeaderFacts, MemoryFile
from consumer.settings import CreativeSettings
from consumer.workers.pool import WorkersUnavailable
from schemas import Reason, Stage
from tests.hostile import OddImage, damaged_images, encoded, hostile_images, odd_but_valid_images, png, quarters
from tests.processes import exists, holds, open_descriptors

SEED = 20261122


class Bench:
    """A started decoder and what came out of it."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    async def judge(self, content: bytes) -> tuple[HeaderFacts, bytes]:
        """Facts and pixels; every file it makes is closed again."""
        blob = Blob("a", MemoryFile.of("test", content), "0" * 64)
        try:
            facts = await self.decoder.inspect(blob)
            picture = await self.decoder.decode(blob, facts)
            try:
                assert (picture.width, picture.height) == (facts.width, facts.height)
                return facts, picture.pixels.read()
            finally:
                picture.pixels.close()
        finally:
            blob.content.close()

    async def refusal(self, content: bytes) -> PermanentError:
        with pytest.raises(PermanentError) as raised:
            await self.judge(content)
        return raised.value


Scenario = Callable[[Bench], Coroutine[None, None, None]]


def on_decoder(scenario: Scenario, **settings: float) -> None:
    """Runs the scenario and proves that it left no descriptor, process or temporary file."""

    async def run() -> None:
        decoder = Decoder(CreativeSettings(**{"decoders": 1, **settings}))
        await decoder.start()
        try:
            await scenario(Bench(decoder))
            facts, _pixels = await Bench(decoder).judge(encoded(quarters(), "PNG"))
            assert facts.width == 64
        finally:
            pids = decoder.pids
            await decoder.close()
        assert not [pid for pid in pids if exists(pid)]

    def left() -> tuple[int, set[Path]]:
        return open_descriptors(), set(Path(tempfile.gettempdir()).glob("tmp*"))

    before = left()
    asyncio.run(run())
    assert left() == before


def test_every_hostile_image_is_refused_with_its_reason() -> None:
    async def scenario(bench: Bench) -> None:
        wrong = {}
        for name, (content, reason) in hostile_images().items():
            try:
                await bench.judge(content)
                wrong[name] = "decoded"
            except PermanentError as error:
                if error.reason is not reason or " /" in error.message or "0x" in error.message:
                    wrong[name] = f"{error.reason} at {error.stage}: {error.message}"
        assert wrong == {}
        assert bench.decoder.crashes == 0

    on_decoder(scenario)


def unlike(image: OddImage, facts: HeaderFacts, pixels: bytes) -> str | None:
    """What came out wrong, if anything."""
    if (facts.width, facts.height, facts.frames) != (*image.size, image.frames):
        return f"{facts}"
    for (x, y), colour in image.colours.items():
        at = (y * facts.width + x) * 3
        seen = tuple(pixels[at : at + 3])
        if any(abs(one - other) > image.tolerance for one, other in zip(seen, colour, strict=True)):
            return f"at {x},{y}: {seen}, not {colour}"
    return None


def test_every_odd_image_comes_out_right() -> None:
    async def scenario(bench: Bench) -> None:
        wrong = {}
        for name, image in odd_but_valid_images().items():
            try:
                fault = unlike(image, *await bench.judge(image.content))
            except PermanentError as error:
                fault = error.message
            if fault is not None:
                wrong[name] = fault
        assert wrong == {}

    on_decoder(scenario)


def test_damaged_files_decode_or_are_refused_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    async def scenario(bench: Bench) -> None:
        reasons = Counter[str]()
        for _name, content in damaged_images(SEED, 300):
            try:
                await bench.judge(content)
            except PermanentError as error:
                reasons[error.reason] += 1
        assert reasons[Reason.CREATIVE_UNDECODABLE] > 50
        assert set(reasons) <= {
            Reason.CREATIVE_UNDECODABLE,
            Reason.CREATIVE_UNSUPPORTED,
            Reason.CREATIVE_TOO_LARGE,
        }

    on_decoder(scenario)
    assert capfd.readouterr() == ("", "")


def test_the_worker_keeps_no_descriptors() -> None:
    async def scenario(bench: Bench) -> None:
        (pid,) = bench.decoder.pids
        contents = [encoded(quarters(), name) for name in ("TIFF", "WebP", "GIF", "JPEG")]
        contents += [encoded(quarters(), "TIFF", compression="tiff_lzw"), b"II*\0broken"]
        counts = []
        for _ in range(20):
            for content in contents:
                try:
                    await bench.judge(content)
                except PermanentError:
                    continue
            counts.append(open_descriptors(pid))
        assert counts[-1] == counts[0]

    on_decoder(scenario)


def test_a_file_that_takes_too_long_is_refused_and_its_process_replaced() -> None:
    async def scenario(bench: Bench) -> None:
        (pid,) = bench.decoder.pids
        os.kill(pid, signal.SIGSTOP)
        error = await bench.refusal(encoded(quarters(), "PNG"))
        assert error.reason is Reason.CREATIVE_UNDECODABLE
        assert "longer than 1 s" in error.message
        assert not exists(pid)
        assert bench.decoder.crashes == 1

    on_decoder(scenario, decode_seconds=1)


async def kill_while_decoding(decoder: Decoder, killed: set[int]) -> None:
    """Kills the decoder that holds a picture's pixels, once."""
    async with asyncio.timeout(20):
        while not (busy := {pid for pid in decoder.pids - killed if holds(pid, "pixels")}):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    for pid in busy:
        os.kill(pid, signal.SIGKILL)
    killed |= busy


def test_a_crash_is_tried_once_more_on_a_fresh_process() -> None:
    async def scenario(bench: Bench) -> None:
        decoding = asyncio.create_task(bench.judge(_slow_png()))
        await kill_while_decoding(bench.decoder, set())
        facts, pixels = await decoding
        assert len(pixels) == facts.pixels * 3
        assert bench.decoder.crashes == 1

    on_decoder(scenario)


def test_a_file_that_crashes_two_processes_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        killed: set[int] = set()
        decoding = asyncio.create_task(bench.refusal(_slow_png()))
        await kill_while_decoding(bench.decoder, killed)
        await kill_while_decoding(bench.decoder, killed)
        error = await decoding
        assert (error.reason, error.stage) == (Reason.CREATIVE_UNDECODABLE, Stage.DECODE)
        assert "twice" in error.message
        assert bench.decoder.crashes == 2

    on_decoder(scenario)


def _slow_png() -> bytes:
    """Takes a decoder some tenths of a second."""
    return encoded(quarters(size=(3500, 3500)), "PNG", compress_level=1)


def test_a_file_that_needs_too_much_memory_is_refused_and_its_process_lives() -> None:
    async def scenario(bench: Bench) -> None:
        content = encoded(quarters(size=(9000, 9000)), "PNG")
        error = await bench.refusal(content)
        assert (error.reason, error.stage) == (Reason.CREATIVE_UNDECODABLE, Stage.DECODE)
        assert "memory" in error.message
        assert bench.decoder.crashes == 0

    on_decoder(scenario, decode_memory_bytes=256 * 1024 * 1024, max_pixels=100_000_000)


def test_the_limits_of_the_gate_are_exact() -> None:
    async def scenario(bench: Bench) -> None:
        facts, _pixels = await bench.judge(encoded(quarters(size=(40, 20)), "PNG"))
        assert facts.pixels == 800
        error = await bench.refusal(encoded(quarters(size=(89, 9)), "PNG"))
        assert (error.reason, error.stage) == (Reason.CREATIVE_TOO_LARGE, Stage.GATE)
        assert "801 pixels" in error.message

    async def run() -> None:
        decoder = Decoder(CreativeSettings(decoders=1, max_pixels=800))
        await decoder.start()
        try:
            await scenario(Bench(decoder))
        finally:
            await decoder.close()

    asyncio.run(run())


def test_a_picture_unlike_its_facts_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        blob = Blob("a", MemoryFile.of("test", encoded(quarters(), "PNG")), "0" * 64)
        lie = HeaderFacts("a", "image/png", 1, 10, 10, 1)
        with pytest.raises(PermanentError, match="header says 10×10"):
            await bench.decoder.decode(blob, lie)
        blob.content.close()

    on_decoder(scenario)


def test_a_closed_decoder_blames_no_file() -> None:
    async def run() -> None:
        decoder = Decoder(CreativeSettings(decoders=1))
        await decoder.start()
        blob = Blob("a", MemoryFile.of("test", _slow_png()), "0" * 64)
        facts = await decoder.inspect(blob)
        decoding = asyncio.create_task(decoder.decode(blob, facts))
        await asyncio.sleep(0)
        await decoder.close()
        with pytest.raises(WorkersUnavailable):
            await decoding
        with pytest.raises(WorkerCrashed):
            await decoder.decode(blob, facts)
        blob.content.close()

    asyncio.run(run())


def test_a_png_is_not_decoded_to_inspect_it() -> None:
    async def scenario(bench: Bench) -> None:
        blob = Blob("a", MemoryFile.of("test", png(3000, 3000, idat=b"not even compressed")), "0" * 64)
        facts = await bench.decoder.inspect(blob)
        assert (facts.width, facts.height) == (3000, 3000)
        blob.content.close()

    on_decoder(scenario)
