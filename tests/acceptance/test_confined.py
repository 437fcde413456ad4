"""The judge, its decoders and OCR in what infra gives them: a read-only root, an empty small /tmp, no /dev/shm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PICTURE = Path(__file__).parents[2] / "consumer" / "demo" / "pictures" / "finance-guaranteed.webp"
SECONDS = 120
TMP_MIB = 16
"""Far below what the manifests give, which is for libraries that change their minds."""
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")
CONFINED = f"""
set -eu
mount --bind "$1" /mnt
mount -t tmpfs -o size={TMP_MIB}m tmpfs /tmp
if [ ! -e "$1" ]; then # it lies below /tmp
    mkdir -p "$1"
    mount --bind /mnt "$1"
    mount -o remount,bind,ro "$1"
fi
mount -t tmpfs -o size=4k,ro tmpfs /dev/shm
awk '$2 !~ "^/(proc|sys|dev|tmp)(/|$)" {{print $2}}' /proc/mounts | sort -u | while read -r place; do
    mount -o remount,bind,ro "$place" 2>/dev/null || true # some mounts of a container are not ours to change
done
for place in / "$1" "$HOME"; do
    if touch "$place/written" 2>/dev/null; then echo "$place can be written" >&2; exit 1; fi
done
shift
cd /
exec env -i HOME=/tmp PATH="$PATH" PYTHONDONTWRITEBYTECODE=1 "$@"
"""


@pytest.fixture
def confined() -> None:
    """Skips where a user may make no namespaces of his own, as in many containers."""
    if (
        shutil.which("unshare") is None
        or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("unshare --user --mount is not possible here")


def test_an_ad_is_judged(confined: None) -> None:
    """A picture: through the decoder's process, OCR's, and memory files between them."""
    judge = [sys.executable, "-m", "consumer", "judge", "--image", str(PICTURE), "--category", "finance", "--json"]
    here = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", CONFINED, "sh", here, *judge],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["decision"] == "reject"
    assert any(violation["evidence"].get("bbox") for violation in verdict["violations"])
