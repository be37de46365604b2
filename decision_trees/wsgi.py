"""WSGI app of gunicorn's workers: imported before the fork, called by each worker after it."""

from contextlib import suppress

from flask import Flask

from container import log
from container.errors import ModelNotReady
from container.settings import Settings

settings = Settings.from_environ()
if settings.has_program:
    from artifact import estimator
    from container.script_mode.serving import service
else:
    from container.serving import app

    with suppress(Exception):  # `_load` raises it again, and the app reports it
        import predictor  # noqa: F401


def make_app() -> Flask:
    """Build the app of this worker and load its model."""
    log.configure(settings.log_level, as_json=True)
    if settings.has_program:
        return service.create_app(settings, estimator.load)
    return app.create_app("predictor", settings, _load)


def _load(settings: Settings) -> "app.Service":
    import predictor

    if not hasattr(predictor, "ScoringService"):
        raise ModelNotReady("predictor.py has no class ScoringService; define it.")
    return predictor.ScoringService.load(settings)
