"""Real parts that the contract suites share: one SeaweedFS a session."""

import asyncio
from collections.abc import Iterator

import pytest

from consumer.local.object_store import ObjectStore


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A store with the buckets `ads` and `private`."""
    store = asyncio.run(ObjectStore.start(tmp_path_factory.mktemp("weed"), buckets=("ads", "private")))
    yield store
    asyncio.run(store.stop())
