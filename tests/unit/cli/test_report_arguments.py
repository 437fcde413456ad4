"""`advet report`: what is refused, and how; what the consumer of the settings is."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumer.cli.report import _here, report_command
from consumer.errors import AdvetError


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(report_command, [*arguments])


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--from", "yesterday"), "neither a time ago"),
        (("--from", "2026-11-22T08:00:00"), "with its zone"),
        (("--from", "-1h", "--to", "-2h"), "--from must be before --to"),
        (("--prometheus", "http://a:9090", "--consumer", "http://b:9464"), "exclude each other"),
        (("--match", 'job="advet"'), "go with --prometheus"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_asked(arguments: tuple[str, ...], why: str) -> None:
    refused = ask(*arguments)
    assert refused.exit_code == 2
    assert why in refused.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--consumer", "http://127.0.0.1:1"), "does a consumer run there"),
        (("--prometheus", "http://127.0.0.1:1"), "Without a Prometheus use --consumer"),
        (("--prometheus", "ftp://127.0.0.1"), "is no address"),
        (("--consumer", "http://127.0.0.1:70000"), "is no address"),
        (("--prometheus", "http://127.0.0.1:1", "--token-file", "/none"), "cannot read the token"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_what_to_do(
    arguments: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    refused = ask(*arguments, "--out", str(out))
    assert isinstance(refused.exception, AdvetError)
    assert why in str(refused.exception)
    assert not out.exists()


def test_a_password_in_the_address_is_not_shown() -> None:
    refused = ask("--prometheus", "http://me:hidden@127.0.0.1:1")
    assert "hidden" not in str(refused.exception)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:9464"),
        ("0.0.0.0", "http://127.0.0.1:9464"),  # noqa: S104 - where a consumer may listen
        ("::", "http://[::1]:9464"),
    ],
)
def test_the_consumer_of_these_settings_is_asked_on_its_own_machine(host: str, url: str) -> None:
    assert _here(host, 9464) == url
