"""Past Flask: an invocation that goes well needs neither its routing nor its contexts.

They cost more than a tree does. Whatever goes wrong is told by Flask, like every other error, and
as soon as somebody hangs something into the app, every request goes its way.
"""

from collections.abc import Callable, Iterable
from typing import Any

import flask.signals
from flask import Flask

from container.access import Environ

_ERROR = "endpoint.error"
_SIGNALS = (
    flask.signals.appcontext_pushed,
    flask.signals.request_started,
    flask.signals.request_finished,
    flask.signals.request_tearing_down,
)


class Shortcut:
    """A WSGI app before that of Flask, for one route and method of it."""

    def __init__(
        self, app: Flask, endpoint: str, answer: Callable[[Environ], tuple[bytes, str, int]]
    ) -> None:
        """Take the place of `app.wsgi_app`.

        Args:
            app: it has the route; its view begins with `raise_failed`.
            endpoint: what Flask calls the route; its path is the same with a slash, for POST.
            answer: makes the body of a reply, its media type, and the number of its rows; raises
                what Flask's error handlers know.
        """
        self._flask = app
        self._endpoint = endpoint
        self._path = f"/{endpoint}"
        self._view = app.view_functions[endpoint]
        self._answer = answer
        self._wsgi_app = app.wsgi_app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer as Flask would, if it would."""
        is_ours = environ["PATH_INFO"] == self._path and environ["REQUEST_METHOD"] == "POST"
        if not is_ours or self._is_changed():
            return self._wsgi_app(environ, start_response)
        try:
            body, media_type, _ = self._answer(environ)
        except Exception as error:  # noqa: BLE001 - the view raises it again
            environ[_ERROR] = error
            return self._wsgi_app(environ, start_response)
        headers = [("Content-Type", media_type), ("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [body]

    def _is_changed(self) -> bool:
        """Say whether anybody has to hear of a request, or answers it."""
        app = self._flask
        hooks = (
            app.before_request_funcs
            or app.after_request_funcs
            or app.teardown_request_funcs
            or app.teardown_appcontext_funcs
            or app.url_value_preprocessors
            or any(signal.receivers for signal in _SIGNALS)
        )
        return bool(hooks) or app.view_functions[self._endpoint] is not self._view


def raise_failed(environ: Environ) -> None:
    """Raise what has kept the shortcut from an answer, if anything has."""
    if _ERROR in environ:
        raise environ[_ERROR]
