"""How the person at the terminal calls this program, for messages that say what to type next."""

import shlex
import shutil
import sys
from pathlib import Path


def command_line(*arguments: str) -> str:
    """`advet …` as it can be pasted into another terminal: by its path where `advet` alone would not find it."""
    own = Path(sys.executable).parent / "advet"
    found = shutil.which("advet")
    known = not own.exists() or (found is not None and Path(found).resolve() == own.resolve())
    return shlex.join(["advet" if known else str(own), *arguments])
