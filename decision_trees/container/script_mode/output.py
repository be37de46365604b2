"""Output of a program: error output, whose last lines go to the failure file, and files."""

import logging
import os
import re
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from container.resources import counted

_KEPT_BYTES = 16_384
_JOIN_SECONDS = 2.0
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

logger = logging.getLogger(__name__)


class ErrorOutput:
    """Pipe for the error output of a program; a thread reads it and passes it on."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._tail = bytearray()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def redirect(self) -> None:
        """Redirect the error output of this process to the pipe; called by the child."""
        os.dup2(self._writer, 2)

    def listen(self) -> None:
        """Start to read; called by the parent after the fork."""
        os.close(self._writer)
        self._thread.start()

    def finish(self) -> None:
        """Wait a limited time for the end: a process that left the group may keep the pipe open."""
        self._thread.join(_JOIN_SECONDS)

    def lines(self) -> list[str]:
        """Return the last lines, without colours and with the last state of a progress bar."""
        text = _COLOUR.sub("", self._tail.decode(errors="replace"))
        lines = [line.rstrip().rsplit("\r", 1)[-1] for line in text.split("\n")]
        return [line for line in lines if line]

    def _pass_on(self) -> None:
        with suppress(OSError):
            while content := os.read(self._reader, 65_536):
                self._tail += content
                del self._tail[:-_KEPT_BYTES]
                with suppress(OSError):
                    _write(content)


def log_files(directories: Iterable[Path]) -> None:
    """Log what a program that succeeded has written, and where."""
    for directory in directories:
        with suppress(OSError):
            sizes = [file.stat().st_size for file in directory.rglob("*") if file.is_file()]
            files = counted(len(sizes), "file")
            logger.info("written to %s: %s, %.1f MB", directory, files, sum(sizes) / 1e6)


def _write(content: bytes) -> None:
    while content:
        content = content[os.write(2, content) :]
