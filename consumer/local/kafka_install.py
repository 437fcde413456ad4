"""Apache Kafka's jars: copied from Maven Central into a cache folder once, then found there."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.errors import StartRefused

KAFKA_VERSION = "4.4.0"
JAVA_VERSION = 17
DOWNLOAD_SECONDS = 600
_MARK = f"kafka_2.13-{KAFKA_VERSION}.jar"
_POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>advet</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{}
  </dependencies>
  <build>
    <plugins>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-dependency-plugin</artifactId>
        <version>3.8.1</version>
      </plugin>
    </plugins>
  </build>
</project>
"""

_DEPENDENCY = """\
    <dependency>
      <groupId>{}</groupId>
      <artifactId>{}</artifactId>
      <version>{}</version>
    </dependency>
"""
# slf4j-simple: the broker ships the API without a binding and would be mute.
_BROKER = (("org.apache.kafka", "kafka_2.13", KAFKA_VERSION), ("org.slf4j", "slf4j-simple", "1.7.36"))


@dataclass(frozen=True, slots=True)
class KafkaInstall:
    """A Java runtime and the folder of jars."""

    java: str
    jars: Path

    @property
    def class_path(self) -> str:
        """As `java -cp` takes it."""
        return f"{self.jars}/*"


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/advet`, or `~/.cache/advet`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "advet"


def install_kafka(cache: Path | None = None) -> KafkaInstall:
    """Finds Java and the jars, downloading the jars when the cache lacks them (43 MB, under a minute).

    Raises StartRefused that names what is missing. Blocks: call it in a thread.
    """
    java = _java()
    jars = (cache or default_cache()) / f"kafka-{KAFKA_VERSION}"
    fetch_jars(jars, _BROKER, _MARK)
    return KafkaInstall(java, jars)


def _java() -> str:
    wanted = (
        f"Apache Kafka {KAFKA_VERSION} needs a Java runtime {JAVA_VERSION} or newer (Debian, Ubuntu: apt-get install "
        f"openjdk-{JAVA_VERSION}-jre-headless); without Java use --broker embedded"
    )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else None
    java = java or shutil.which("java")
    if java is None:
        raise StartRefused(f"no Java found: {wanted}")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60)
    version = re.search(r'version "(\d+)', answer.stderr)
    if version is None or int(version[1]) < JAVA_VERSION:
        raise StartRefused(f"{java} is {answer.stderr.splitlines()[:1] or 'not usable'}: {wanted}")
    return java


def fetch_jars(jars: Path, dependencies: Iterable[tuple[str, str, str]], mark: str) -> None:
    """Copies what the dependencies (group, name, version) need into the folder `jars`, unless it holds `mark` already.

    Waits while another process fetches into the same cache. Raises StartRefused.
    """
    if (jars / mark).exists():
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise StartRefused(
            f"no Maven found, which fetches Apache Kafka {KAFKA_VERSION} once (Debian, Ubuntu: apt-get install maven); "
            "without Maven use --broker embedded"
        )
    jars.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(jars.parent), tempfile.TemporaryDirectory(dir=jars.parent, prefix="kafka-") as folder:
        if (jars / mark).exists():  # the other process has brought them
            return
        Path(folder, "pom.xml").write_text(
            _POM.format("".join(_DEPENDENCY.format(*one) for one in dependencies)), encoding="utf-8"
        )
        command = [
            maven,
            "-B",
            "-q",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            "-DoutputDirectory=libs",
        ]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, check=False, timeout=DOWNLOAD_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise StartRefused(f"Maven did not finish within {DOWNLOAD_SECONDS} s: check the network") from error
        libs = Path(folder, "libs")
        if done.returncode or not (libs / mark).exists():
            raise StartRefused(f"Maven could not fetch Apache Kafka:\n{(done.stdout + done.stderr)[-2000:]}")
        libs.rename(jars)  # whole or not at all


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """One process at a time: Maven's own repository does not stand two that fill it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)
