"""A real `serve` whose log goes to a file: it may answer many requests, and its lines are read."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.material import PROGRAM_DIR, OptMl
from support.processes import (
    DEADLINE_SECONDS,
    Ended,
    Reply,
    Server,
    end,
    environment,
    free_port,
    launch,
)

Line = dict[str, Any]


@dataclass(frozen=True)
class WholeReply(Reply):
    """An answer over HTTP with its headers."""

    headers: Mapping[str, str]


class LoggedServer(Server):
    """A running `serve`; a pipe would be full after some hundred lines, and hold it up."""

    def __init__(self, opt_ml: OptMl, directory: Path, **variables: str) -> None:
        port = free_port()
        variables = {"MODEL_SERVER_WORKERS": "2", "SAGEMAKER_BIND_TO_PORT": str(port)} | variables
        self._log = directory / "stdout"
        self._errors = directory / "stderr"
        with self._log.open("w") as log, self._errors.open("w") as errors:
            process = launch(
                [PROGRAM_DIR / "serve"],
                env=environment(opt_ml, **variables),
                stdout=log,
                stderr=errors,
            )
        super().__init__(process, port)

    def lines(self) -> list[Line]:
        """Return the lines that are whole, all of them JSON objects."""
        text = self._log.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def messages(self) -> list[str]:
        """Return the messages of the lines."""
        return [line["message"] for line in self.lines() if "message" in line]

    def errors(self) -> str:
        """Return what was written to standard error, where nginx writes."""
        return self._errors.read_text(encoding="utf-8")

    def ended(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait(timeout=DEADLINE_SECONDS)
        return Ended(code, self._log.read_text(encoding="utf-8"))

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> WholeReply:
        """Send one request on a new connection; the reply has its headers."""
        connection = self.connect()
        verb = method or ("GET" if body is None else "POST")
        try:
            connection.request(verb, path, body, dict(headers or {}))
            response = connection.getresponse()
            content_type = response.headers["Content-Type"]
            return WholeReply(
                response.status, content_type, response.read(), dict(response.headers)
            )
        finally:
            connection.close()


@contextmanager
def serving(opt_ml: OptMl, directory: Path, **variables: str) -> Iterator[LoggedServer]:
    """Run `serve` with its log in `directory`; it is stopped in the end."""
    directory.mkdir(parents=True, exist_ok=True)
    server = LoggedServer(opt_ml, directory, **variables)
    try:
        yield server
    finally:
        try:
            if server.process.poll() is None:
                server.stop()
        finally:
            end(server.process)
