"""Order columns by name, as in training."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from container.formats.cells import CellError, shown, stripped

T = TypeVar("T")

NO_NAMES = "the features of this model have no names"
_SHOWN = 10


def order(found: Sequence[str], trained: Sequence[str] | None, where: str) -> list[int] | None:
    """Return for each feature the index of its name in `found`; None if they are in order.

    Args:
        found: the names in the request.
        trained: those of the training; None if the features have none.
        where: place of the names for the message, such as "row 1".

    Raises:
        CellError: a name is missing, unknown or repeated, or the features have no names.
    """
    if trained is None:
        raise CellError(f"{where} has names, but {NO_NAMES}", "leave the names out")
    names = compared(found, trained)
    if names == list(trained):
        return None
    places = {name: index for index, name in enumerate(names)}
    if len(places) < len(names):
        twice = next(name for index, name in enumerate(names) if places[name] != index)
        raise CellError(f"{where} has the name {shown(twice)} twice")
    _refuse_others(places, trained, where)
    return [places[name] for name in trained]


def part(found: list[T], indices: Sequence[int] | None) -> list[T]:
    """Return the cells of a row with these indices; all if there are none."""
    return found if indices is None else [found[index] for index in indices]


def compared(found: Iterable[str], names: Collection[str]) -> list[str]:
    """Return the names in a request without blanks at their ends, unless `names` has them so."""
    known = set(names)
    return [name if name in known else stripped(name) for name in found]


def _refuse_others(found: Collection[str], names: Sequence[str], where: str) -> None:
    """Raise CellError if `found` does not have exactly the names of the features."""
    known = set(names)
    unknown = [name for name in found if name not in known]
    sent = set(found)
    missing = [name for name in names if name not in sent]
    problems = []
    if unknown:
        problems.append(f"has the unknown {_listed(unknown)}")
    if missing:
        problems.append(f"lacks the {_listed(missing)}")
    if problems:
        remedy = "name each feature of the training once"
        raise CellError(f"{where} {' and '.join(problems)}", remedy)


def _listed(names: Sequence[str]) -> str:
    noun = "name" if len(names) == 1 else "names"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{noun} {', '.join(map(shown, names[:_SHOWN]))}{more}"
