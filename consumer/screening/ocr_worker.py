"""The OCR process: `python -m consumer.screening.ocr_worker <fd> <memory_bytes> <threads> <max_side>`.

A request `{"width", "height"}` comes with the descriptors of the pixels (8-bit RGB) and of an empty file;
the lines go into that file as a JSON array of `[text, confidence, x0, y0, x1, y1]`, boxes as fractions, in
reading order; the answer is `{"size_bytes"}`. The models are the ones in the wheel: nothing is downloaded.
"""

import json
import logging
import mmap
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import rapidocr
from rapidocr.inference_engine.onnxruntime.main import ONNXRuntimeError
from rapidocr.utils.output import RapidOCROutput

from consumer.screening.reading_order import MAX_LINE_CHARS, MAX_LINES, Line, in_reading_order
from consumer.screening.tiles import Tile, scale_of, tiles_of
from consumer.workers.channel import Answer, Request, limit_memory, serve

MAX_ASPECT = 8
_MODELS = {
    "Det": "PP-OCRv6_det_small.onnx",
    "Cls": "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "Rec": "PP-OCRv6_rec_small.onnx",
}
_LINE_PX = 48
"""Height to which recognition scales a line, and the least width."""
_WARM_UP_TEXT = "advet"


class Recognizer:
    """rapidocr with its bundled models, loaded and warmed up."""

    def __init__(self, threads: int, max_side: int) -> None:
        folder = Path(rapidocr.__file__).parent / "models"
        parameters: dict[str, object] = {
            "Global.text_score": 0.0,  # a line too faint to read must still tell that something is there
            "Global.max_side_len": max_side,
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # each line in its own width: filling up to 320 pixels and to the longest of six costs a quarter of the
            # time of a picture, and characters
            "Rec.rec_batch_num": 1,
            "Rec.rec_img_shape": [3, _LINE_PX, _LINE_PX],
        }
        # a path given is used as it is; without one rapidocr verifies, and would download
        parameters |= {f"{part}.model_path": str(folder / name) for part, name in _MODELS.items()}
        self._engine = rapidocr.RapidOCR(params=parameters)
        self._max_side = max_side
        canvas = np.full((64, 256, 3), 255, np.uint8)
        cv2.putText(canvas, _WARM_UP_TEXT, (8, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.4, (0, 0, 0), 3)
        self.read(canvas)  # models load on first use

    def read(self, pixels: np.ndarray) -> list[Line]:
        """Lines of a picture (height × width × 3, RGB), in reading order."""
        height, width = pixels.shape[:2]
        scale = scale_of(width, height, self._max_side)
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        height, width = pixels.shape[:2]
        tiles = tiles_of(width, height, self._max_side)
        return in_reading_order([line for tile in tiles for line in self._lines(pixels, tile)])

    def _lines(self, pixels: np.ndarray, tile: Tile) -> Iterator[Line]:
        height, width = pixels.shape[:2]
        part = _widened(pixels[tile.top : tile.bottom])
        result = self._engine(cv2.cvtColor(part, cv2.COLOR_RGB2BGR))
        if not isinstance(result, RapidOCROutput) or result.boxes is None or not result.txts or not result.scores:
            return
        origin = np.array((0, tile.top))
        for corners, text, confidence in zip(result.boxes, result.txts, result.scores, strict=True):
            left_top, right_bottom = corners.min(axis=0) + origin, corners.max(axis=0) + origin
            if not tile.first <= (left_top[1] + right_bottom[1]) / 2 <= tile.last:
                continue
            x0, y0 = np.clip(left_top / (width, height), 0, 1)
            x1, y1 = np.clip(right_bottom / (width, height), 0, 1)
            box = (float(x0), float(y0), float(x1), float(y1))
            yield Line(text[:MAX_LINE_CHARS], float(np.clip(confidence, 0, 1)), box)


def _widened(pixels: np.ndarray) -> np.ndarray:
    """A strip gets white beside it: detection scales the shorter side up to 736, which would make a strip huge."""
    height, width = pixels.shape[:2]
    least = -(-max(height, width) // MAX_ASPECT)
    missing = max(0, least - height), max(0, least - width)
    if not any(missing):
        return pixels
    return cv2.copyMakeBorder(pixels, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))


def answer(recognizer: Recognizer, request: Request, fds: Sequence[int]) -> Answer:
    """Reads one picture; at most MAX_LINES lines of MAX_LINE_CHARS, the first in reading order."""
    pixels_fd, lines_fd = fds
    height, width = request["height"], request["width"]
    try:
        with mmap.mmap(pixels_fd, height * width * 3, prot=mmap.PROT_READ) as content:
            lines = recognizer.read(np.frombuffer(content, np.uint8).reshape(height, width, 3).copy())
    except MemoryError:
        return {"failure": "it needs more memory than one picture may"}
    except (ONNXRuntimeError, cv2.error) as error:  # among them these libraries' own ways to run out of memory
        return {"failure": f"the recognizer raised {type(error).__name__}"}
    rows = [[line.text, round(line.confidence, 4), *line.box] for line in lines[:MAX_LINES]]
    content_bytes = json.dumps(rows, ensure_ascii=False, allow_nan=False).encode()
    with os.fdopen(os.dup(lines_fd), "wb") as file:
        file.write(content_bytes)
    return {"size_bytes": len(content_bytes)}


def main() -> None:
    """Takes the limits from the command line, loads the models and serves until the parent is gone."""
    socket_fd, memory_bytes, threads, max_side = (int(argument) for argument in sys.argv[1:])
    limit_memory(memory_bytes)
    logging.disable()
    cv2.setNumThreads(threads)
    recognizer = Recognizer(threads, max_side)
    serve(socket_fd, lambda request, fds: answer(recognizer, request, fds))


if __name__ == "__main__":
    main()
