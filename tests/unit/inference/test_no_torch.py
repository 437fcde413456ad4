"""The consumer's process never loads torch: it holds no CUDA context, and a torch that fails to load cannot end it."""

import subprocess
import sys

import pytest

HEAVY = ("llguidance", "qwen_vl_utils", "safetensors", "torch", "torchvision", "transformers")


@pytest.mark.parametrize("module", ["consumer.app", "consumer.__main__", "consumer.inference.gpu_process"])
def test_the_consumer_runs_without_torch(module):
    code = f"import sys, {module}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert module in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)
