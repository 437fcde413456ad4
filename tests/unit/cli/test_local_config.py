"""`advet local` writes its settings over nothing that somebody still needs."""

import socket
from pathlib import Path

import pytest

from consumer.errors import StartRefused
from consumer.local.config_file import check_free
from consumer.local.stack import CONFIG_MARK


def _written(path: Path, port: int) -> Path:
    path.write_text(f'{CONFIG_MARK}; and more\n[storage]\nendpoint = "http://127.0.0.1:{port}"\n')
    return path


def test_a_new_file_and_one_whose_stack_has_ended_are_free(tmp_path: Path) -> None:
    check_free(tmp_path / "new.toml")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, but nothing listens there
        check_free(_written(tmp_path / "ended.toml", unused.getsockname()[1]))


def test_the_file_of_a_running_stack_is_not_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as store:
        path = _written(tmp_path / "running.toml", store.getsockname()[1])
        with pytest.raises(StartRefused, match="is running"):
            check_free(path)


def test_a_file_of_ones_own_is_not_free(tmp_path: Path) -> None:
    path = tmp_path / "advet.toml"
    path.write_text('[kafka]\ngroup = "mine"\n')
    with pytest.raises(StartRefused, match="--config"):
        check_free(path)
