"""What a program says at its end: its error output is passed on whole, and its last lines kept."""

import os
import re
import threading
from contextlib import suppress

from container.supervisor import FAILURE_CHARACTERS

_KEPT_BYTES = 16_384
_ANSWER_SECONDS = 2.0
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ErrorOutput:
    """A pipe: a program writes its error output to it, a thread passes it on as it comes."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._tail = bytearray()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)

    def take(self) -> None:
        """Make the pipe the error output of this process; called by the child."""
        os.dup2(self._writer, 2)

    def listen(self) -> None:
        """Begin to read; called by the parent when it has its child."""
        os.close(self._writer)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the end of the output; somebody may have left the group and hold it open."""
        self._thread.join(_ANSWER_SECONDS)

    def lines(self) -> list[str]:
        """Return the last lines: without colours, and of a progress bar its last state."""
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


def ending(sentence: str, lines: list[str]) -> str:
    """Return a sentence and as many last lines below it as a failure file shows."""
    room = FAILURE_CHARACTERS - len(sentence)
    kept: list[str] = []
    for line in reversed(lines):
        room -= len(line) + 1
        if room < 0:
            break
        kept.insert(0, line)
    if lines and not kept:
        kept = [lines[-1]]  # a long last line: its beginning says most
    return "\n".join([sentence, *kept])[:FAILURE_CHARACTERS]


def _write(content: bytes) -> None:
    while content:
        content = content[os.write(2, content) :]
