"""Order columns by name, as in training."""

from collections.abc import Collection, Sequence

from container.formats.cells import CellError, shown
from container.payloads.types import Expected

NO_NAMES = "the features of this model have no names"
_SHOWN = 10


def order(found: Sequence[str], expected: Expected, where: str) -> list[int] | None:
    """Return for each feature the index of its name in `found`; None if they are in order.

    Args:
        found: the names in the request.
        expected: the features of the model.
        where: place of the names for the message, such as "row 1".

    Raises:
        CellError: a name is missing, unknown or repeated, or the features have no names.
    """
    if expected.names is None:
        raise CellError(f"{where} has names, but {NO_NAMES}", "leave the names out")
    if list(found) == list(expected.names):
        return None
    places = {name: index for index, name in enumerate(found)}
    if len(places) < len(found):
        twice = next(name for index, name in enumerate(found) if places[name] != index)
        raise CellError(f"{where} has the name {shown(twice)} twice")
    refuse_others(places, expected.names, where)
    return [places[name] for name in expected.names]


def refuse_others(found: Collection[str], names: Sequence[str], where: str) -> None:
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
