"""Run the real `serve` with its log in files, so that long logs do not fill a pipe."""

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
    """Response with its headers."""

    headers: Mapping[str, str]


class LoggedServer(Server):
    """Running `serve` whose standard output and standard error are files."""

    def __init__(
        self, opt_ml: OptMl, directory: Path, program: str | Path = PROGRAM_DIR, **variables: str
    ) -> None:
        port = free_port()
        variables = {"MODEL_SERVER_WORKERS": "2", "SAGEMAKER_BIND_TO_PORT": str(port)} | variables
        self._log = directory / "stdout"
        self._errors = directory / "stderr"
        with self._log.open("w") as log, self._errors.open("w") as errors:
            process = launch(
                [Path(program) / "serve"],
                env=environment(opt_ml, **variables),
                stdout=log,
                stderr=errors,
            )
        super().__init__(process, port)

    def lines(self) -> list[Line]:
        """Return the complete lines of standard output, which must be JSON objects."""
        lines = [json.loads(line) for line in self.raw_log().split("\n")[:-1]]
        assert all(isinstance(line, dict) for line in lines)
        return lines

    def messages(self) -> list[str]:
        """Return the messages of all lines."""
        return [line["message"] for line in self.lines() if "message" in line]

    def raw_log(self) -> str:
        """Return standard output as it is."""
        return self._log.read_text(encoding="utf-8")

    def errors(self) -> str:
        """Return standard error."""
        return self._errors.read_text(encoding="utf-8")

    def ended(self) -> Ended:
        """Wait until it exits."""
        code = self.process.wait(timeout=DEADLINE_SECONDS)
        return Ended(code, self.raw_log())

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> WholeReply:
        """Send one request on a new connection; return the response with its headers."""
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
def serving(
    opt_ml: OptMl, directory: Path, program: str | Path = PROGRAM_DIR, **variables: str
) -> Iterator[LoggedServer]:
    """Run `serve` of a program with its log in `directory`; stop it at the end."""
    directory.mkdir(parents=True, exist_ok=True)
    server = LoggedServer(opt_ml, directory, program, **variables)
    try:
        yield server
    finally:
        try:
            if server.process.poll() is None:
                server.stop()
        finally:
            end(server.process)
