"""Every metric of advet: one definition each, with its kind, unit, labels and meaning. infra/METRICS.md lists them."""

from consumer.ops.metrics.definitions import Book, Definition, Distribution
from consumer.ops.metrics.gpu import GpuMetrics
from consumer.ops.metrics.lag import GroupLagMetrics, PartitionLagMetrics
from consumer.ops.metrics.run import STAGES, Metrics

__all__ = [
    "STAGES",
    "Book",
    "Definition",
    "Distribution",
    "GpuMetrics",
    "GroupLagMetrics",
    "Metrics",
    "PartitionLagMetrics",
]
