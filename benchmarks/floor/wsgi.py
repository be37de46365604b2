"""The app of the floor: ours, whose answer to /invocations is a constant."""

from flask import Flask

from container import log
from container.payloads.types import Answer, Invocation
from container.serving import app
from container.settings import Settings
from predictor import ScoringService

_CONSTANT = Answer(b"setosa\n", "text/csv", 1)


class Constant:
    """What answers without a look at the body, which our app has read as for any answer."""

    def __init__(self, settings: Settings) -> None:
        self._service = ScoringService.load(settings)  # the same memory, the same start

    def answer(self, _: Invocation) -> Answer:
        """Return the constant."""
        return _CONSTANT


def make_app() -> Flask:
    """Build our app around the constant."""
    settings = Settings.from_environ()
    log.configure(settings.log_level, as_json=True)
    return app.create_app(__name__, settings, Constant)
