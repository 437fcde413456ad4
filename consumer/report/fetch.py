"""One GET for a JSON object, with bounds, over what the standard library has."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consumer.report.window import ReportRefused

ANSWER_SECONDS = 60.0
MOST_BYTES = 256 * 1024 * 1024
HERE = frozenset({"localhost", "127.0.0.1", "::1"})
"""Never asked through a proxy."""


class Address:
    """A base URL, with what it needs to be let in."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        """`url` may hold `user:password@`; `token_file` a bearer token. Raises ReportRefused."""
        try:
            parts = urllib.parse.urlsplit(url if "//" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise ReportRefused(f"{url} is no address: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ReportRefused(f"{url} is no address: write http://host:port")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.name = host if port is None else f"{host}:{port}"
        """Host and port."""
        self.url = f"{parts.scheme}://{self.name}{parts.path.rstrip('/')}"
        """Without the password."""
        own = [urllib.request.ProxyHandler({})] if parts.hostname in HERE else []
        self._opener = urllib.request.build_opener(*own)
        self._headers = {"Accept": "application/json"}
        if parts.username is not None:
            pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        if token_file is not None:
            try:
                self._headers["Authorization"] = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
            except (OSError, UnicodeDecodeError) as error:
                raise ReportRefused(f"cannot read the token in {token_file}: {error}") from error

    def get(self, path: str, query: Mapping[str, str], silent: str) -> dict[str, Any]:
        """The object at `path`; `silent` is what to do when nothing listens there. Raises ReportRefused."""
        asked = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(asked, headers=self._headers)  # noqa: S310 - http or https, see above
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as answer:
                body = answer.read(MOST_BYTES + 1)
        except urllib.error.HTTPError as error:
            raise ReportRefused(f"{self.url}{path} answers {error.code}: {_why(error)}") from error
        except urllib.error.URLError as error:
            raise ReportRefused(f"nothing answers at {self.url} ({_cause(error)}): {silent}") from error
        except (OSError, http.client.HTTPException) as error:
            raise ReportRefused(f"{self.url} broke off: {error!r}") from error
        if len(body) > MOST_BYTES:
            raise ReportRefused(f"{self.url} answers more than {MOST_BYTES:,} bytes: --match narrows it")
        try:
            answered = json.loads(body)
        except ValueError as error:
            raise ReportRefused(f"{self.url}{path} does not answer with JSON: is it the right address?") from error
        if not isinstance(answered, dict):
            raise ReportRefused(f"{self.url}{path} answers no JSON object: is it the right address?")
        return answered


def _cause(error: urllib.error.URLError) -> str:
    reason = error.reason
    return (reason.strerror or str(reason)) if isinstance(reason, OSError) else str(reason)


def _why(error: urllib.error.HTTPError) -> str:
    """What the server says, shortened."""
    try:
        said = error.read(2000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        said = ""
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return said.splitlines()[0][:200] if said else str(error.reason)
