"""Kafka's own consumer-groups tool: lag by a client that is not ours."""

import subprocess

from consumer.local.kafka_install import default_cache, fetch_jars, install_kafka
from consumer.settings import Settings

VERSION = "4.3.1"
MARK = f"kafka-tools-{VERSION}.jar"


class ConsumerGroups:
    """`kafka-consumer-groups`, from jars of its own: they do not go with a broker's of another version."""

    def __init__(self) -> None:
        """Fetches the jars once. Raises StartRefused."""
        self._java = install_kafka().java
        self._jars = default_cache() / f"kafka-tools-{VERSION}"
        fetch_jars(self._jars, [("org.apache.kafka", "kafka-tools", VERSION)], MARK)

    def lag(self, settings: Settings) -> dict[int, int]:
        """Partition → LAG of the settings' group on its input, as `--describe` prints it."""
        tool = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
        command = [self._java, "-Xmx128m", "-cp", f"{self._jars}/*", tool]
        arguments = ["--bootstrap-server", settings.kafka.bootstrap, "--group", settings.kafka.group, "--describe"]
        told = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, timeout=120)
        rows = [line.split() for line in told.stdout.splitlines()]
        wanted = [settings.kafka.group, settings.topics.submissions]
        return {int(row[2]): int(row[5]) for row in rows if row[:2] == wanted and row[5] != "-"}
