"""A tiny Qwen2-VL with random weights, written once per session and loaded through the Auto classes."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from consumer.inference.gpu.model import Model, load_model  # noqa: E402
from consumer.inference.model_folder import write  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A card that this machine lacks is a skip that says so."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's folder."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write("tiny", folder, 0, lambda _done, _total: None)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Model:
    """The model on the CPU, in float32."""
    return load_model(str(tiny_folder), None, torch.device("cpu"), torch.float32)
