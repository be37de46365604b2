"""Rendezvous: connect the first host of a job with each of the others over TCP.

Written by hand because XGBoost's collective sends objects with pickle. Here messages are JSON and
plain bytes, and an error names the host that is missing.
"""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from container.distributed.communicator import Communicator, invalid
from container.distributed.peer import Hosts, Message, Peer, plain_address
from container.errors import HostError
from container.progress import phase

PORT = 9099
"""Port on which the first host listens."""

_PROTOCOL = "protocol 2"
"""Version of the messages; hosts with another one are refused."""

_POLL_SECONDS = 0.1
_DIAL_SECONDS = 10.0  # an address that does not respond must not prevent a later attempt
_GRACE_SECONDS = 1.0  # the first host names those that are missing, the others cannot
_MAX_GREETINGS = 256  # connections that may be open before they are accepted; the oldest is closed

_REMEDY = "see its log, or give the hosts more time with the hyperparameter hosts_seconds"

logger = logging.getLogger(__name__)


@contextmanager
def connect(
    hosts: Hosts, limit_seconds: float, fail: Callable[[HostError], object], port: int = PORT
) -> Iterator[Communicator]:
    """Connect the hosts of a job, and disconnect them at the end.

    Args:
        hosts: all hosts of the job.
        limit_seconds: how long to wait for the other hosts.
        fail: called in another thread if another host fails or dies.
        port: port of the first host.

    Raises:
        HostError: a host has not connected within `limit_seconds`.
    """
    logger.info("hosts: %s; this is %s", ", ".join(hosts.names), hosts.current)
    communicator = Communicator(hosts, fail)
    with communicator.closing():
        with phase("waiting for the other hosts"):
            meet = _join if communicator.rank else _accept_all
            meet(communicator, limit_seconds, port)
        yield communicator


def _accept_all(communicator: Communicator, limit_seconds: float, port: int) -> None:
    """On the first host: wait for all others, then confirm to each that all are connected."""
    deadline = time.monotonic() + limit_seconds
    greeting: deque[Peer] = deque()
    with _listening(port) as server:
        while missing := communicator.missing():
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise HostError(
                    f"{_subject(missing)} not joined within {limit_seconds:g} seconds; see the log "
                    "there, or give the hosts more time with the hyperparameter hosts_seconds."
                )
            server.settimeout(min(remaining, _POLL_SECONDS))
            try:
                connection, address = server.accept()
            except TimeoutError:
                continue
            except OSError:  # such as too many open files
                time.sleep(_POLL_SECONDS)
                continue
            greeting.append(Peer(connection, address[0]))
            if len(greeting) > _MAX_GREETINGS and not (oldest := greeting.popleft()).is_accepted:
                oldest.cut()
            arguments = (communicator, greeting[-1], deadline)
            threading.Thread(target=_greet, args=arguments, daemon=True).start()
    communicator.send_to_all(_PROTOCOL)


def _listening(port: int) -> socket.socket:
    """Return a socket that listens on all addresses, of IPv6 too if the machine has it."""
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise HostError(f"The first host cannot listen on port {port}: {error}.") from error


def _subject(names: list[str]) -> str:
    return f"The host{'s' * (len(names) > 1)} {', '.join(names)} ha{'ve' * (len(names) > 1) or 's'}"


def _greet(communicator: Communicator, peer: Peer, deadline: float) -> None:
    """Accept a connection of another host; close any other. Runs in a thread of its own."""
    leader, *others = communicator.hosts.names
    try:
        hello, _ = peer.receive()
    except OSError as error:
        logger.info("closed a connection from %s: %s", peer.address, error)
        peer.close()
        return
    name = hello.host
    if hello.kind != "hello" or name not in others:
        peer.refuse(f"{leader} expects no host with this name")
    elif hello.operation != _PROTOCOL:
        peer.refuse(str(invalid(name, f"{hello.operation!r} where {_PROTOCOL!r} is expected")))
    elif peer.address not in (addresses := _addresses_of(name, deadline)):
        reason = (
            f"The first host, {leader}, refuses the host {name}, because it connects from "
            f"{peer.address} and its name resolves to {', '.join(addresses) or 'no address'}."
        )
        logger.warning("%s", reason)
        peer.refuse(reason)
    elif communicator.add(name, peer):
        logger.info("the host %s has joined", name)
    else:
        peer.refuse(f"The host {name} has already joined {leader}.")


def _addresses_of(name: str, deadline: float) -> list[str]:
    """Return the addresses of a host; retry until the deadline while its name is not known."""
    while time.monotonic() < deadline:
        try:
            found = socket.getaddrinfo(name, None)
        except (OSError, UnicodeError):
            time.sleep(_POLL_SECONDS)
        else:
            return sorted({plain_address(str(address[0])) for *_, address in found})
    return []


def _join(communicator: Communicator, limit_seconds: float, port: int) -> None:
    """On any other host: connect to the first host, and wait until all hosts have joined."""
    leader = communicator.hosts.names[0]
    connection = _dial(communicator.hosts, limit_seconds, port)
    limit = limit_seconds + _GRACE_SECONDS
    peer = Peer(connection, connection.getpeername()[0], first_seconds=limit + _GRACE_SECONDS)
    communicator.add(leader, peer)
    peer.send(Message(kind="hello", host=communicator.hosts.current, operation=_PROTOCOL))
    try:
        communicator.take(leader, _PROTOCOL, limit)
    except Empty:
        raise HostError(
            f"The first host, {leader}, has not confirmed within {limit_seconds:g} seconds that "
            f"all hosts have joined; {_REMEDY}."
        ) from None


def _dial(hosts: Hosts, limit_seconds: float, port: int) -> socket.socket:
    """Return a connection to the first host; retry while its name or port is not yet known.

    A thread dials, because the look-up of a name cannot be limited.
    """
    found: SimpleQueue[socket.socket] = SimpleQueue()
    errors = deque(["its name is being looked up"], maxlen=1)
    deadline = time.monotonic() + limit_seconds

    def dial() -> None:
        while time.monotonic() < deadline:
            try:
                found.put(_connection(hosts, port))
            except (OSError, UnicodeError) as error:
                errors.append(str(error))
                time.sleep(_POLL_SECONDS)
            else:
                return

    threading.Thread(target=dial, daemon=True).start()
    try:
        return found.get(timeout=limit_seconds)
    except Empty:
        raise HostError(
            f"The first host, {hosts.names[0]}, could not be reached on port {port} within "
            f"{limit_seconds:g} seconds ({errors[0]}); {_REMEDY}."
        ) from None


def _connection(hosts: Hosts, port: int) -> socket.socket:
    """Connect from the address of this host's name, because the first host compares them.

    If that address is not of this machine or does not lead there, the system chooses another.
    """
    first = (hosts.names[0], port)
    try:
        return socket.create_connection(first, _DIAL_SECONDS, (hosts.current, 0))
    except (ConnectionRefusedError, TimeoutError):
        raise
    except OSError:
        return socket.create_connection(first, _DIAL_SECONDS)
