"""The hand-written consumer: read a batch, judge its events at the same time, produce, commit. At least once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from benchmarks.peers.work import Task, Verdict, Work


async def main(task: Task) -> None:
    """Works until it is terminated."""
    work = Work(task)
    threads = ThreadPoolExecutor(task.threads)
    loop = asyncio.get_running_loop()
    consumer = AIOKafkaConsumer(
        task.source,
        bootstrap_servers=task.bootstrap,
        group_id=task.group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=task.bootstrap, acks="all", linger_ms=task.linger_ms)

    async def judge(record: ConsumerRecord) -> Verdict:
        arguments = record.value, record.headers, record.topic, record.partition, record.offset
        if not work.blocks:
            return work.judge(*arguments)
        return await loop.run_in_executor(threads, work.judge, *arguments)

    async with consumer, producer:
        while True:
            batches = await consumer.getmany(timeout_ms=100, max_records=task.concurrency)
            records = [record for batch in batches.values() for record in batch]
            if not records:
                continue
            if work.blocks:
                verdicts = await asyncio.gather(*map(judge, records))
            else:
                verdicts = [await judge(record) for record in records]
            sent = [await producer.send(task.target, v.value, v.key, headers=v.headers) for v in verdicts]
            await asyncio.gather(*sent)
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(Task.from_arguments()))
