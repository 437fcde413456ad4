"""Metrics of the GPU judge; silent without one."""

from consumer.ops.metrics.definitions import Book

MEMORY_KINDS = ("total", "free", "reserved", "allocated", "others")
SOURCES = ("predicted", "observed")
PHASES = ("reserve", "vision", "prefill", "decode")
RUNGS = ("release", "halve", "alone", "smaller", "exhausted")


class GpuMetrics:
    """The card, the launches on it, and what happens when memory runs out."""

    def __init__(self, book: Book) -> None:
        memory_bytes = book.gauge(
            "advet_gpu_memory_bytes",
            "bytes",
            "Memory of the card by holder, at the last look; `others` is held by other processes.",
            {"kind": ", ".join(MEMORY_KINDS)},
        )
        self.memory_bytes = {kind: memory_bytes.labels(kind) for kind in MEMORY_KINDS}
        self.budget_bytes = book.gauge(
            "advet_gpu_budget_bytes", "bytes", "What the next launch may take, headroom kept."
        )
        self.reserved_bytes = book.gauge(
            "advet_gpu_reserved_bytes", "bytes", "Promised to the launch under way; 0 in between."
        )
        self.waiting = book.gauge("advet_gpu_waiting", "ads", "Prepared ads that wait for the card.")
        self.batch_items = book.histogram(
            "advet_gpu_batch_items", "ads", "Ads in a launch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128)
        )
        self.phase_seconds = book.histogram(
            "advet_gpu_phase_seconds",
            "seconds",
            "Time of a launch in a phase.",
            {"phase": ", ".join(PHASES)},
        )
        self.price_ratio = book.histogram(
            "advet_gpu_price_ratio",
            "ratio",
            "Observed over predicted peak bytes of a launch.",
            buckets=(0.5, 0.8, 0.9, 0.95, 0.98, 1, 1.02, 1.05, 1.1, 1.2, 1.5, 2),
        )
        self.peak_bytes = book.gauge(
            "advet_gpu_peak_bytes", "bytes", "Peak of the last launch.", {"source": ", ".join(SOURCES)}
        )
        self.ooms = book.counter(
            "advet_gpu_ooms_total", "launches", "Launches that ran out of memory.", {"phase": ", ".join(PHASES)}
        )
        self.rungs = book.counter(
            "advet_gpu_rungs_total",
            "steps",
            "Steps taken on the ladder after out of memory.",
            {"rung": ", ".join(RUNGS)},
        )
        self.starts = book.counter("advet_gpu_starts_total", "starts", "Starts of the process that holds the card.")
        for phase in PHASES:
            self.ooms.labels(phase)
        for rung in RUNGS:
            self.rungs.labels(rung)
