"""Where commands show what people read; what programs read goes out by itself, as JSON."""

import os
import sys
from typing import Final

from rich.console import Console

PIPED_COLUMNS: Final = 160
"""A pipe has no width. rich would take 80 columns for it, which cut ids that are there to be copied."""


def screen() -> Console:
    """Standard output: as wide as the terminal, as `COLUMNS` says, or wide enough for every table."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=PIPED_COLUMNS if piped else None)
