"""What users ask the model server and what it replies, as it lies below serving/.

A case is a directory: request.json has the headers and settings, body.* the body, reply.* the body
of the reply; of a rejected request, reply.json has the status beside the fields of the error.
features.json has the rows that an accepted body stands for, null for a cell that is missing and
for a row that is marked.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).resolve().parent / "serving"

KEYS = {
    "model",
    "content_type",
    "accept",
    "headers",
    "settings",
    "outputs",
    "reply_content_type",
}
"""What request.json may have; `outputs` is what the reply tells, unless that is one prediction."""


@dataclass(frozen=True)
class Exchange:
    """A request and its reply."""

    directory: Path

    @cached_property
    def request(self) -> dict[str, Any]:
        """All that request.json says."""
        found: dict[str, Any] = json.loads((self.directory / "request.json").read_bytes())
        return found

    @property
    def model(self) -> str:
        """Which of serving_models.MODELS is asked."""
        name: str = self.request.get("model", "flowers")
        return name

    @property
    def settings(self) -> dict[str, Any]:
        """Fields of container.settings.Settings that are not the default."""
        given: dict[str, Any] = self.request.get("settings", {})
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request."""
        named = {"Content-Type": "content_type", "Accept": "accept"}
        own = {header: self.request[key] for header, key in named.items() if key in self.request}
        return {**own, **self.request.get("headers", {})}

    @property
    def body(self) -> bytes:
        """The body of the request."""
        return self._content("body")

    @property
    def reply(self) -> bytes:
        """What reply.* holds."""
        return self._content("reply")

    @property
    def features(self) -> list[list[float | None] | None]:
        """The rows that the body stands for."""
        found: list[list[float | None] | None]
        found = json.loads((self.directory / "features.json").read_bytes())
        return found

    def _content(self, stem: str) -> bytes:
        (file,) = self.directory.glob(f"{stem}.*")
        return file.read_bytes()


def exchanges(kind: str) -> list[Exchange]:
    """Return all that are accepted, or all that are rejected."""
    return [Exchange(directory) for directory in sorted((DIRECTORY / kind).iterdir())]
