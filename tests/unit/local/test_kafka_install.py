"""What is said when a part for Apache Kafka is missing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consumer.errors import StartRefused
from consumer.local.kafka_install import default_cache, fetch_jars, install_kafka


def tool(folder: Path, name: str, script: str) -> None:
    """An executable of that name."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds nothing but what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def test_without_java(only: Path, tmp_path: Path) -> None:
    """Says what to install and that there is a way without."""
    with pytest.raises(StartRefused, match=r"no Java found.*openjdk-17.*--broker embedded"):
        install_kafka(tmp_path)


def test_with_old_java(only: Path, tmp_path: Path) -> None:
    """An old runtime fails later with a class version nobody understands, so it is refused here."""
    tool(only, "java", """echo 'openjdk version "11.0.20" 2023-07-18' >&2""")
    with pytest.raises(StartRefused, match=r"11\.0\.20.*needs a Java runtime 17"):
        install_kafka(tmp_path)


def test_without_maven(only: Path, tmp_path: Path) -> None:
    """Java is there, the jars are not."""
    tool(only, "java", """echo 'openjdk version "17.0.1"' >&2""")
    with pytest.raises(StartRefused, match=r"no Maven found.*apt-get install maven"):
        install_kafka(tmp_path)


def test_maven_that_fails_leaves_nothing_behind(only: Path, tmp_path: Path) -> None:
    """Its words are shown, and the cache holds no half copy that the next start would take for whole."""
    tool(only, "java", """echo 'openjdk version "21"' >&2""")
    tool(only, "mvn", "echo 'no route to host'; exit 1")
    cache = tmp_path / "cache"
    with pytest.raises(StartRefused, match=r"(?s)could not fetch.*no route to host"):
        install_kafka(cache)
    assert list(cache.iterdir()) == []


def test_two_that_need_the_jars_at_once_fetch_them_once(only: Path, tmp_path: Path) -> None:
    """The second waits, and finds what the first has brought."""
    for name in ("mkdir", "touch", "sleep"):
        (only / name).symlink_to(f"/bin/{name}")
    tool(only, "mvn", f"echo x >> {tmp_path}/runs; sleep 0.3; mkdir libs; touch libs/it.jar")
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda _: fetch_jars(tmp_path / "cache" / "jars", [], "it.jar"), range(2)))
    assert (tmp_path / "runs").read_text() == "x\n"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["jars"]


def test_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG first, then the home folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_cache() == Path("/somewhere/advet")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert default_cache() == Path("/home/me/.cache/advet")
