"""Communicator: collective operations, and failure on all hosts at once."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from container.distributed.communicator import ALONE, CAUSE_SECONDS, Communicator
from container.errors import HostError, TrainingDataError
from support.host_threads import NAMES, Machine, connected, on_all
from support.processes import DEADLINE_SECONDS


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    """Three connected hosts."""
    with connected() as found:
        yield found


def failure_of(machine: Machine) -> HostError:
    """Return the failure that a host receives."""
    error: HostError = machine.failures.get(timeout=DEADLINE_SECONDS)
    return error


def fail_in(communicator: Communicator, error: Exception, own: bool = False) -> None:
    """Raise an error while a job runs."""
    with communicator.closing():
        if not own:
            raise error
        with communicator.naming_host():
            raise error


def test_hosts_gather_the_values_of_all(machines: list[Machine]) -> None:
    """All hosts receive all values, in the order of the hosts, any number of times."""
    found = on_all(
        machines,
        lambda communicator: [communicator.gather([communicator.rank, i]) for i in range(3)],
    )

    assert found == [[[[0, i], [1, i], [2, i]] for i in range(3)]] * 3


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_hosts_reduce_arrays(machines: list[Machine], dtype: Any) -> None:
    """Sums and extremes over all hosts keep dtype and shape."""

    def reduced(communicator: Communicator) -> list[Any]:
        mine = np.array([[communicator.rank, -communicator.rank, 5]], dtype=dtype)
        return [communicator.sum(mine), communicator.maximum(mine), communicator.minimum(mine)]

    for found in on_all(machines, reduced):
        assert [array.tolist() for array in found] == [[[3, -3, 15]], [[2, 0, 5]], [[0, -2, 5]]]
        assert {array.dtype for array in found} == {np.dtype(dtype)}


def test_large_arrays_are_reduced(machines: list[Machine]) -> None:
    """Arrays may be larger than the buffers of the sockets."""
    found = on_all(
        machines, lambda communicator: communicator.sum(np.full(1_000_000, communicator.rank + 0.5))
    )

    assert all((array == 4.5).all() for array in found)


def test_one_host_needs_no_network() -> None:
    """One host receives its own values, as arrays that it may change."""
    values = np.array([1.0, 2.0])

    assert ALONE.gather("x") == ["x"]
    ALONE.sum(values)[0] = 7
    assert values.tolist() == ALONE.maximum(values).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("victim", [0, 1])
def test_death_of_a_host_ends_all_others(machines: list[Machine], victim: int) -> None:
    """Every other host receives the name of the host that died."""
    machines[victim].die()

    for machine in machines[:victim] + machines[victim + 1 :]:
        error = failure_of(machine)
        assert str(error).startswith(
            f"The host {NAMES[victim]} has exited or can no longer be reached"
        )
        assert error.exit_code == 70


@pytest.mark.parametrize("culprit", [0, 2])
def test_error_of_a_host_ends_all_others(machines: list[Machine], culprit: int) -> None:
    """Every host reports the same message, with the host's name, and the same exit code."""
    with pytest.raises(TrainingDataError) as caught:
        fail_in(
            machines[culprit].communicator, TrainingDataError("In a.csv, row 2 is bad."), own=True
        )

    assert str(caught.value) == f"On the host {NAMES[culprit]}: In a.csv, row 2 is bad."
    for machine in machines[:culprit] + machines[culprit + 1 :]:
        error = failure_of(machine)
        assert (str(error), error.exit_code) == (str(caught.value), 65)


def test_error_of_all_hosts_names_no_host(machines: list[Machine]) -> None:
    """An error that is not of one host is passed on unchanged."""
    with pytest.raises(TrainingDataError):
        fail_in(machines[1].communicator, TrainingDataError("There are no rows."))

    assert str(failure_of(machines[0])) == str(failure_of(machines[2])) == "There are no rows."


def test_death_is_reported_before_its_consequences(machines: list[Machine]) -> None:
    """An error caused by the death of another host is not reported as the first one."""
    threading.Timer(CAUSE_SECONDS / 10, machines[2].die).start()

    with pytest.raises(ValueError, match="connection lost"):
        fail_in(machines[1].communicator, ValueError("connection lost"))

    assert f"The host {NAMES[2]} has exited" in str(failure_of(machines[0]))
    assert f"The host {NAMES[2]} has exited" in str(failure_of(machines[1]))


def test_unexpected_error_is_reported(machines: list[Machine]) -> None:
    """Other hosts receive its class, its text and the host."""
    with pytest.raises(ZeroDivisionError):
        fail_in(machines[1].communicator, ZeroDivisionError("by zero"))

    expected = f"On the host {NAMES[1]}: ZeroDivisionError: by zero"
    assert str(failure_of(machines[0])) == str(failure_of(machines[2])) == expected


def test_host_that_exits_silently_is_reported(machines: list[Machine]) -> None:
    """Other hosts do not wait for a host that exits without closing."""
    with pytest.raises(SystemExit):
        fail_in(machines[1].communicator, SystemExit(3))  # type: ignore[arg-type]

    assert str(failure_of(machines[0])).startswith(f"The host {NAMES[1]} has exited")


def test_hosts_may_close_in_any_order(machines: list[Machine]) -> None:
    """A host that has closed is not reported, whichever closes first."""
    for machine in (machines[0], machines[2], machines[1]):
        with machine.communicator.closing():
            pass
        machine.die()

    assert all(machine.failures.empty() for machine in machines)


def test_error_of_a_job_on_one_host_is_unchanged() -> None:
    """The message does not name the host if there is only one."""
    with pytest.raises(TrainingDataError, match=r"^There are no rows\.$"):
        fail_in(ALONE, TrainingDataError("There are no rows."), own=True)
