"""The GPU judge under changing memory: `python -m benchmarks.gpu_memory --model FOLDER --out FILE.json`.

Three parts, each with the real engine and its processes: `mixed` (ads of every size while a neighbour comes closer),
`small` (so little memory that ads must be refused, with the facts) and `sweep` (throughput against free memory,
beside fixed batches). Without Kafka and OCR; `gpu_service` runs the whole.
"""

import argparse
import asyncio
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.gpu.ads import mixed_ads, standard_ads
from benchmarks.gpu.mixed import run_mixed
from benchmarks.gpu.neighbour import Neighbour
from benchmarks.gpu.sweep import launchables, run_sweep
from consumer.inference import prompt
from consumer.inference.engine import GpuEngine
from consumer.inference.gpu_process import GpuProcess, Opening
from consumer.inference.launches import Launches
from consumer.inference.preparing import Preparing
from consumer.ops.metrics import Metrics
from consumer.policy.pack import load_pack
from consumer.screening.engine import ScreeningEngine
from consumer.settings import GpuSettings, OcrSettings

GIB = 2**30
COMING_CLOSER = (40, 10, 5, 2, 0.5, 0, 40)
"""GiB that the neighbour leaves beyond the weights; the last step is its leaving again."""
SWEPT = (1, 2, 5, 10, 20, 40)


async def mixed(args: argparse.Namespace, settings: GpuSettings) -> dict[str, Any]:
    """Part one."""
    metrics = Metrics()
    pack = load_pack(None)
    async with Neighbour(settings.device) as neighbour:
        engine = GpuEngine(settings, pack, ScreeningEngine(pack, OcrSettings(), 1024), metrics)
        try:
            await engine.start()
            result = await run_mixed(engine, neighbour, mixed_ads(args.ads, args.seed), args.leave)
            return {**result, "worker_deaths": engine.crashes, "metrics": _counters(metrics)}
        finally:
            await engine.close()


async def small(args: argparse.Namespace, settings: GpuSettings) -> dict[str, Any]:
    """Part two: a share of the card that is hardly more than the weights."""
    pack = load_pack(None)
    metrics = Metrics()
    async with Neighbour(settings.device) as neighbour:
        engine = GpuEngine(settings, pack, ScreeningEngine(pack, OcrSettings(), 1024), metrics)
        try:
            await engine.start()
            return await run_mixed(engine, neighbour, mixed_ads(args.small_ads, args.seed + 1), (40,))
        finally:
            await engine.close()


async def sweep(args: argparse.Namespace, settings: GpuSettings) -> dict[str, Any]:
    """Part three."""
    pack = load_pack(None)
    process, preparing = GpuProcess(settings), Preparing(settings)
    launches = Launches(settings, process, Metrics().gpu)
    async with Neighbour(settings.device) as neighbour:
        try:
            await preparing.start()
            opened = await launches.start(Opening(await preparing.prefix(prompt.prefix(pack)), prompt.grammars(pack)))
            ads = await launchables(standard_ads(args.sweep_ads, args.sweep_pictures), pack, preparing, settings)
            rows = await run_sweep(launches, process, neighbour, ads, args.swept, settings.max_share, args.row_seconds)
        finally:
            await launches.close()
            await preparing.close()
    return {"rows": rows, "coefficients": opened.coefficients.to_dict(), "phases": opened.phases}


def _counters(metrics: Metrics) -> list[str]:
    lines = metrics.exposition().decode().splitlines()
    return [line for line in lines if line.startswith(("advet_gpu_ooms", "advet_gpu_rungs", "advet_gpu_starts"))]


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on."""
    facts = {name: version(name) for name in ("torch", "transformers", "llguidance")}
    if device == "cuda":
        import torch

        facts["device"] = torch.cuda.get_device_name()
    return {**facts, "python": platform.python_version(), "command": " ".join(sys.argv)}


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--parts", default="mixed,small,sweep")
    parser.add_argument("--ads", type=int, default=1000)
    parser.add_argument("--small-ads", type=int, default=80)
    parser.add_argument("--small-share", type=float, default=0.125)
    parser.add_argument("--sweep-ads", type=int, default=96)
    parser.add_argument("--sweep-pictures", type=int, default=4, help="of each ad; more need more memory")
    parser.add_argument("--max-batch", type=int, default=64)
    parser.add_argument("--preparers", type=int, default=8)
    parser.add_argument("--max-output-tokens", type=int, default=96)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--leave", type=_numbers, default=COMING_CLOSER)
    parser.add_argument("--swept", type=_numbers, default=SWEPT)
    parser.add_argument("--row-seconds", type=float, default=60.0, help="of the sweep, for each amount")
    return parser.parse_args()


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(part) for part in text.split(","))


def main() -> None:
    """Runs the parts that were asked for; the file is written after each, so that an early end loses little."""
    args = parse()
    settings = GpuSettings(
        model=args.model,
        device=args.device,
        preparers=args.preparers,
        max_output_tokens=args.max_output_tokens,
        max_batch=args.max_batch,
    )
    result: dict[str, Any] = {"machine": machine(args.device)}
    for part in args.parts.split(","):
        if part == "mixed":
            result[part] = asyncio.run(mixed(args, settings))
        elif part == "small":
            result[part] = asyncio.run(small(args, settings.model_copy(update={"max_share": args.small_share})))
        else:
            result[part] = asyncio.run(sweep(args, settings))
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(json.dumps({part: {k: v for k, v in result[part].items() if k not in ("price", "facts")}}), flush=True)


if __name__ == "__main__":
    main()
