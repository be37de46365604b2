"""Read the values of a JSON document one at a time, so that few of them are in memory at once."""

import json
import re
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Iterator
from typing import Any

from container.formats.cells import CellError

_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_BLANKS = re.compile(r"[ \t\r\n]*")
_NEAR_END = 16
"""A value that is cut off is an error at most this many characters before the end."""


class JsonReader:
    """Reads a document from start to end; only a part of its text is decoded at a time.

    Positions in messages are those in the document.
    """

    def __init__(self, body: bytes, decoder: json.JSONDecoder, max_value: int) -> None:
        """Prepare to read; a single value has at most about `max_value` characters."""
        self._body = body
        self._decoder = decoder
        self._max_value = max_value
        self._next = len(BOM_UTF8) if body.startswith(BOM_UTF8) else 0
        self._utf8 = getincrementaldecoder("utf-8")()
        self._text, self._at, self._n_dropped = "", 0, 0
        self._n_lines, self._n_characters = 0, 0
        """Number of lines before the text, and of characters of its line before it."""

    @property
    def n_read(self) -> int:
        """Number of characters read so far."""
        return self._n_dropped + self._at

    def peek(self) -> str:
        """Return the next character that is not blank; empty at the end."""
        while True:
            self._fill()
            self._at = self._end_of_blanks()
            if self._at < len(self._text):
                return self._text[self._at]
            if self._next == len(self._body):
                return ""

    def take(self, mark: str, expectation: str) -> None:
        """Read a mark; raise CellError with the expectation if there is another one."""
        if self.peek() != mark:
            raise self._error(json.JSONDecodeError(expectation, self._text, self._at))
        self._at += 1

    def value(self) -> Any:
        """Read one value; raise CellError if it is not valid, too long or nested too deeply."""
        self.peek()
        return self._value()

    def _value(self) -> Any:
        try:
            value, end = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if self._is_cut(error):
                raise self._too_long() from error
            raise self._error(error) from error
        except RecursionError as error:
            raise CellError("the JSON is nested too deeply") from error
        if end == len(self._text) and self._next < len(self._body):
            raise self._too_long()
        self._at = end
        return value

    def items(self) -> Iterator[Any]:
        """Yield each item of the array that follows."""
        self.take("[", "Expecting value")
        if self.peek() != "]":
            yield self._value()
            while self._take_comma():
                yield self._value()
        self._at += 1

    def _take_comma(self) -> bool:
        """Go to the item after the next comma; return False if the array ends here."""
        found = _COMMA.match(self._text, self._at)
        if found and found.end() <= len(self._text) - self._max_value:
            self._at = found.end()
            return True
        if self.peek() == "]":
            return False
        self.take(",", "Expecting ',' delimiter")
        self.peek()
        return True

    def members(self) -> Iterator[str]:
        """Yield each key of the object that follows; the caller reads its value."""
        self.take("{", "Expecting value")
        if self.peek() != "}":
            yield self._key()
            while self.peek() != "}":
                self.take(",", "Expecting ',' delimiter")
                yield self._key()
        self._at += 1

    def end(self) -> None:
        """Raise CellError if something follows."""
        if self.peek():
            raise self._error(json.JSONDecodeError("Extra data", self._text, self._at))

    def _key(self) -> str:
        if self.peek() != '"':
            expectation = "Expecting property name enclosed in double quotes"
            raise self._error(json.JSONDecodeError(expectation, self._text, self._at))
        key: str = self.value()
        self.take(":", "Expecting ':' delimiter")
        return key

    def _end_of_blanks(self) -> int:
        found = _BLANKS.match(self._text, self._at)
        return found.end() if found else self._at

    def _fill(self) -> None:
        """Decode the next part, unless the text still has room for a whole value."""
        while len(self._text) - self._at < self._max_value and self._next < len(self._body):
            dropped = self._text[: self._at]
            self._n_lines, self._n_characters = self._place(dropped.count("\n"), dropped)
            piece = self._body[self._next : self._next + self._max_value]
            self._next += len(piece)
            try:
                decoded = self._utf8.decode(piece, self._next == len(self._body))
            except UnicodeDecodeError as error:
                raise self._not_utf8(error) from error
            self._n_dropped += self._at
            self._text, self._at = self._text[self._at :] + decoded, 0

    def _place(self, n_line_feeds: int, text: str) -> tuple[int, int]:
        """Return line and character, from 0, of the end of a part of the text."""
        before = 0 if n_line_feeds else self._n_characters
        return self._n_lines + n_line_feeds, before + len(text) - (text.rfind("\n") + 1)

    def _error(self, error: json.JSONDecodeError) -> CellError:
        line, character = self._place(error.lineno - 1, self._text[: error.pos])
        where = f"line {line + 1}, character {character + 1}"
        return CellError(f"{where} is not valid JSON ({error.msg})")

    def _is_cut(self, error: json.JSONDecodeError) -> bool:
        is_near = error.pos > len(self._text) - _NEAR_END
        is_open = error.msg.startswith("Unterminated string")
        return self._next < len(self._body) and (is_near or is_open)

    def _too_long(self) -> CellError:
        line, character = self._place(self._text.count("\n", 0, self._at), self._text[: self._at])
        where = f"line {line + 1}, character {character + 1}"
        return CellError(f"the value at {where} has more than {self._max_value} bytes")

    def _not_utf8(self, error: UnicodeDecodeError) -> CellError:
        at = self._next - len(error.object) + error.start
        line = self._body.count(b"\n", 0, at) + 1
        return CellError(f"line {line} has the byte 0x{self._body[at]:02x}, which is not UTF-8")
