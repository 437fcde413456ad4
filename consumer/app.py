"""The composition root: builds every part from the settings, starts them in order, stops them in reverse.

Start: HTTP and admin port → topics and transactions tried → engine, decoder and OCR processes → store → group.
Stop (SIGTERM, SIGINT): no new records → what is in flight finishes, up to `flow.drain_seconds` → offsets are
committed → the group is left → worker processes end → the HTTP port closes.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from consumer.breaker import Breaker
from consumer.claims import Claims
from consumer.creatives.decoder import Decoder
from consumer.creatives.outage import StorageWatch
from consumer.creatives.store import S3Store
from consumer.errors import StartRefused, StreamBroken, WorkerCrashed
from consumer.heartbeat import Heartbeat
from consumer.inference.choice import choose
from consumer.inference.engine import GpuEngine
from consumer.kafka.assignment import SkipRefused
from consumer.kafka.delivery import Reached, reached_nothing
from consumer.kafka.stream import Stream
from consumer.kafka.topics import require_topics
from consumer.kafka.transactions import prove_transactions
from consumer.lag.export import exporting_own
from consumer.messages import Partition
from consumer.ops.admin import Controls, operator_controls
from consumer.ops.health import Probes, probes_and_metrics
from consumer.ops.http import serving
from consumer.ops.loop import LoopWatch
from consumer.ops.metrics import Metrics
from consumer.ops.samples import Samples, samples_route, sampling
from consumer.ops.tracing import tracing
from consumer.pipeline import Parts, Pipeline, Stages
from consumer.policy.pack import load_pack
from consumer.processor import Processor
from consumer.replay.second_chance import SecondChance, as_read
from consumer.screening.engine import ScreeningEngine
from consumer.screening.ocr import OcrReader
from consumer.settings import Settings

LOOPBACK = "127.0.0.1"
log = structlog.get_logger(__name__)

GARBAGE_OBJECTS = 5_000
"""New objects between two collections. More of them, and fetched records that hang in cycles pile up."""


def build_parts(settings: Settings, metrics: Metrics) -> Parts:
    """The parts that the settings ask for; `engine.name = auto` takes the best engine this machine can run."""
    pack = load_pack(settings.policy.pack)
    words = ScreeningEngine(pack, settings.ocr, settings.flow.max_records)
    chosen = choose(settings.engine, settings.gpu)
    log.info("engine_chosen", asked=settings.engine.name, engine="gpu" if chosen.gpu else "screening", why=chosen.why)
    engine = GpuEngine(settings.gpu, pack, words, metrics) if chosen.gpu else words
    return Parts(engine, Decoder(settings.creatives), OcrReader(settings.ocr))


@asynccontextmanager
async def started(parts: Parts) -> AsyncIterator[Parts]:
    """Starts the parts; ends their processes when the block is left. Raises StartRefused."""
    async with AsyncExitStack() as running:
        everything = (parts.engine, parts.decoder, parts.reader)
        for part in everything:
            running.push_async_callback(part.close)
        try:
            await asyncio.gather(*(part.start() for part in everything))
        except WorkerCrashed as error:
            raise StartRefused(
                f"a worker process did not start: {error}. Too little memory? See creatives.decode_memory_bytes, "
                "ocr.memory_bytes and ocr.start_seconds"
            ) from error
        yield parts


def _spare_the_living() -> None:
    """Records in flight and modules are no garbage: by its defaults the collector looks through them so often that
    it costs a sixth of the stream's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)


class Consumer:
    """One `advet run`."""

    def __init__(
        self,
        settings: Settings,
        build: Callable[[Settings, Metrics], Parts] = build_parts,
        reached: Reached = reached_nothing,
    ) -> None:
        self._settings = as_read(settings)
        self._build = build
        self._reached = reached
        self._metrics = Metrics()
        self._samples = Samples(settings.samples)
        self._breaker = Breaker(settings.breaker)
        self._stream: Stream | None = None
        self._stopped = asyncio.Event()

    async def run(self) -> int:
        """Works until SIGTERM or SIGINT. Returns how many records were left unfinished for the next owner.

        Raises StartRefused, or StreamBroken when the stream fails.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        probes = Probes(started=lambda: self._stream is not None, ready=self._ready)
        controls = Controls(self._skip, self._reset_breaker)
        http, admin = self._settings.http, self._settings.admin
        async with (
            serving(
                "http", http.host, http.port, probes_and_metrics(probes, self._metrics, samples_route(self._samples))
            ),
            serving("admin", LOOPBACK, admin.port, operator_controls(controls)),
            sampling(self._samples, self._metrics.book.registry.collect),
        ):
            working = asyncio.create_task(self._work())
            stopping = asyncio.create_task(self._stopped.wait())
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if self._stream is None:
                working.cancel()
            try:
                return await working
            except asyncio.CancelledError:
                if not self._stopped.is_set():
                    raise StreamBroken("the consumer's work was cancelled, and not by a stop") from None
                return 0

    async def _work(self) -> int:
        settings = self._settings
        await require_topics(settings)
        if settings.delivery == "exactly_once":
            await prove_transactions(settings.kafka)
        async with tracing(settings) as traces, started(self._build(settings, self._metrics)) as parts:
            for pool, part in (("decode", parts.decoder), ("ocr", parts.reader)):
                self._metrics.watch_pool(pool, part)
            self._metrics.show_engine(parts.engine.fingerprint, parts.engine.policy_version)
            _spare_the_living()
            store = S3Store(settings.storage)
            await store.start()
            try:
                watch = StorageWatch(store, settings.storage.probe_seconds, self._metrics)
                stage_ended = traces.stage if traces else None
                pipeline = Pipeline(settings, Stages(store, watch, parts), self._metrics, stage_ended)
                claims = Claims(settings, store, self._metrics)
                processor = Processor(settings, pipeline, claims, self._breaker, self._metrics)
                work = processor if settings.input == "submissions" else SecondChance(processor, settings)
                traced = traces.around(work) if traces else work
                self._stream = Stream(settings, traced, self._metrics, self._reached)
                log.info("started", engine=parts.engine.fingerprint.name, policy=parts.engine.policy_version)
                holdings, ad_seconds = self._stream.holdings, self._metrics.stages["inference"].mean
                heartbeat = Heartbeat(settings, parts.engine, holdings, ad_seconds)
                async with (
                    heartbeat.beating(),
                    exporting_own(settings, self._metrics.lag, holdings),
                    LoopWatch(self._metrics).watching(),  # from here on others wait for this process
                ):
                    unfinished = await self._stream.run()
            finally:
                await store.close()
        log.info("stopped", unfinished=unfinished)
        return unfinished

    def _ready(self) -> bool:
        return self._stream is not None and self._stream.ready and not self._breaker.open

    def _skip(self, partition: Partition, offset: int, reason: str) -> None:
        if self._stream is None:
            raise SkipRefused("this consumer is still starting")
        self._stream.skip(partition, offset, reason)

    def _reset_breaker(self) -> bool:
        was_open = self._breaker.open
        self._breaker.reset()
        log.warning("breaker_reset", was_open=was_open)
        return was_open

    def _stop(self) -> None:
        log.info("stop_requested")
        self._stopped.set()
        if self._stream is not None:
            self._stream.stop()
