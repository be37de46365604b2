"""App of the floor: this container's app with a constant response to /invocations."""

from flask import Flask

from container import log
from container.payloads.types import Answer, Invocation
from container.serving import app
from container.settings import Settings
from predictor import ScoringService

_CONSTANT = Answer(b"setosa\n", "text/csv", 1)


class ConstantService:
    """Service that ignores the request body; the app has read it as for any other service."""

    def __init__(self, settings: Settings) -> None:
        self._service = ScoringService.load(settings)  # for the same memory and start-up time

    def answer(self, _: Invocation) -> Answer:
        """Return the constant."""
        return _CONSTANT


def make_app() -> Flask:
    """Return the app with the constant service."""
    settings = Settings.from_environ()
    log.configure(settings.log_level, as_json=True)
    return app.create_app(__name__, settings, ConstantService)
