"""The way past Flask: what a client gets is the same, and whoever hooks into the app is heard."""

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
SHORT, LONG = b"past Flask", b"with Flask"  # of one length, as are their headers


class Witness:
    """Says on which way it was asked."""

    def answer(self, invocation: Invocation) -> Answer:
        """Answer everything but rubbish."""
        if invocation.body == b"rubbish":
            raise MalformedPayload("Row 1 is rubbish; send a number.", 1)
        if invocation.body == b"fault":
            raise ZeroDivisionError
        return Answer(LONG if flask.has_request_context() else SHORT, "text/csv", 1)


@pytest.fixture
def app() -> Flask:
    """An app in which nobody has hooked anything."""
    return make_app()


def make_app() -> Flask:
    """Build the app around the witness."""
    return create_app(__name__, Settings.from_environ({}), lambda _: Witness())


def sent(app: Flask, body: bytes, method: str = "POST") -> tuple[int, bytes, list[Any]]:
    """Return the status, the body and the headers of a reply."""
    response = app.test_client().open("/invocations", method=method, data=body, headers=HEADERS)
    return response.status_code, response.data, sorted(response.headers)


def add_nothing(_: Any) -> None:
    """Hook that changes no reply."""


def test_good_invocation_does_not_pass_through_flask(app: Flask) -> None:
    """Without hooks there is no context of Flask."""
    assert sent(app, b"1,2\n")[1] == SHORT


HOOKS: dict[str, Callable[[Flask], Any]] = {
    "before": lambda app: app.before_request(lambda: None),
    "after": lambda app: app.after_request(lambda response: response),
    "teardown": lambda app: app.teardown_request(add_nothing),
    "teardown of the context": lambda app: app.teardown_appcontext(add_nothing),
    "preprocessor": lambda app: app.url_value_preprocessor(lambda *_: None),
    "cors": CORS,
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_app_with_a_hook_leaves_every_request_to_flask(
    app: Flask, hook: Callable[[Flask], Any]
) -> None:
    """A hook, such as a check of who asks, is never passed by."""
    assert sent(app, b"1,2\n")[1] == SHORT
    hook(app)

    assert sent(app, b"1,2\n")[1] == LONG


@pytest.mark.parametrize(
    "name",
    ["appcontext_pushed", "request_started", "request_finished", "request_tearing_down"],
)
def test_listener_to_a_signal_hears_of_every_request(app: Flask, name: str) -> None:
    """Instruments that listen to Flask's signals miss nothing."""
    heard = []

    def listen(sender: Flask, **_: Any) -> None:
        heard.append(sender)

    with getattr(flask.signals, name).connected_to(listen, app):
        reply = sent(app, b"1,2\n")

    assert (reply[1], heard) == (LONG, [app])


def test_view_that_takes_the_place_of_ours_answers(app: Flask) -> None:
    """A fork may answer in a view of its own."""
    app.view_functions["invocations"] = lambda: Response(b"mine")

    assert sent(app, b"1,2\n")[1] == b"mine"


@pytest.mark.parametrize("body", [b"1,2\n", b"", b"rubbish", b"fault"])
def test_reply_is_the_same_on_both_ways(app: Flask, body: bytes) -> None:
    """Status, headers and body do not tell how a request was answered."""
    hooked = make_app()
    hooked.before_request(lambda: None)

    short, long = sent(app, body), sent(hooked, body)

    assert (short[0], short[2]) == (long[0], long[2])
    assert short[1].replace(SHORT, LONG) == long[1]


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("OPTIONS", 200), ("PUT", 405)])
def test_other_methods_are_for_flask(app: Flask, method: str, status: int) -> None:
    """Only POST is answered past it."""
    assert sent(app, b"1,2\n", method)[0] == status
