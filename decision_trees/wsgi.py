"""WSGI app of gunicorn's workers: imported before the fork, called by each worker after it."""

from flask import Flask

from container import log
from container.settings import Settings

settings = Settings.from_environ()
if settings.has_program:
    from artifact import estimator
    from container.script_mode.serving import service
else:
    from container.serving import app
    from predictor import ScoringService


def make_app() -> Flask:
    """Build the app of this worker and load its model."""
    log.configure(settings.log_level, as_json=True)
    if settings.has_program:
        return service.create_app(settings, estimator.load)
    return app.create_app("predictor", settings, ScoringService.load)
