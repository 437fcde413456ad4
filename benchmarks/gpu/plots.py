"""Pictures of a result: `python -m benchmarks.gpu.plots benchmarks/results/NAME.json` writes NAME.svg beside it."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

GIB = 2**30


def draw(result: dict[str, Any], path: Path) -> None:
    """Throughput against free memory, and predicted against observed peaks."""
    mpl.rcParams["svg.hashsalt"] = "advet"
    figure, (speed, price) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    machine = result["machine"]
    figure.suptitle(f"{machine['device']}, torch {machine['torch']}, Qwen2-VL 7B shape, random weights")

    rows = result["sweep"]["rows"]
    memory = [row["leave_gib"] for row in rows]
    mine = [row["advet_ads_per_second"] for row in rows]
    speed.plot(memory, mine, "o-", label="advet: admitted by price")
    speed.vlines(memory, [min(row["advet_runs"]) for row in rows], [max(row["advet_runs"]) for row in rows])
    speed.plot(memory, [row["best_fixed"]["ads_per_second"] for row in rows], "s--", label="best fixed batch")
    speed.set(xlabel="GiB free beyond the weights", ylabel="ads/s", xscale="log", ylim=(0, None))
    speed.set_xticks(memory, [f"{gib:g}" for gib in memory])
    speed.legend()

    pairs = [pair for part in ("mixed", "small") for pair in result[part]["price"]["pairs"]]
    largest = max(peak for _, peak in pairs) / GIB
    price.plot([0, largest], [0, largest], linewidth=0.8, color="grey", label="equal")
    price.plot([peak / GIB for _, peak in pairs], [predicted / GIB for predicted, _ in pairs], "o", label="a launch")
    price.set(xlabel="observed peak, GiB", ylabel="predicted peak, GiB")
    price.legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    source = Path(sys.argv[1])
    draw(json.loads(source.read_text(encoding="utf-8")), source.with_suffix(".svg"))
