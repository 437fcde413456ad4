"""`advet skip` for a partition that nobody owns: the operator's dead letter, exactly once like any other."""

from consumer.claims import Claims
from consumer.creatives.store import S3Store
from consumer.errors import PermanentError, StartRefused
from consumer.kafka.takeover import take_over
from consumer.messages import Partition
from consumer.ops.metrics import Metrics
from consumer.outcome import Trial, dead_letter
from consumer.settings import Settings
from schemas import Reason, Stage


async def skip_unowned(settings: Settings, partition: Partition, offset: int, reason: str) -> None:
    """Sends one record to the dead letters. Raises TakeoverRefused, StartRefused, KafkaError or TimeoutError."""
    if settings.delivery != "exactly_once":
        raise StartRefused("at_least_once keeps no map of finished records: start the consumer, then skip through it")
    store = S3Store(settings.storage)
    await store.start()
    try:
        async with take_over(settings.kafka, partition) as owner:
            record = await owner.read(offset)
            trial = Trial(record)
            trial.failed()
            error = PermanentError(Reason.SKIPPED_BY_OPERATOR, Stage.ADMIT, reason)
            letter = dead_letter(trial, error, None, settings.kafka.group)
            await owner.finish(offset, await Claims(settings, store, Metrics()).fit(record, letter))
    finally:
        await store.close()
