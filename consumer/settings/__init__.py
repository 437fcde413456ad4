"""Settings: what there is (`model`) and where values come from (`sources`)."""

from consumer.settings.model import (
    DEAD_LETTER_ROOM_BYTES,
    MIB,
    AdminSettings,
    BreakerSettings,
    CreativeSettings,
    FlowSettings,
    Group,
    HttpSettings,
    KafkaSettings,
    LogSettings,
    OcrSettings,
    PolicySettings,
    Settings,
    StorageSettings,
    TopicSettings,
)
from consumer.settings.sources import CONFIG_VARIABLE, Loaded, Setting, leaves, load

__all__ = [
    "CONFIG_VARIABLE",
    "DEAD_LETTER_ROOM_BYTES",
    "MIB",
    "AdminSettings",
    "BreakerSettings",
    "CreativeSettings",
    "FlowSettings",
    "Group",
    "HttpSettings",
    "KafkaSettings",
    "Loaded",
    "LogSettings",
    "OcrSettings",
    "PolicySettings",
    "Setting",
    "Settings",
    "StorageSettings",
    "TopicSettings",
    "leaves",
    "load",
]
