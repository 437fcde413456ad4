"""Settings: what there is (`model`) and where values come from (`sources`)."""

from consumer.settings.group import MIB, Group
from consumer.settings.model import (
    DEAD_LETTER_ROOM_BYTES,
    AdminSettings,
    BreakerSettings,
    CreativeSettings,
    EngineSettings,
    FlowSettings,
    GpuSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    OcrSettings,
    PolicySettings,
    Settings,
    StorageSettings,
    TopicSettings,
)
from consumer.settings.observing import LagSettings, SampleSettings, TracingSettings
from consumer.settings.sources import CONFIG_VARIABLE, Loaded, Setting, leaves, load

__all__ = [
    "CONFIG_VARIABLE",
    "DEAD_LETTER_ROOM_BYTES",
    "MIB",
    "AdminSettings",
    "BreakerSettings",
    "CreativeSettings",
    "EngineSettings",
    "FlowSettings",
    "GpuSettings",
    "Group",
    "HttpSettings",
    "KafkaSettings",
    "LagSettings",
    "Loaded",
    "LogSettings",
    "OcrSettings",
    "PolicySettings",
    "SampleSettings",
    "Setting",
    "Settings",
    "StorageSettings",
    "TopicSettings",
    "TracingSettings",
    "leaves",
    "load",
]
