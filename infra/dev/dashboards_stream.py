"""The dashboard for whoever is on call: three questions on top, then what is late; the inside is in its neighbour."""

from dashboards_inside import OUTCOMES, STOPS, TIME
from dashboards_model import Dashboard, Row
from dashboards_parts import OURS, WINDOW, graph, merged, or_none, quantiles, stat, table

BUDGET = "(1 - scalar(advet:objective_ratio))"
PAGES = 'ALERTS{alertname=~"Advet.+", alertstate="firing", severity="page"}'
LABELS = "alertname, severity, alertstate, instance, group, topic, partition, reason, stage, pool"

LATE = Row(
    "Are we late?",
    [
        stat(
            "Oldest unfinished ad",
            "s",
            "Age of the oldest ad without verdict or dead letter. The objective is 60 s.",
            f"group:advet_oldest_record_age_seconds:max{{{OURS}}}",
            (30, "yellow"),
            (60, "red"),
        ),
        stat(
            "Error budget left, 30 days",
            "percentunit",
            "Of the time in which ads may be late. Below 0 the objective is missed.",
            f"1 - group:advet_late:ratio30d{{{OURS}}} / {BUDGET}",
            (0, "yellow"),
            (0.5, "green"),
            base="red",
        ),
        stat(
            "Waiting ads",
            "short",
            "What really remains: end − low − completed. Tools that do not know the completion map show more.",
            f"sum({merged('advet_lag_records')})",
            base="blue",
        ),
        stat(
            "Time to drain",
            "s",
            "At the present rates; infinite while more comes in than is finished.",
            f"advet_drain_seconds{{{OURS}}}",
            (300, "yellow"),
            (3600, "red"),
        ),
    ],
)
LOST = Row(
    "Is anything lost?",
    [
        stat(
            "Retention used",
            "percentunit",
            "Age of the oldest unfinished ad over the input's retention. At 100 % Kafka deletes unjudged ads.",
            f"group:advet_retention_used:ratio{{{OURS}}}",
            (0.25, "yellow"),
            (0.5, "red"),
        ),
        stat(
            "Dead letters, 15 minutes",
            "short",
            "Ads that ended without a verdict. They are kept and can be replayed: advet dlq stats.",
            or_none("sum(reason:advet_dead_letters:new15m)"),
            (1, "yellow"),
            (20, "red"),
        ),
        stat(
            "Letters kept",
            "short",
            "Records in the topics of dead letters, replayed ones among them.",
            "sum(max by (topic) (advet_dead_letter_topic_records))",
            base="blue",
        ),
        stat(
            "Pages firing",
            "short",
            "Alerts that wake somebody; the table below has them all.",
            or_none(f"count({PAGES})"),
            (1, "red"),
        ),
    ],
)
MOVING = Row(
    "Is it moving?",
    [
        stat(
            "Ads in, a second",
            "cps",
            "What producers append, over five minutes.",
            f"group:advet_appended_records:rate5m{{{OURS}}}",
            base="blue",
        ),
        stat(
            "Ads finished, a second",
            "cps",
            "Verdicts, dead letters and withdrawals, over five minutes.",
            f"group:advet_finished_records:rate5m{{{OURS}}}",
            base="blue",
        ),
        stat(
            "Members",
            "short",
            "Consumers in the group, as the brokers see them.",
            f"max(advet_group_members{{{OURS}}})",
            (1, "green"),
            base="red",
        ),
        stat(
            "Partitions that stand still",
            "short",
            "Paused or without an owner. Why: What stops it, further down.",
            or_none(
                f"count({merged('advet_partition_paused', 'topic, partition')} == 1"
                f" or {merged('advet_partition_assigned', 'topic, partition')} == 0)"
            ),
            (1, "yellow"),
        ),
    ],
)
ALERTS = Row(
    "Alerts",
    [
        table(
            "Firing, or about to",
            "What each means and what to do: infra/RUNBOOK.md.",
            f'max by ({LABELS}) (ALERTS{{alertname=~"Advet.+"}})',
            width=16,
        ),
        graph(
            "Burn rate",
            "short",
            "How many times too fast the budget burns: 14.4 over an hour or 6 over six hours wake somebody.",
            *((f"group:advet_late:ratio{over}{{{OURS}}} / {BUDGET}", over) for over in ("5m", "1h", "6h", "3d")),
            limit=14.4,
        ),
    ],
)
AGE = Row(
    "Age and lag",
    [
        graph(
            "Oldest unfinished ad by partition",
            "s",
            "One line far above the others: a record that hangs, or a paused partition.",
            (merged("advet_oldest_record_age_seconds"), "{{topic}}[{{partition}}]"),
            limit=60,
        ),
        graph(
            "From submission to outcome",
            "s",
            "Kafka's timestamp of the submission until its verdict or dead letter is committed.",
            *quantiles("advet_terminal_age_seconds"),
            limit=60,
        ),
        graph(
            "In and out",
            "cps",
            "Where out stays below in, the lag grows.",
            (f"group:advet_appended_records:rate5m{{{OURS}}}", "in"),
            (f"group:advet_finished_records:rate5m{{{OURS}}}", "out"),
        ),
        graph(
            "Waiting ads by partition",
            "short",
            "Real remaining.",
            (merged("advet_lag_records"), "{{topic}}[{{partition}}]"),
            stacked=True,
        ),
        graph(
            "Skew",
            "short",
            "Ads in the fullest partition over the mean of all; 1 is even. Keys decide where an ad goes.",
            (
                f"max({merged('advet_lag_records')}) / clamp_min(avg({merged('advet_lag_records')}), 1)",
                "fullest / mean",
            ),
        ),
        graph(
            "What foreign tools show",
            "short",
            "End − lowest unfinished offset; the difference is finished above it.",
            (f"sum({merged('advet_lag_offsets')})", "offsets"),
            (f"sum({merged('advet_lag_records')})", "really waiting"),
        ),
        graph(
            "Lag in GPU-seconds",
            "s",
            "Waiting ads × measured seconds of an ad. KEDA scales on it.",
            (f"advet_lag_gpu_seconds{{{OURS}}}", "GPU-seconds"),
        ),
        graph("Time to drain", "s", "Lag over (out − in).", (f"advet_drain_seconds{{{OURS}}}", "to drain")),
        graph(
            "Reads of the lag",
            "cps",
            "advet lag --serve at work: failed ones leave old figures.",
            (f"sum by (outcome) (rate(advet_lag_reads_total[{WINDOW}]))", "{{outcome}}"),
        ),
    ],
)
STREAM = Dashboard(
    "advet-stream",
    "advet: the stream",
    "On call starts here: late, lost, moving. Each alert has its page in infra/RUNBOOK.md.",
    (LATE, LOST, MOVING, ALERTS, AGE, TIME, STOPS, OUTCOMES),
)
