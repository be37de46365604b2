"""The app that gunicorn's workers import, each after its fork: onnxruntime must not come before."""

from container import log
from container.settings import Settings
from predictor import create_app

log.configure()
app = create_app(Settings.from_environ())
