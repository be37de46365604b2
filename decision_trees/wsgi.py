"""WSGI app of gunicorn's workers: imported before the fork, called by each worker after it."""

from contextlib import suppress
from functools import partial

from flask import Flask

from container import log
from container.errors import ModelNotReady
from container.paths import file_times, refuse_changes
from container.settings import Settings

settings = Settings.from_environ()
files = file_times(settings.paths.model, settings.paths.code)
if settings.has_program:
    from artifact import estimator
    from container.script_mode.serving import service
else:
    from artifact import model
    from container.serving import app

    with suppress(Exception):  # `_load` raises it again, and the app reports it
        import predictor  # noqa: F401


def make_app() -> Flask:
    """Build the app of this worker and load its model."""
    log.configure(settings.log_level, as_json=True)
    if settings.has_program:
        return service.create_app(settings, estimator.load, partial(refuse_changes, files))
    return app.create_app("predictor", settings, _load)


def _load(settings: Settings) -> "app.Service":
    """Load the model that was there when the server started, from memory or from its files."""
    import predictor

    if not hasattr(predictor, "ScoringService"):
        raise ModelNotReady("predictor.py has no class ScoringService; define it.")
    was_preloaded = model.is_preloaded(settings.paths.model)
    loaded = predictor.ScoringService.load(settings)
    if model.is_preloaded(settings.paths.model) == was_preloaded:  # so it was read from files
        refuse_changes(files)
    return loaded
