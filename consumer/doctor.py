"""Looks at everything `advet run` depends on and says, for each, what was seen and what to do.

Read-only: nothing is created or changed. One function a subject; each turns the errors of its subject into checks, so
that one failure never hides the others.
"""

import asyncio
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from consumer.creatives.store_check import check_bucket
from consumer.errors import StartRefused
from consumer.inference.choice import choose
from consumer.kafka.admin import admin_client
from consumer.kafka.group import GroupRefused, committed_offsets
from consumer.kafka.probe import Unreachable, addresses, ask_broker
from consumer.kafka.topics import Step, make_plan
from consumer.kafka.transactions import prove_transactions
from consumer.settings import KafkaSettings, Settings

OCR_MODULES = ("rapidocr", "onnxruntime", "cv2", "ahocorasick_rs", "zhconv")
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `advice` is empty when nothing has to be done."""

    name: str
    status: Literal["ok", "warn", "fail"]
    seen: str
    advice: str = ""


async def diagnose(settings: Settings) -> tuple[Check, ...]:
    """All checks, in the order in which they should be settled. Takes seconds at most, even if nothing answers."""
    stream, storage = await asyncio.gather(check_stream(settings), check_storage(settings))
    valid = Check("settings", "ok", "valid, and fit each other")  # or they could not have been loaded
    return (
        valid,
        *stream,
        *storage,
        check_policy(settings),
        check_ocr(),
        check_engine(settings),
        check_memory(settings),
    )


async def check_stream(settings: Settings) -> tuple[Check, ...]:
    """Brokers, topics, group. What needs a broker is skipped, and said to be, when none can be used."""
    brokers = await check_brokers(settings.kafka)
    if not any(check.status == "ok" for check in brokers):
        return (*brokers, Check("topics, group", "warn", "not checked: no broker can be used"))
    return (
        *brokers,
        *await check_topics(settings),
        await check_group(settings),
        await check_delivery(settings),
        Check(
            "readers of the output",
            "ok",
            "must use isolation level read_committed; the current verdict of a submission is the one with the highest "
            "(revision, policy_version, judged_at), not the last record",
        ),
    )


async def check_brokers(settings: KafkaSettings) -> tuple[Check, ...]:
    """Each address of kafka.bootstrap; one that fails beside others that work is a warning."""
    try:
        wanted = addresses(settings.bootstrap)
    except Unreachable as error:
        return (Check("broker", "fail", error.seen, error.advice),)
    checks = await asyncio.gather(*(_check_broker(host, port, settings) for host, port in wanted))
    if any(check.status == "ok" for check in checks):
        return tuple(Check(c.name, "warn" if c.status == "fail" else c.status, c.seen, c.advice) for c in checks)
    return tuple(checks)


async def _check_broker(host: str, port: int, settings: KafkaSettings) -> Check:
    name = f"broker {host}:{port}"
    try:
        facts = await ask_broker(host, port, settings)
    except Unreachable as error:
        return Check(name, "fail", error.seen, error.advice)
    except StartRefused as error:
        return Check(name, "fail", str(error), "correct the file that the setting names")
    return Check(name, "ok", f"cluster {facts.cluster_id} with {facts.brokers} broker{'s'[: facts.brokers != 1]}")


async def check_topics(settings: Settings) -> tuple[Check, ...]:
    """Existence, partitions, largest record, cleanup and replication, by the plan that `advet topics apply` follows."""
    try:
        async with admin_client(settings.kafka) as admin:
            steps = await make_plan(admin, settings, None)
    except StartRefused as error:
        return (Check("topics", "fail", str(error), "grant Describe and DescribeConfigs on advet's topics"),)
    return tuple(_topic_check(step) for step in steps)


def _topic_check(step: Step) -> Check:
    name = f"topic {step.topic}"
    match step.kind:
        case "create":
            return Check(name, "fail", "missing", f"`advet topics apply` creates it ({step.detail})")
        case "raise":
            return Check(name, "fail", f"a limit is too low: {step.detail}", "`advet topics apply` raises it")
        case "differs":
            return Check(name, "warn", step.detail, "settle it by hand")
        case "ok":
            return Check(name, "ok", step.detail)


async def check_group(settings: Settings) -> Check:
    """The consumer group: may it be used, and where would it start?"""
    name = f"group {settings.kafka.group}"
    try:
        offsets = await committed_offsets(settings.kafka, settings.topics.submissions)
    except (StartRefused, GroupRefused) as error:
        return Check(name, "fail", str(error), "grant Read on the group and on the input topic")
    fresh = sum(offset is None for offset in offsets.values())
    if fresh:
        return Check(name, "ok", f"{fresh} of {len(offsets)} partitions without commit: start {settings.kafka.start}")
    return Check(name, "ok", f"has committed offsets of all {len(offsets)} partitions")


async def check_delivery(settings: Settings) -> Check:
    """Whether the broker can keep the promise that `delivery` makes."""
    name = f"delivery {settings.delivery}"
    if settings.delivery == "at_least_once":
        return Check(name, "ok", "needs no transactions; after a crash an ad may be judged twice")
    try:
        await prove_transactions(settings.kafka)
    except StartRefused as error:
        return Check(name, "fail", str(error), "see the message; `delivery` is the setting")
    return Check(name, "ok", "the broker does transactions")


async def check_storage(settings: Settings) -> tuple[Check, ...]:
    """Each bucket that submissions may name, and the one for values of dead letters that do not fit."""
    claims = settings.storage.claims_bucket
    buckets = dict.fromkeys((*settings.storage.buckets, *([claims] if claims else [])))
    states = await asyncio.gather(*(asyncio.to_thread(check_bucket, settings.storage, bucket) for bucket in buckets))
    return tuple(
        Check(f"bucket {bucket}", "ok" if state.usable else "fail", state.seen, state.advice)
        for bucket, state in zip(buckets, states, strict=True)
    )


def check_policy(settings: Settings) -> Check:
    """Whether the policy pack loads."""
    from consumer.policy.pack import load_pack  # late: what it needs is an extra

    try:
        pack = load_pack(settings.policy.pack)
    except StartRefused as error:
        return Check("policy pack", "fail", str(error), "correct the pack, or leave policy.pack empty")
    return Check("policy pack", "ok", f"version {pack.version}")


def check_ocr() -> Check:
    """Whether what reads and judges pictures is installed."""
    missing = [module for module in OCR_MODULES if importlib.util.find_spec(module) is None]
    if missing:
        return Check("OCR and rules", "fail", f"missing: {', '.join(missing)}", "pip install 'advet[screening]'")
    return Check("OCR and rules", "ok", "installed")


def check_engine(settings: Settings) -> Check:
    """Which judge `advet run` would take; whether the card has room for the weights shows when they are loaded."""
    name = f"engine {settings.engine.name}"
    try:
        chosen = choose(settings.engine, settings.gpu)
    except StartRefused as error:
        return Check(name, "fail", str(error), "correct gpu.model or gpu.device, or set engine.name to auto")
    if not chosen.gpu or settings.gpu.model is None:
        return Check(name, "ok", f"rules and OCR on the CPU ({chosen.why})")
    folder = Path(settings.gpu.model)
    if folder.is_absolute() and not (folder / "config.json").is_file():
        advice = "gpu.model is a folder with config.json, tokenizer and weights, or an id of the hub"
        return Check(name, "fail", f"there is no model in {folder}", advice)
    return Check(name, "ok", f"Qwen2-VL from {settings.gpu.model} on {settings.gpu.device}:{settings.gpu.index}")


def check_memory(settings: Settings) -> Check:
    """Memory that is free now against the limits of the processes that this consumer would start."""
    decoders = settings.creatives.decoders * settings.creatives.decode_memory_bytes
    limits = decoders + settings.ocr.workers * settings.ocr.memory_bytes + settings.flow.max_bytes
    free = free_memory_bytes()
    seen = f"{free / GIB:.1f} GiB free; decoders, OCR and records may take up to {limits / GIB:.1f} GiB"
    if free < limits:
        advice = (
            "lower creatives.decoders, creatives.decode_memory_bytes, ocr.workers or ocr.memory_bytes, or add memory"
        )
        return Check("memory", "warn", seen, advice)
    return Check("memory", "ok", seen)


def free_memory_bytes() -> int:
    """What the machine has available, or what is left of the container's limit if that is less."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    available = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text(encoding="ascii").strip()) != "max":
        return min(available, int(text) - int(used.read_text(encoding="ascii")))
    return available


def failed(checks: Iterable[Check]) -> bool:
    """Whether `advet run` would not work."""
    return any(check.status == "fail" for check in checks)
