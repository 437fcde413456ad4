"""Which errors are a shortage of memory, and what of their text is kept."""

import gc
import weakref

import pytest
import torch

from consumer.inference.gpu.oom import Shortage, catching

TEXTS = [
    ("CUDA out of memory. Tried to allocate 254.00 GiB. GPU 0 has a total capacity of 79.25 GiB", 254 * 2**30),
    ("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has 3.00 MiB free", 20 * 2**20),
    ("CUDA out of memory. Tried to allocate 512 bytes.", 512),
    ("Allocation on device", None),
]


def failing(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(("text", "requested"), TEXTS)
def test_of_an_out_of_memory_only_the_size_is_kept(text, requested):
    assert catching(failing(torch.OutOfMemoryError(text))) == Shortage(requested)


@pytest.mark.parametrize("text", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"])
def test_the_librarys_own_shortages_are_shortages(text):
    assert catching(failing(RuntimeError(text))) == Shortage(None)


@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA error: an illegal memory access was encountered"), ValueError("x"), MemoryError()]
)
def test_every_other_error_is_raised(error):
    with pytest.raises(type(error)):
        catching(failing(error))


def test_nothing_of_the_failed_work_stays_alive():
    alive = []

    def work():
        tensor = torch.zeros(8)
        alive.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("Tried to allocate 1.00 GiB")

    catching(work)
    gc.collect()
    assert alive[0]() is None
