"""One spelling in four places, the right one wins, and a wrong value is named."""

import json
import subprocess
import sys

import pytest

from consumer.errors import SettingsInvalid
from consumer.settings import leaves, load


def advet(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "consumer", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def toml(tmp_path, monkeypatch):
    monkeypatch.delenv("ADVET_CONFIG", raising=False)
    path = tmp_path / "advet.toml"
    path.write_text('[kafka]\ngroup = "from-file"\nbootstrap = "file:1"\n[storage]\nbuckets = ["a", "b"]\n')
    return path


def test_flags_beat_environment_beats_file_beats_default(toml, monkeypatch):
    monkeypatch.setenv("ADVET_KAFKA__GROUP", "from-environment")
    monkeypatch.setenv("ADVET_KAFKA__BOOTSTRAP", "environment:1")
    loaded = load({"kafka.bootstrap": "flag:1"}, toml)
    assert loaded.settings.kafka.bootstrap == "flag:1"
    assert loaded.settings.kafka.group == "from-environment"
    assert loaded.settings.storage.buckets == ("a", "b")
    assert loaded.settings.kafka.start == "earliest"
    origins = {name: loaded.origins[f"kafka.{name}"] for name in ("bootstrap", "group", "start")}
    assert origins == {"bootstrap": "flag", "group": "environment", "start": "default"}
    assert loaded.origins["storage.buckets"] == "file"


def test_lists_are_comma_separated_outside_toml(monkeypatch):
    monkeypatch.setenv("ADVET_STORAGE__BUCKETS", "one, two")
    assert load().settings.storage.buckets == ("one", "two")


def test_spellings_follow_from_the_name():
    settings = {setting.name: setting for setting in leaves()}
    assert settings["flow.max_records"].flag == "--flow-max-records"
    assert settings["flow.max_records"].variable == "ADVET_FLOW__MAX_RECORDS"
    assert settings["kafka.password"].secret
    assert not settings["kafka.username"].secret
    assert len({setting.flag for setting in settings.values()}) == len(settings)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"flow.max_records": "0"}, "flow.max_records (from flag): Input should be greater than or equal to 1"),
        ({"kafka.start": "yesterday"}, "kafka.start (from flag): 'yesterday' is neither earliest, latest nor a time"),
        ({"kafka.start": "2026-11-22T08:00:00"}, "nor a time like"),
        ({"flow.drain_seconds": "45"}, "must be below kafka.session_timeout_seconds"),
        ({"kafka.security": "sasl_ssl"}, "kafka.username and kafka.password are needed"),
        ({"kafka.security": "sasl_ssl", "kafka.mechanism": "OAUTHBEARER"}, "kafka.oauth_token_file is needed"),
        ({"kafka.cert_file": "/x"}, "go together"),
        ({"storage.access_key": "x"}, "go together"),
        ({"topics.verdicts": "ad-submissions"}, "topic names must differ"),
        ({"logs.level": "loud"}, "logs.level (from flag): Input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(flags, says):
    with pytest.raises(SettingsInvalid) as refused:
        load(flags)
    assert says in str(refused.value)


def test_an_unknown_variable_is_refused_with_a_guess(monkeypatch):
    monkeypatch.setenv("ADVET_KAFKA__GRUOP", "x")
    with pytest.raises(SettingsInvalid, match="did you mean ADVET_KAFKA__GROUP"):
        load()


def test_an_unknown_key_in_the_file_is_refused_with_a_guess(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("[kafka]\ngrp = 'x'\n")
    with pytest.raises(SettingsInvalid, match=r"kafka\.grp is no setting of advet; did you mean kafka\.group"):
        load(config=path)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(SettingsInvalid, match="cannot read the settings file"):
        load(config=tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[kafka\n")
    with pytest.raises(SettingsInvalid, match="is not valid TOML"):
        load(config=broken)


def test_secrets_are_never_shown(monkeypatch):
    monkeypatch.setenv("ADVET_KAFKA__PASSWORD", "hunter2")
    shown = advet("config", "show", "--origin", "--json")
    assert "hunter2" not in shown.stdout + shown.stderr
    assert json.loads(shown.stdout)["kafka.password"] == {"value": "********", "origin": "environment"}


def test_exit_code_of_a_wrong_setting_is_usage():
    wrong = advet("run", "--flow-max-records", "many")
    assert wrong.returncode == 2
    assert "flow.max_records" in wrong.stderr
    assert "Traceback" not in wrong.stderr
