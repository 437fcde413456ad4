"""What the kernel says about processes, for tests that prove that nothing is left."""

import gc
import time
from pathlib import Path


def open_descriptors(pid: int | str = "self") -> int:
    """Descriptors that a process holds."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def exists(pid: int) -> bool:
    """Whether the process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def holds(pid: int, label: str) -> bool:
    """Whether the process has a memory file of that label open."""
    try:
        return any(f"memfd:{label}" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False


def descriptors_settle_at(count: int, seconds: float = 5) -> bool:
    """Whether this process comes back to so many descriptors: urllib3 closes its connections when collected."""
    end = time.monotonic() + seconds
    while open_descriptors() > count:
        if time.monotonic() > end:
            return False
        gc.collect()
        time.sleep(0.005)
    return True
