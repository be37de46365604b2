r"""The corpus: inputs as people send them, each with what comes of it, in one table a format.

serving_*.yaml holds requests to the model server, training_*.yaml inputs of training jobs. A table
has the sections `accepted` and `rejected`; the key of an entry is its name and the id of its tests.
To add an entry, for example for a bug, copy a similar one and give it a name that says what is
special about it.

- The other keys of an entry are the fields of `AcceptedRequest`, `RejectedRequest`, `AcceptedInput`
  or `RejectedInput` below. Unknown, missing and repeated keys are errors.
- A body, a reply or a file is text in UTF-8. If an editor or git hides or changes one of its bytes
  (CR, tab, NUL, byte-order mark, a blank at the end), write it in double quotes: "1,2\r\n".
- `!bytes "\xff\xfe"` is binary, one byte a character; `!utf-16-le`,
  `!utf-16-be` and `!utf-32-le` encode a text.
- `!generated digits/int8.npy` is the file of that name of good_binaries.py, bad_binaries.py or
  flower_files.py.
- The section `shared` holds values of several entries: `&name` names one, `*name` repeats it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml

from payloads import bad_binaries, flower_files, good_binaries

DIRECTORY = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Request:
    """The model that a request asks, the settings of its server, and the headers."""

    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    content_type: str | None = None
    accept: str | None = None
    other_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """All headers."""
        named = {"Content-Type": self.content_type, "Accept": self.accept}
        return {
            **{name: text for name, text in named.items() if text is not None},
            **self.other_headers,
        }


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request to the model server."""

    tables: ClassVar = "serving_*.yaml"
    name: str
    request: Request
    body: bytes


@dataclass(frozen=True, kw_only=True)
class AcceptedRequest(Exchange):
    """A request with its reply.

    `outputs` are the values in the reply for each row. `features` are the rows in the body; null
    stands for a missing cell, and for a row that is marked as bad.
    """

    section: ClassVar = "accepted"
    features: list[list[float | None] | None]
    outputs: list[str] = field(default_factory=lambda: ["prediction"])
    reply_type: str = "text/csv"
    reply: bytes


@dataclass(frozen=True, kw_only=True)
class RejectedRequest(Exchange):
    """A request with the status and the fields of its error; `row` and `column` can be left out."""

    section: ClassVar = "rejected"
    error: dict[str, Any]
    message: str

    @property
    def reply(self) -> dict[str, Any]:
        """The status and all fields of the error."""
        return {"row": None, "column": None, **self.error, "message": self.message}


@dataclass(frozen=True, kw_only=True)
class TrainingInput:
    """The input of a training job: files by channel/path, and the values of two JSON files.

    A text instead of such a value is what the file holds, if that is not JSON.
    """

    tables: ClassVar = "training_*.yaml"
    name: str
    hyperparameters: Any = None
    inputdataconfig: Any = None
    files: Mapping[str, bytes]

    @property
    def configuration(self) -> dict[str, bytes]:
        """The contents of the JSON files, by their names."""
        named = {
            "hyperparameters.json": self.hyperparameters,
            "inputdataconfig.json": self.inputdataconfig,
        }
        return {
            name: (value if isinstance(value, str) else json.dumps(value) + "\n").encode()
            for name, value in named.items()
            if value is not None
        }


@dataclass(frozen=True, kw_only=True)
class AcceptedInput(TrainingInput):
    """An input with its table: labels, features, feature_names, weights, and that of validation."""

    section: ClassVar = "accepted"
    expected: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RejectedInput(TrainingInput):
    """An input with the message of the failure; {data} and {config} stand for folders in it."""

    section: ClassVar = "rejected"
    message: str


Entry = TypeVar("Entry", AcceptedRequest, RejectedRequest, AcceptedInput, RejectedInput)


def read(kind: type[Entry], directory: Path = DIRECTORY) -> list[Entry]:
    """Return the entries of one kind from all tables."""
    tables = [_table(file) for file in sorted(directory.glob(kind.tables))]
    return [
        kind(name=name, **{key: _value(key, value) for key, value in entry.items()})
        for table in tables
        for name, entry in table.get(kind.section, {}).items()
    ]


def _value(key: str, value: Any) -> Any:
    """Return the value of a key of an entry as the field has it."""
    if key == "request":
        return Request(**value)
    if key == "files":
        return {path: _encoded(content) for path, content in value.items()}
    return _encoded(value) if key in ("body", "reply") else value


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


@cache
def _table(file: Path) -> dict[str, dict[str, Any]]:
    table: dict[str, dict[str, Any]] = CorpusLoader(file.read_bytes()).get_single_data()
    assert table.keys() <= {"shared", "accepted", "rejected"}, file
    return table


@cache
def generated() -> dict[str, bytes]:
    """Return all files that the generators make, by name."""
    folders = {
        "digits": [*good_binaries.bodies(), *bad_binaries.bodies()],
        "replies": good_binaries.replies(),
        "flowers": flower_files.files(),
    }
    named = [
        (f"{folder}/{name}", content)
        for folder, files in folders.items()
        for part in files
        for name, content in part.items()
    ]
    assert len(dict(named)) == len(named), "two files have one name"
    return dict(named)


class CorpusLoader(yaml.CSafeLoader):  # type: ignore[misc]
    """YAML without repeated keys, with tags for what is not text in UTF-8."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping; a key that comes twice is an error."""
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a repeated key", node.start_mark)
        return found


CorpusLoader.add_constructor("!bytes", lambda _, node: node.value.encode("latin-1"))
CorpusLoader.add_constructor("!utf-16-le", lambda _, node: node.value.encode("utf-16-le"))
CorpusLoader.add_constructor("!utf-16-be", lambda _, node: node.value.encode("utf-16-be"))
CorpusLoader.add_constructor("!utf-32-le", lambda _, node: node.value.encode("utf-32-le"))
CorpusLoader.add_constructor("!generated", lambda _, node: generated()[node.value])
