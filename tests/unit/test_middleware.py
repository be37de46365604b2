"""The fast path: clients get the same response, and no hook of the app is skipped."""

from collections.abc import Callable
from typing import Any

import flask
import pytest
from flask import Flask, Response
from flask_cors import CORS

from container.errors import MalformedPayload
from container.payloads.types import Answer, Invocation
from container.serving.app import create_app
from container.settings import Settings

HEADERS = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Custom-Attributes": "trace=7"}
FAST, SLOW = b"past Flask", b"with Flask"  # of one length, so that the headers are equal


class Witness:
    """Answers with the path by which it was called."""

    def answer(self, invocation: Invocation) -> Answer:
        """Answer everything except two bodies."""
        if invocation.body == b"rubbish":
            raise MalformedPayload("Row 1 is rubbish; send a number.", 1)
        if invocation.body == b"fault":
            raise ZeroDivisionError
        return Answer(SLOW if flask.has_request_context() else FAST, "text/csv", 1)


@pytest.fixture
def app() -> Flask:
    """Return an app without hooks."""
    return make_app()


def make_app() -> Flask:
    """Build the app around the witness."""
    return create_app(__name__, Settings.from_environ({}), lambda _: Witness())


def sent(app: Flask, body: bytes, method: str = "POST") -> tuple[int, bytes, list[Any]]:
    """Return the status, the body and the headers of a reply."""
    response = app.test_client().open("/invocations", method=method, data=body, headers=HEADERS)
    return response.status_code, response.data, sorted(response.headers)


def add_nothing(_: Any) -> None:
    """Do nothing, as a hook."""


def test_successful_invocation_skips_flask(app: Flask) -> None:
    """Without hooks there is no request context."""
    assert sent(app, b"1,2\n")[1] == FAST


HOOKS: dict[str, Callable[[Flask], Any]] = {
    "before": lambda app: app.before_request(lambda: None),
    "after": lambda app: app.after_request(lambda response: response),
    "teardown": lambda app: app.teardown_request(add_nothing),
    "teardown of the context": lambda app: app.teardown_appcontext(add_nothing),
    "preprocessor": lambda app: app.url_value_preprocessor(lambda *_: None),
    "cors": CORS,
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_app_with_a_hook_handles_every_request_in_flask(
    app: Flask, hook: Callable[[Flask], Any]
) -> None:
    """A hook, such as an authentication check, is never skipped."""
    assert sent(app, b"1,2\n")[1] == FAST
    hook(app)

    assert sent(app, b"1,2\n")[1] == SLOW


@pytest.mark.parametrize(
    "name",
    ["appcontext_pushed", "request_started", "request_finished", "request_tearing_down"],
)
def test_listener_to_a_signal_receives_every_request(app: Flask, name: str) -> None:
    """Instrumentation that listens to Flask's signals misses no request."""
    received = []

    def listen(sender: Flask, **_: Any) -> None:
        received.append(sender)

    with getattr(flask.signals, name).connected_to(listen, app):
        reply = sent(app, b"1,2\n")

    assert (reply[1], received) == (SLOW, [app])


def test_replaced_view_answers(app: Flask) -> None:
    """A fork may replace the view of the route."""
    app.view_functions["invocations"] = lambda: Response(b"mine")

    assert sent(app, b"1,2\n")[1] == b"mine"


@pytest.mark.parametrize("body", [b"1,2\n", b"", b"rubbish", b"fault"])
def test_response_is_the_same_on_both_paths(app: Flask, body: bytes) -> None:
    """Status, headers and body are equal."""
    hooked = make_app()
    hooked.before_request(lambda: None)

    fast, slow = sent(app, body), sent(hooked, body)

    assert (fast[0], fast[2]) == (slow[0], slow[2])
    assert fast[1].replace(FAST, SLOW) == slow[1]


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("OPTIONS", 200), ("PUT", 405)])
def test_other_methods_are_handled_by_flask(app: Flask, method: str, status: int) -> None:
    """Only POST takes the fast path."""
    assert sent(app, b"1,2\n", method)[0] == status
