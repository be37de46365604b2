"""Groups: hosts agree, and end together."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from container.distributed.communicator import ALONE, CAUSE_SECONDS, Communicator
from container.errors import HostError, TrainingDataError
from support.groups import NAMES, Machine, connected, on_all
from support.processes import DEADLINE_SECONDS


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Three hosts that have met."""
    with connected() as found:
        yield found


def heard(machine: Machine) -> HostError:
    """Return the failure that a host hears of."""
    error: HostError = machine.failures.get(timeout=DEADLINE_SECONDS)
    return error


def fail_in(communicator: Communicator, error: Exception, own: bool = False) -> None:
    """Meet an error while a job runs."""
    with communicator.closing():
        if not own:
            raise error
        with communicator.naming_host():
            raise error


def test_hosts_gather_what_each_gives(machines: list[Machine]) -> None:
    """Everybody gets all of it, in the order of the hosts, as often as they like."""
    found = on_all(
        machines,
        lambda communicator: [communicator.gather([communicator.rank, i]) for i in range(3)],
    )

    assert found == [[[[0, i], [1, i], [2, i]] for i in range(3)]] * 3


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_hosts_reduce_arrays(machines: list[Machine], dtype: Any) -> None:
    """Sums and extremes are those over all hosts, in the dtype and the shape that they had."""

    def reduced(communicator: Communicator) -> list[Any]:
        mine = np.array([[communicator.rank, -communicator.rank, 5]], dtype=dtype)
        return [communicator.sum(mine), communicator.maximum(mine), communicator.minimum(mine)]

    for found in on_all(machines, reduced):
        assert [array.tolist() for array in found] == [[[3, -3, 15]], [[2, 0, 5]], [[0, -2, 5]]]
        assert {array.dtype for array in found} == {np.dtype(dtype)}


def test_large_arrays_are_reduced(machines: list[Machine]) -> None:
    """They may be larger than what the network holds on the way."""
    found = on_all(
        machines, lambda communicator: communicator.sum(np.full(1_000_000, communicator.rank + 0.5))
    )

    assert all((array == 4.5).all() for array in found)


def test_host_that_is_alone_needs_no_network() -> None:
    """It gets what it gives, as arrays that can be changed."""
    values = np.array([1.0, 2.0])

    assert ALONE.gather("x") == ["x"]
    ALONE.sum(values)[0] = 7
    assert values.tolist() == ALONE.maximum(values).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("victim", [0, 1])
def test_others_learn_of_a_death(machines: list[Machine], victim: int) -> None:
    """Each of them, with the name of the dead."""
    machines[victim].die()

    for machine in machines[:victim] + machines[victim + 1 :]:
        error = heard(machine)
        assert str(error).startswith(
            f"The host {NAMES[victim]} has exited or can no longer be reached"
        )
        assert error.exit_code == 70


@pytest.mark.parametrize("culprit", [0, 2])
def test_others_learn_of_an_error(machines: list[Machine], culprit: int) -> None:
    """An error of one host's data names it there and everywhere, with the same exit code."""
    with pytest.raises(TrainingDataError) as caught:
        fail_in(
            machines[culprit].communicator, TrainingDataError("In a.csv, row 2 is bad."), own=True
        )

    assert str(caught.value) == f"On the host {NAMES[culprit]}: In a.csv, row 2 is bad."
    for machine in machines[:culprit] + machines[culprit + 1 :]:
        error = heard(machine)
        assert (str(error), error.exit_code) == (str(caught.value), 65)


def test_error_that_all_hosts_find_names_none(machines: list[Machine]) -> None:
    """It is passed on as it is, so that no host waits for one that has ended."""
    with pytest.raises(TrainingDataError):
        fail_in(machines[1].communicator, TrainingDataError("There are no rows."))

    assert str(heard(machines[0])) == str(heard(machines[2])) == "There are no rows."


def test_death_comes_before_its_consequences(machines: list[Machine]) -> None:
    """An error that another host's death has caused is not told as one of its own."""
    threading.Timer(CAUSE_SECONDS / 10, machines[2].die).start()

    with pytest.raises(ValueError, match="connection lost"):
        fail_in(machines[1].communicator, ValueError("connection lost"))

    assert f"The host {NAMES[2]} has exited" in str(heard(machines[0]))
    assert f"The host {NAMES[2]} has exited" in str(heard(machines[1]))


def test_unexpected_error_is_told(machines: list[Machine]) -> None:
    """With its kind, and the host on which it came up."""
    with pytest.raises(ZeroDivisionError):
        fail_in(machines[1].communicator, ZeroDivisionError("by zero"))

    told = f"On the host {NAMES[1]}: ZeroDivisionError: by zero"
    assert str(heard(machines[0])) == str(heard(machines[2])) == told


def test_host_that_leaves_without_a_word_is_missed(machines: list[Machine]) -> None:
    """Nobody waits for what it would have said."""
    with pytest.raises(SystemExit):
        fail_in(machines[1].communicator, SystemExit(3))  # type: ignore[arg-type]

    assert str(heard(machines[0])).startswith(f"The host {NAMES[1]} has exited")


def test_hosts_part_in_peace(machines: list[Machine]) -> None:
    """A host that has ended well is not missed, whichever ends first."""
    for machine in (machines[0], machines[2], machines[1]):
        with machine.communicator.closing():
            pass
        machine.die()

    assert all(machine.failures.empty() for machine in machines)


def test_error_on_one_host_alone_stays_as_it_is() -> None:
    """Nobody has to be told where it is."""
    with pytest.raises(TrainingDataError, match=r"^There are no rows\.$"):
        fail_in(ALONE, TrainingDataError("There are no rows."), own=True)
