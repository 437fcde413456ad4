"""Every error advet raises on purpose, named after the action it asks for.

    AdvetError
    ├── TransientError          try again, with limits
    │   ├── StorageUnavailable      the store answers 5xx, throttles, or does not answer
    │   └── WorkerCrashed           a worker process died while it held the item
    ├── PermanentError          dead-letter this item, with a reason of the closed list
    ├── StartRefused            do not start: says what is wrong and what to do
    │   └── SettingsInvalid         a setting is missing, unknown or out of range
    └── StreamBroken            outside any item's path: end the process, offsets stay uncommitted

Libraries' errors are translated at one boundary each: botocore's in `creatives.store`, Pillow's in
`creatives.decode_worker`, aiokafka's in `kafka`. `processor` is the one place that decides between retry and
dead letter; `app` the one place that decides to stop. Errors of one area stand beside what raises them:
`kafka.delivery` (MustRejoin, ActivationAbandoned), `kafka.assignment` (SkipRefused), `kafka.takeover`
(TakeoverRefused), `local.process` (ChildFailed).
"""

from schemas import OomFacts, Reason, Stage


class AdvetError(Exception):
    """Root of every error raised on purpose."""


class TransientError(AdvetError):
    """Nothing is wrong with the item: the same call may succeed later."""


class StorageUnavailable(TransientError):
    """The object store did not serve the object; says nothing about the object itself."""


class WorkerCrashed(TransientError):
    """The worker process that held the item died."""


class PermanentError(AdvetError):
    """This item cannot be judged. The message goes into the dead letter: no paths, no secrets."""

    def __init__(self, reason: Reason, stage: Stage, message: str, *, oom: OomFacts | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.stage = stage
        self.oom = oom

    @property
    def message(self) -> str:
        """Text for people, as given."""
        return str(self.args[0])


class StartRefused(AdvetError):
    """Starting would break a promise; the message says what to change."""


class SettingsInvalid(StartRefused):
    """A setting is unknown, missing or out of range."""


class StreamBroken(AdvetError):
    """The stream itself failed; the process ends and the next owner continues from the committed offsets."""
