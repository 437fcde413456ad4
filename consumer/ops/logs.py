"""Structured logs on stderr: readable on a terminal, JSON lines elsewhere."""

import logging
import sys
import time

import structlog

from consumer.settings import LogSettings

QUIET_LOGGERS = ("aiokafka", "botocore", "boto3", "opentelemetry", "urllib3", "uvicorn")
"""Libraries that repeat themselves while a peer is down: only their errors, and each once a minute."""
REPEAT_SECONDS = 60.0
REMEMBERED = 1000


class OnceAMinute(logging.Filter):
    """Lets a quiet library say the same thing once a minute: a dead broker makes aiokafka log 100 lines a second."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """The same thing is the same message before its arguments are put in."""
        if not record.name.startswith(QUIET_LOGGERS):
            return True
        now, said = time.monotonic(), (record.name, str(record.msg))
        if now - self._said.get(said, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) >= REMEMBERED:
            self._said.clear()
        self._said[said] = now
        return True


def configure(settings: LogSettings) -> None:
    """Sets up structlog and the standard library's logging for the whole process."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    as_json = settings.format == "json" or (settings.format == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(OnceAMinute())
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*last, renderer]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(level, logging.ERROR))
