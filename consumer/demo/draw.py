"""Draws the demo's pictures anew: `python -m consumer.demo.draw OUT` (needs fontconfig and Noto CJK fonts).

The results are committed beside this file, so nobody who runs the demo needs fonts. The copy is `ads.json`.
"""

import sys
from pathlib import Path

from PIL import Image

from consumer.demo.ads import designs
from consumer.demo.canvas import FontMissing
from consumer.demo.layouts import Design, compose


def save(picture: Image.Image, path: Path) -> None:
    """Writes PNG, JPEG or WebP, by the name's suffix; PNG with a palette, which halves it."""
    if path.suffix == ".png":
        picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG).save(
            path, optimize=True
        )
    elif path.suffix == ".jpg":
        picture.save(path, quality=86, optimize=True, progressive=True)
    else:
        picture.save(path, quality=84, method=6)


def draw(design: Design, folder: Path) -> Path:
    """One picture into `folder`; returns its path."""
    path = folder / design.file
    save(compose(design).finish(), path)
    return path


def main(arguments: list[str]) -> int:
    """Draws all pictures, or those whose file names are given after the folder."""
    if not arguments:
        print("usage: python -m consumer.demo.draw OUT [FILE…]", file=sys.stderr)
        return 2
    folder, wanted = Path(arguments[0]), set(arguments[1:])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        paths = [draw(design, folder) for design in designs() if not wanted or design.file in wanted]
    except FontMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(paths)} pictures, {sum(path.stat().st_size for path in paths) / 1e6:.2f} MB in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
