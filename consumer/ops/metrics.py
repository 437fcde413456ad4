"""Every metric of advet: one definition each, with its kind, unit, labels and meaning."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

STAGES = ("fetch", "decode", "ocr", "inference")
MEMORY_KINDS = ("total", "free", "reserved", "allocated", "others")
SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


class Crashing(Protocol):
    """Something whose processes can be lost."""

    @property
    def crashes(self) -> int:
        """Processes lost since the start."""
        ...


class GpuMetrics:
    """What the GPU judge exports; silent without one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        memory_bytes = Gauge(
            "advet_gpu_memory_bytes",
            "Memory of the card by holder, at the last look.",
            ["kind"],
            registry=registry,
        )
        self.memory_bytes = {kind: memory_bytes.labels(kind) for kind in MEMORY_KINDS}
        """`others`: held by other processes."""
        self.budget_bytes = Gauge(
            "advet_gpu_budget_bytes", "Bytes that the next launch may take, headroom kept.", registry=registry
        )
        self.reserved_bytes = Gauge(
            "advet_gpu_reserved_bytes", "Bytes promised to the launch under way.", registry=registry
        )
        self.waiting = Gauge("advet_gpu_waiting", "Prepared ads that wait for the GPU.", registry=registry)
        self.batch_items = Histogram(
            "advet_gpu_batch_items", "Ads in a launch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=registry
        )
        self.phase_seconds = Histogram(
            "advet_gpu_phase_seconds", "Time of a launch in a phase.", ["phase"], buckets=SECONDS, registry=registry
        )
        self.price_ratio = Histogram(
            "advet_gpu_price_ratio",
            "Observed over predicted peak bytes of a launch.",
            buckets=(0.5, 0.8, 0.9, 0.95, 0.98, 1, 1.02, 1.05, 1.1, 1.2, 1.5, 2),
            registry=registry,
        )
        self.peak_bytes = Gauge("advet_gpu_peak_bytes", "Peak of the last launch.", ["source"], registry=registry)
        """`predicted` and `observed`."""
        self.ooms = Counter("advet_gpu_ooms", "Launches that ran out of memory.", ["phase"], registry=registry)
        self.rungs = Counter(
            "advet_gpu_rungs", "Steps taken on the ladder after out of memory.", ["rung"], registry=registry
        )
        self.starts = Counter("advet_gpu_starts", "Starts of the GPU's process.", registry=registry)


class Metrics:
    """The metrics of one consumer, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.records = Counter("advet_records", "Submission records read.", registry=registry)
        self.verdicts = Counter("advet_verdicts", "Verdicts made.", ["decision"], registry=registry)
        self.dead_letters = Counter("advet_dead_letters", "Dead letters made.", ["reason", "stage"], registry=registry)
        self.withdrawals = Counter("advet_withdrawals", "Records without value, completed silently.", registry=registry)
        self.attempts = Counter("advet_attempts", "Items tried again, by error class.", ["error"], registry=registry)
        stage_seconds = Histogram(
            "advet_stage_seconds",
            "Time an item spent in a stage.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self.stages = {stage: stage_seconds.labels(stage) for stage in STAGES}
        """Of `advet_stage_seconds`; looking a label up costs more than observing."""
        self.in_flight_records = Gauge("advet_in_flight_records", "Records taken and unfinished.", registry=registry)
        self.in_flight_bytes = Gauge(
            "advet_in_flight_bytes", "Bytes held by records, downloads and pixels.", registry=registry
        )
        self.paused_partitions = Gauge(
            "advet_paused_partitions", "Assigned partitions not read now.", registry=registry
        )
        self.paused = Gauge("advet_paused", "1 while the reason pauses all partitions.", ["reason"], registry=registry)
        self.rebalances = Counter("advet_rebalances", "Assignments received from the group.", registry=registry)
        self.rejoins = Counter("advet_rejoins", "Times the group was left and joined anew.", registry=registry)
        self.transactions = Counter("advet_transactions", "Transactions committed.", registry=registry)
        self.transactions_lost = Counter(
            "advet_transactions_lost", "Transactions whose outcome was unknown.", registry=registry
        )
        self.transaction_seconds = Histogram(
            "advet_transaction_seconds", "Time from begin to commit.", buckets=SECONDS, registry=registry
        )
        self.publish_retries = Counter("advet_publish_retries", "Publishes tried again.", registry=registry)
        self.worker_crashes = Gauge(
            "advet_worker_crashes", "Worker processes lost since the start.", ["pool"], registry=registry
        )
        self.storage_out = Gauge("advet_storage_out", "1 while object storage is out.", registry=registry)
        self.breaker_open = Gauge("advet_breaker_open", "1 while the breaker is open.", registry=registry)
        self.claims = Counter("advet_claims", "Dead letters whose value went to object storage.", registry=registry)
        self.gpu = GpuMetrics(registry)
        self._reasons: frozenset[str] = frozenset()

    def count_crashes(self, pool: str, workers: Crashing) -> None:
        """Exports `workers.crashes` as they are at every scrape."""
        self.worker_crashes.labels(pool).set_function(lambda: workers.crashes)

    def show_flow(self, records_in_flight: int, paused_partitions: int, reasons: frozenset[str]) -> None:
        """Sets the gauges that follow the poll loop."""
        self.in_flight_records.set(records_in_flight)
        self.paused_partitions.set(paused_partitions)
        for reason in reasons - self._reasons:
            self.paused.labels(reason).set(1)
        for reason in self._reasons - reasons:
            self.paused.labels(reason).set(0)
        self._reasons = reasons

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self._registry)
