"""Rows of the stream's dashboard that look inside: where time goes, what stops it, what comes out."""

from dashboards_model import Row
from dashboards_parts import HERE, OURS, WINDOW, count, graph, mean, merged, or_none, quantiles, rate, table, total

TIME = Row(
    "Where the time goes",
    [
        graph(
            "95 % of a stage's ads take up to",
            "s",
            "The limits that raise an alert are in the recording rules.",
            ("stage:advet_stage_seconds:p95_5m", "{{stage}}"),
        ),
        graph(
            "Mean time in each stage",
            "s",
            "The life of an ad, stacked.",
            (mean("advet_stage_seconds", "stage"), "{{stage}}"),
            stacked=True,
        ),
        graph(
            "Share of its limit",
            "percentunit",
            "95th percentile over the stage's limit; above 100 % for ten minutes is an alert.",
            ("stage:advet_stage_seconds:p95_5m / on (stage) stage:advet_stage_limit_seconds", "{{stage}}"),
            limit=1,
        ),
        graph("Queues", "short", "What waits inside.", (total("advet_queue_depth", "queue"), "{{queue}}")),
        graph(
            "Records in flight",
            "short",
            "Taken and unfinished.",
            (total("advet_in_flight_records", "instance"), "{{instance}}"),
        ),
        graph(
            "Bytes in flight",
            "bytes",
            "Records, downloads and pixels.",
            (total("advet_in_flight_bytes", "instance"), "{{instance}}"),
        ),
        graph(
            "Event loop: longest stall",
            "s",
            "In the last minute. While it stands no heartbeat goes out.",
            (f"advet_event_loop_stall_seconds{{{HERE}}}", "{{instance}}"),
            limit=0.5,
        ),
        graph("Event loop: lateness", "s", "How late timers run.", *quantiles("advet_event_loop_lag_seconds")),
        graph(
            "Time of a transaction",
            "s",
            "From begin to commit; at 12 s its outcome counts as unknown.",
            *quantiles("advet_transaction_seconds"),
        ),
    ],
)
STOPS = Row(
    "What stops it",
    [
        graph(
            "Paused, by reason",
            "percentunit",
            "Share of the time. records and bytes are everyday; breaker needs a person.",
            (or_none(f"avg by (reason) (avg_over_time(advet_paused{{{HERE}}}[{WINDOW}]))"), "{{reason}}"),
        ),
        graph(
            "Paused partitions",
            "short",
            "By reason; one that is far ahead of a record which does not end is not read either.",
            (
                or_none(f"count by (reason) ({merged('advet_partition_paused', 'topic, partition, reason')} == 1)"),
                "{{reason}}",
            ),
            (total("advet_paused_partitions"), "not read now"),
        ),
        graph(
            "Breaker and storage",
            "short",
            "1 while the breaker is open, while storage is out.",
            (total("advet_breaker_open", "instance"), "breaker {{instance}}"),
            (total("advet_storage_out", "instance"), "storage {{instance}}"),
        ),
        graph(
            "Processes lost",
            "short",
            "In ten minutes, by pool. More than two are an alert.",
            ("pool:advet_worker_crashes:new10m", "{{pool}}"),
            limit=3,
        ),
        graph(
            "Tried again",
            "cps",
            "Attempts by error, and publishes.",
            (or_none(rate("advet_attempts_total", "error")), "{{error}}"),
            (rate("advet_publish_retries_total"), "publish"),
        ),
        graph(
            "Restlessness",
            "short",
            "Assignments and rejoins in ten minutes, and members.",
            (count("advet_rebalances_total", "10m"), "assignments"),
            (count("advet_rejoins_total", "10m"), "rejoins"),
            (f"max(advet_group_members{{{OURS}}})", "members"),
        ),
        graph(
            "Transactions, a second",
            "cps",
            "Lost: the outcome was unknown, so the partition was activated anew.",
            (rate("advet_transactions_total"), "committed"),
            (rate("advet_transactions_lost_total"), "lost"),
        ),
        graph(
            "State of the group",
            "short",
            "1 for the state that the brokers report.",
            (f"max by (state) (advet_group_state{{{OURS}}}) == 1", "{{state}}"),
        ),
        graph(
            "Partitions by owner",
            "short",
            "Each consumer's share.",
            (f"sum by (instance) (advet_partition_assigned{{{OURS}, {HERE}}})", "{{instance}}"),
            stacked=True,
        ),
    ],
)
OUTCOMES = Row(
    "Verdicts and dead letters",
    [
        graph(
            "Verdicts",
            "cps",
            "By decision.",
            (rate("advet_verdicts_total", "decision"), "{{decision}}"),
            stacked=True,
        ),
        graph(
            "Mix of decisions",
            "percentunit",
            "Over fifteen minutes. A jump after a deploy is a question.",
            (
                f"{count('advet_verdicts_total', '15m', 'decision')}"
                f" / scalar({count('advet_verdicts_total', '15m')} > 0)",
                "{{decision}}",
            ),
            stacked=True,
        ),
        graph(
            "Records read and withdrawn",
            "cps",
            "Withdrawals end without output.",
            (rate("advet_records_total"), "read"),
            (rate("advet_withdrawals_total"), "withdrawn"),
        ),
        graph(
            "New dead letters",
            "short",
            "In fifteen minutes, by reason. README.md says what each asks for.",
            (or_none("reason:advet_dead_letters:new15m"), "{{reason}}"),
            stacked=True,
        ),
        graph("Letters kept", "short", "By topic.", ("max by (topic) (advet_dead_letter_topic_records)", "{{topic}}")),
        graph(
            "Oldest letter",
            "s",
            "Letters go after 30 days, looked at or not.",
            ("max by (topic) (advet_dead_letter_topic_oldest_seconds)", "{{topic}}"),
        ),
        graph(
            "Replay runs",
            "short",
            "Letters of unfinished runs: advet dlq runs.",
            (or_none("max by (run, state) (advet_replay_letters)"), "{{run}} {{state}}"),
        ),
        graph(
            "Values kept in storage",
            "short",
            "Dead letters too large for their topic, in an hour.",
            (count("advet_claims_total", "1h"), "claims"),
        ),
        table(
            "Consumers",
            "What runs where.",
            f"max by (instance, version, engine, model, policy) (advet_info{{{HERE}}})",
        ),
    ],
)
