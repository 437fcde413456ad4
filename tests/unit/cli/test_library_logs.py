"""A library that repeats itself is heard once; our own lines always."""

import logging

from consumer.ops.logs import OnceAMinute


def _record(name: str, message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, None)


def test_the_same_complaint_of_a_library_passes_once() -> None:
    once = OnceAMinute()
    passed = [once.filter(_record("aiokafka.conn", "Unable to reach node %s", node)) for node in (1, 2, 3)]
    assert passed == [True, False, False]
    assert once.filter(_record("aiokafka.conn", "Heartbeat failed"))


def test_our_own_lines_always_pass() -> None:
    once = OnceAMinute()
    assert all(once.filter(_record("consumer.app", "publish_retry")) for _ in range(3))
