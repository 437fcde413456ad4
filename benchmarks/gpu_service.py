"""The whole service on the GPU: `python -m benchmarks.gpu_service --model FOLDER --out FILE.json`.

Broker and store on this machine, `advet run` as its own process, the demo's ads over and over under new names,
verdicts read back by a reader of its own. Beside it the engine alone, with pictures of the same sizes prepared before.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.gpu.ads import AdPlan
from benchmarks.gpu.sweep import launchables
from benchmarks.gpu_memory import machine
from consumer.demo.ads import PICTURES, ads
from consumer.inference import prompt
from consumer.inference.gpu_process import GpuProcess, Opening
from consumer.inference.ladder import Standing
from consumer.inference.launches import Launches
from consumer.inference.preparing import Preparing
from consumer.kafka.reader import OutcomeReader, Unreadable
from consumer.local.process import Child, Program, free_ports
from consumer.local.stack import BUCKET, LocalStack, StackPlan
from consumer.ops.metrics import Metrics
from consumer.policy.pack import load_pack
from consumer.settings import GpuSettings
from consumer.submit import AdCopy, Outgoing, build_submission, submit
from schemas import AdVerdict

READY_SECONDS = 500.0
DEADLINE_SECONDS = 400.0


def outgoing(name: str, count: int) -> list[Outgoing]:
    """Submissions with pictures, round and round through the demo's."""
    shown = [ad for ad in ads() if ad.pictures]
    return [
        build_submission(
            f"{name}-{number:05d}",
            [(picture, (PICTURES / picture).read_bytes()) for picture in ad.pictures],
            AdCopy(ad.category, title=ad.title, body=ad.body, media=ad.media),
            bucket=BUCKET,
        )
        for number, ad in zip(range(count), itertools.cycle(shown), strict=False)
    ]


async def whole(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """From the submission's record to the verdict's."""
    port = free_ports(1)[0]
    async with LocalStack(StackPlan()) as stack:
        stack.write_config(folder / "advet.toml")
        flags = {
            "engine-name": "gpu", "gpu-model": args.model, "gpu-device": args.device, "gpu-preparers": args.preparers,
            "gpu-max-output-tokens": args.max_output_tokens, "ocr-workers": args.ocr_workers,
            "ocr-threads": args.ocr_threads, "creatives-decoders": 4, "flow-max-records": 256,
            "flow-max-bytes": 2 * 2**30, "http-port": port, "admin-port": 0, "logs-format": "json",
        }  # fmt: skip
        command = [sys.executable, "-m", "consumer", "run", "--config", str(folder / "advet.toml")]
        for name, value in flags.items():
            command += [f"--{name}", str(value)]
        async with OutcomeReader(stack.settings, from_beginning=True) as reader:
            modules = {"PYTHONPATH": os.pathsep.join(sys.path)}
            consumer = Child.spawn(Program("consumer", tuple(command), folder, modules))
            try:
                warm = outgoing("warm", 4)
                await submit(stack.settings, warm, lambda _one: None)
                await _collect(reader, consumer, len(warm), READY_SECONDS)
                events = outgoing("service", args.ads)
                await submit(stack.settings, events, lambda _one: None)
                started = time.monotonic()
                seen = await _collect(reader, consumer, len(events), DEADLINE_SECONDS)
                seconds = time.monotonic() - started
            finally:
                await consumer.stop(30)
    kinds = Counter(type(one).__name__ for ones in seen.values() for one in ones)
    return {
        "ads": len(events),
        "seconds": seconds,
        "ads_per_second": len(seen) / seconds,
        "outcomes": dict(kinds),
        "lost": len(events) - len(seen),
        "duplicated": sum(len(ones) - 1 for ones in seen.values()),
        "decisions": dict(
            Counter(one.decision for ones in seen.values() for one in ones if isinstance(one, AdVerdict))
        ),
    }


async def _collect(
    reader: OutcomeReader, consumer: Child, count: int, deadline_seconds: float
) -> dict[str, list[object]]:
    """Key → outcomes, until there are `count` keys or time is up. Raises ChildFailed when the consumer has ended."""
    seen: dict[str, list[object]] = {}
    end = time.monotonic() + deadline_seconds
    while len(seen) < count and time.monotonic() < end:
        if not consumer.alive:
            raise consumer.failure("ended")
        for output in await reader.poll(100):
            if not isinstance(output.item, Unreadable):
                seen.setdefault(str(output.key), []).append(output.item)
    return seen


def _size(picture: str) -> tuple[int, int]:
    with Image.open(PICTURES / picture) as image:
        return image.size


async def alone(args: argparse.Namespace) -> dict[str, Any]:
    """The engine, with nothing before it and nothing behind it."""
    settings = GpuSettings(
        model=args.model, device=args.device, preparers=args.preparers, max_output_tokens=args.max_output_tokens
    )
    pack = load_pack(None)
    process, preparing = GpuProcess(settings), Preparing(settings)
    launches = Launches(settings, process, Metrics().gpu)
    try:
        await preparing.start()
        await launches.start(Opening(await preparing.prefix(prompt.prefix(pack)), prompt.grammars(pack)))
        shown = [ad for ad in ads() if ad.pictures]
        plans = [
            AdPlan(f"alone-{number}", ad.category, len(ad.body or ""), tuple(map(_size, ad.pictures)))
            for number, ad in zip(range(args.ads), itertools.cycle(shown), strict=False)
        ]
        ready = await launchables(plans, pack, preparing, settings)
        started = time.monotonic()
        await asyncio.gather(*(launches.judge(ad, Standing()) for ad in ready))
        seconds = time.monotonic() - started
    finally:
        await launches.close()
        await preparing.close()
    return {"ads": len(ready), "seconds": seconds, "ads_per_second": len(ready) / seconds}


def main() -> None:
    """Runs both and writes them side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--ads", type=int, default=300)
    parser.add_argument("--preparers", type=int, default=4)
    parser.add_argument("--ocr-workers", type=int, default=5)
    parser.add_argument("--ocr-threads", type=int, default=2)
    parser.add_argument("--max-output-tokens", type=int, default=96)
    args = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(args.device)}
    with tempfile.TemporaryDirectory(prefix="advet-service-") as folder:
        result["service"] = asyncio.run(whole(args, Path(folder)))
    result["engine_alone"] = asyncio.run(alone(args))
    result["ratio"] = result["service"]["ads_per_second"] / result["engine_alone"]["ads_per_second"]
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
