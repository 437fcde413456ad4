"""The dashboard of the card: what it holds, what is promised, how well prices fit, and every shortage."""

from dashboards_model import Dashboard, Row
from dashboards_parts import HERE, OURS, WINDOW, count, graph, mean, or_none, quantiles, rate, stat, total

NOW = Row(
    "Does it fit?",
    [
        stat(
            "Free now",
            "bytes",
            "Memory of the fullest card that nobody holds.",
            f'min(advet_gpu_memory_bytes{{kind="free", {HERE}}})',
            base="blue",
        ),
        stat(
            "The next launch may take",
            "bytes",
            "What is free and cached, less the headroom. 0: partitions pause.",
            f"min(advet_gpu_budget_bytes{{{HERE}}})",
            (1, "green"),
            base="red",
        ),
        stat(
            "Out of memory, an hour",
            "short",
            "Launches that ran out all the same; their ads go down the ladder.",
            or_none(count("advet_gpu_ooms_total", "1h")),
            (1, "yellow"),
            (10, "red"),
        ),
        stat(
            "Ads given up, 15 minutes",
            "short",
            "Dead letters of memory: advet dlq ls --topic ad-oom-dead-letters.",
            or_none('sum(reason:advet_dead_letters:new15m{reason=~"oom_.+"})'),
            (1, "red"),
        ),
    ],
)
MEMORY = Row(
    "Memory",
    [
        graph(
            "Memory of the card",
            "bytes",
            "At the last look; allocated is the used part of what we reserve, others are other processes.",
            (total("advet_gpu_memory_bytes", "instance, kind"), "{{kind}} {{instance}}"),
        ),
        graph(
            "Budget and promises",
            "bytes",
            "What a launch may take, and what the one under way has been given.",
            (total("advet_gpu_budget_bytes", "instance"), "budget {{instance}}"),
            (total("advet_gpu_reserved_bytes", "instance"), "promised {{instance}}"),
        ),
        graph(
            "Paused for memory",
            "percentunit",
            "Share of the time in which not even one ad fitted.",
            (
                or_none(f'avg by (instance) (avg_over_time(advet_paused{{reason="gpu_memory", {HERE}}}[{WINDOW}]))'),
                "{{instance}}",
            ),
        ),
        graph(
            "Peak of a launch",
            "bytes",
            "Predicted when it was admitted, and observed.",
            (f"max by (source) (advet_gpu_peak_bytes{{{HERE}}})", "{{source}}"),
        ),
        graph(
            "Observed over predicted",
            "percentunit",
            "100 % is exact; above, the price was too low and the headroom paid.",
            *quantiles("advet_gpu_price_ratio"),
            limit=1.05,
        ),
        graph(
            "Out of memory",
            "short",
            "Launches in ten minutes by the phase that failed, and steps taken on the ladder.",
            (or_none(count("advet_gpu_ooms_total", "10m", "phase")), "{{phase}}"),
            (or_none(count("advet_gpu_rungs_total", "10m", "rung")), "rung {{rung}}"),
        ),
    ],
)
SPEED = Row(
    "Speed",
    [
        graph("Ads in a launch", "short", "Mean.", (mean("advet_gpu_batch_items", "instance"), "{{instance}}")),
        graph(
            "Launches, a second",
            "cps",
            "Full launches are better than many.",
            (rate("advet_gpu_batch_items_count", "instance"), "{{instance}}"),
        ),
        graph(
            "Waiting for the card",
            "short",
            "Prepared ads. None while the lag is large: the card is not the bottleneck.",
            (total("advet_gpu_waiting", "instance"), "{{instance}}"),
        ),
        graph(
            "Time of a launch by phase",
            "s",
            "Mean, stacked.",
            (mean("advet_gpu_phase_seconds", "phase"), "{{phase}}"),
            stacked=True,
        ),
        graph(
            "Starts of the card's process",
            "short",
            "In an hour. Each loads the weights and calibrates anew.",
            (count("advet_gpu_starts_total", "1h", "instance"), "{{instance}}"),
        ),
        graph(
            "Work that waits",
            "s",
            "Lag in seconds of the device.",
            (f"advet_lag_gpu_seconds{{{OURS}}}", "GPU-seconds"),
        ),
    ],
)
GPU = Dashboard(
    "advet-gpu",
    "advet: the card",
    "Memory and speed of the GPU judge. Without one it stays empty.",
    (NOW, MEMORY, SPEED),
)
