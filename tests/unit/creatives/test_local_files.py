"""Files on this machine as creatives: the store's promises without a store."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from consumer.creatives.local_files import LocalFiles
from consumer.errors import PermanentError
from schemas import CreativeKind, CreativeRef, Reason

CONTENT = b"picture"


def fetch(path: Path, asset_id: str = "a", **pins: object) -> bytes:
    ref = CreativeRef.model_validate(
        {"asset_id": asset_id, "kind": CreativeKind.IMAGE, "bucket": "ads", "key": "k"} | pins
    )

    async def run() -> bytes:
        reserved: list[int] = []

        async def reserve(size_bytes: int) -> None:
            reserved.append(size_bytes)

        blob = await LocalFiles({asset_id: path}, max_object_bytes=100).fetch(ref, reserve)
        assert reserved == [len(CONTENT)]
        try:
            return blob.content.read()
        finally:
            blob.content.close()

    return asyncio.run(run())


@pytest.mark.parametrize("asset_id", ["a", "\0", "名" * 256])
def test_a_file_is_read_whatever_its_creative_is_called(tmp_path: Path, asset_id: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(CONTENT)
    assert fetch(path, asset_id, sha256=hashlib.sha256(CONTENT).hexdigest()) == CONTENT


@pytest.mark.parametrize(
    ("content", "pins", "reason"),
    [
        (None, {}, Reason.CREATIVE_MISSING),
        (bytes(101), {}, Reason.CREATIVE_TOO_LARGE),
        (CONTENT, {"sha256": "0" * 64}, Reason.CREATIVE_CHANGED),
    ],
)
def test_what_is_not_the_creative_is_refused(
    tmp_path: Path, content: bytes | None, pins: dict[str, str], reason: Reason
) -> None:
    path = tmp_path / "picture.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PermanentError) as raised:
        fetch(path, **pins)
    assert raised.value.reason is reason
