"""Whether `advet local` may write its settings file: never over a person's own, nor over that of a running stack."""

import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from consumer.errors import StartRefused
from consumer.local.process import accepts_connections
from consumer.local.stack import CONFIG_MARK


def check_free(path: Path) -> None:
    """Raises StartRefused where writing `path` would destroy something."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.startswith(CONFIG_MARK):
        raise StartRefused(f"{path} was not written by `advet local`: choose another file with --config")
    try:
        endpoint = urlsplit(tomllib.loads(text)["storage"]["endpoint"])
        port = endpoint.port
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError):
        return  # edited by hand since: nothing there says that its stack still runs
    if port and accepts_connections(port):
        raise StartRefused(
            f"{path} belongs to an `advet local` that is running ({endpoint.geturl()}): end that one, or choose "
            "another file with --config"
        )
