"""Every flag's bad value of `advet dlq` is a usage error that names the flag, before any broker is asked."""

import pytest
from click.testing import CliRunner

from consumer.cli.dlq import dlq_group

NOT_UTF8 = "\udcff"
FILTERS = [
    ("--cause", "gremlins", "submission_invalid"),
    ("--stage", "attic", "judge"),
    ("--topic", "ad-verdicts", "must be one of"),
    ("--partition", "-1", "--partition"),
    ("--partition", "x", "not a valid integer"),
    ("--since", "yesterday", "with its zone"),
    ("--since", "2026-11-22T08:00:00", "with its zone"),
    ("--until", "5w", "with its zone"),
    ("--until", "999999d", "--until"),
    ("--key", NOT_UTF8, "not UTF-8"),
    ("--advertiser", NOT_UTF8, "not UTF-8"),
    ("--model", NOT_UTF8, "not UTF-8"),
    ("--replay-count", "-1", "--replay-count"),
]
EXECUTE = ("replay", "--execute", "--reason", "why")


def refused(*arguments: str) -> str:
    ran = CliRunner().invoke(dlq_group, list(arguments))
    assert ran.exit_code == 2, ran.output
    return " ".join(ran.output.replace("│", " ").split())


@pytest.mark.parametrize("command", ["ls", "stats", "export", "replay"])
@pytest.mark.parametrize(("flag", "value", "words"), FILTERS)
def test_filters(command: str, flag: str, value: str, words: str) -> None:
    output = refused(command, flag, value)
    assert words in output
    assert flag in output or words == "must be one of"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ls", "--since", "1h", "--until", "2h"), "--since must be before --until"),
        (("ls", "--limit", "-1"), "--limit"),
        (("ls", "--reason", "gremlins"), "submission_invalid"),
        (("show", "ad-verdicts", "0", "0"), "holds no dead letters"),
        (("show", "ad-dead-letters", "-1", "0"), "PARTITION"),
        (("show", "ad-dead-letters", "0"), "OFFSET"),
        (("export", "--json"), "--out FILE"),
        (("replay", "--execute"), "--reason"),
        (("replay", "--reason", "why"), "--execute"),
        (("replay", "--execute", "--reason", "  "), "say why"),
        (("replay", "--execute", "--reason", "x" * 501), "at most 500"),
        (("replay", "--execute", "--reason", NOT_UTF8), "not UTF-8"),
        ((*EXECUTE, "--max", "0"), "--max"),
        ((*EXECUTE, "--rate", "0"), "--rate"),
        ((*EXECUTE, "--rate", "nan"), "--rate"),
        ((*EXECUTE, "--yield-to-lag", "-1"), "--yield-to-lag"),
        ((*EXECUTE, "--yield-to-lag", "nan"), "--yield-to-lag"),
        ((*EXECUTE, "--topic", "ad-quarantine"), "must be one of"),
        (("runs", "--limit", "0"), "--limit"),
        (("cancel", "run-1"), "--reason"),
        (("cancel", "run-1", "--reason", ""), "say why"),
        (("resume",), "RUN_ID"),
    ],
)
def test_the_rest(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments)


@pytest.mark.parametrize("command", ["ls", "show", "stats", "export", "replay", "runs", "cancel", "resume"])
def test_every_command_speaks_json(command: str) -> None:
    assert "--json" in CliRunner().invoke(dlq_group, [command, "--help"]).output
