"""FastStream over aiokafka, a batch subscriber: offsets are committed after the handler. At least once.

FastStream has no exactly-once mode: it passes a `transactional_id` on but never begins a transaction.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from aiokafka import ConsumerRecord
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from benchmarks.peers.work import Task, Verdict, Work


async def main(task: Task) -> None:
    """Works until it is terminated."""
    work = Work(task)
    threads = ThreadPoolExecutor(task.threads)
    loop = asyncio.get_running_loop()
    broker = KafkaBroker(task.bootstrap, acks="all", linger_ms=task.linger_ms, logger=None)

    async def judge(record: ConsumerRecord) -> Verdict:
        arguments = record.value, record.headers, record.topic, record.partition, record.offset
        if not work.blocks:
            return work.judge(*arguments)
        return await loop.run_in_executor(threads, work.judge, *arguments)

    async def leave_bytes(_message: KafkaMessage) -> None:
        """What FastStream would parse here, `work` parses."""

    @broker.subscriber(
        task.source,
        group_id=task.group,
        batch=True,
        max_records=task.concurrency,
        batch_timeout_ms=100,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        decoder=leave_bytes,
    )
    async def handle(message: KafkaMessage) -> None:
        verdicts = await asyncio.gather(*map(judge, message.raw_message))
        sent = [
            await broker.publish(
                v.value,
                task.target,
                key=v.key,
                headers={name: value.decode() for name, value in v.headers},
                no_confirm=True,
            )
            for v in verdicts
        ]
        await asyncio.gather(*sent)

    await FastStream(broker, logger=None).run(log_level=logging.WARNING)


if __name__ == "__main__":
    asyncio.run(main(Task.from_arguments()))
