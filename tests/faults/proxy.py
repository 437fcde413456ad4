"""A TCP proxy before a broker that understands just enough of the protocol to pick requests out by their kind.

It holds an EndTxn back until long after the client has given up, holds its answer back, or cuts the connection
before or after the broker got it. It can also be the whole network: everything cut and refused, or nothing passes
either way, until `mend`. Runs in a thread of its own.
"""

import asyncio
import struct
import threading
from collections import Counter

LOOPBACK = "127.0.0.1"
END_TXN = 26
HOLD_REQUEST = "hold request"
HOLD_ANSWER = "hold answer"
CUT_REQUEST = "cut before the broker has it"
CUT_ANSWER = "cut before the client has the answer"
FAULTS = (HOLD_REQUEST, HOLD_ANSWER, CUT_REQUEST, CUT_ANSWER)
LINGER_SECONDS = 3.0
"""After a request that was held, so that its answer is still seen although the client is gone."""


class Proxy:
    """`with Proxy(listen, upstream, hold_seconds) as proxy`; `arm` plans one fault for each of the next EndTxn."""

    def __init__(self, listen: int, upstream: int, hold_seconds: float) -> None:
        self._listen = listen
        self._upstream = upstream
        self._hold_seconds = hold_seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._planned: list[str] = []
        self._hit: set[object] = set()
        self._open: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self._passing = asyncio.Event()
        self._passing.set()
        self.done: Counter[str] = Counter()
        """Faults that were done."""
        self.late_errors: list[int] = []
        """What the broker answered to requests that were held: error codes."""

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def arm(self, *faults: str) -> None:
        """Each fault meets the next EndTxn of a connection that has met none."""
        self._loop.call_soon_threadsafe(self._planned.extend, faults)

    def cut(self) -> None:
        """Ends all connections and those that are tried from now on, as a firewall does that rejects."""
        self._loop.call_soon_threadsafe(self._cut)

    def silence(self) -> None:
        """Nothing passes any more, and nobody is told, as when a cable is out; `mend` brings what is on its way."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def mend(self) -> None:
        """Everything passes again."""
        self._loop.call_soon_threadsafe(self._mend)

    def _cut(self) -> None:
        self._refusing = True
        for writer in self._open:
            writer.transport.abort()

    def _mend(self) -> None:
        self._refusing = False
        self._passing.set()

    async def passes(self) -> None:
        """Returns when the network lets something through."""
        await self._passing.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, LOOPBACK, self._listen)
        self._started.set()
        await self._stop.wait()
        server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection(LOOPBACK, self._upstream)
        except OSError:
            writer.close()
            return
        ends = {writer, upstream[1]}
        self._open |= ends
        connection = _Connection(self, (reader, writer), upstream)
        try:
            async with asyncio.TaskGroup() as tasks:
                answers = tasks.create_task(connection.answers())
                await connection.requests()
                if connection.held:
                    await asyncio.sleep(LINGER_SECONDS)
                answers.cancel()
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one side has gone, so the other goes too
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    def choose(self, connection: object, api_key: int) -> str | None:
        """The fault for this request, if one is planned."""
        if api_key != END_TXN or not self._planned or connection in self._hit:
            return None
        self._hit.add(connection)
        fault = self._planned.pop(0)
        self.done[fault] += 1
        return fault

    async def hold(self) -> None:
        """Until the client has given up."""
        await asyncio.sleep(self._hold_seconds)


class _Connection:
    """One client's connection; `requests` ends with it."""

    def __init__(
        self,
        proxy: Proxy,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_broker, self._to_broker = broker
        self._faults: dict[int, str] = {}
        """By correlation id."""
        self.held = False

    async def requests(self) -> None:
        while True:
            try:
                frame = await _frame(self._from_client)
            except (asyncio.IncompleteReadError, OSError):
                return
            api_key, _, correlation = struct.unpack_from(">hhi", frame, 4)
            fault = self._proxy.choose(self, api_key)
            if fault == CUT_REQUEST:
                return
            if fault is not None:
                self._faults[correlation] = fault
            if fault == HOLD_REQUEST:
                self.held = True
                await self._proxy.hold()
            await self._proxy.passes()
            self._to_broker.write(frame)

    async def answers(self) -> None:
        while True:
            frame = await _frame(self._from_broker)
            fault = self._faults.pop(struct.unpack_from(">i", frame, 4)[0], None)
            if fault == HOLD_REQUEST:
                self._proxy.late_errors.append(struct.unpack_from(">h", frame, 12)[0])  # after the throttle time
            if fault == HOLD_ANSWER:
                await self._proxy.hold()
            if fault == CUT_ANSWER:
                self._to_client.transport.abort()
                return
            await self._proxy.passes()
            self._to_client.write(frame)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack(">i", head)[0])
