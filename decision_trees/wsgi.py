"""The app that gunicorn's workers import, each after its fork: onnxruntime must not come before."""

from container import log
from container.settings import Settings
from predictor import create_app

settings = Settings.from_environ()
log.configure(settings.log_level, as_json=True)
app = create_app(settings)
