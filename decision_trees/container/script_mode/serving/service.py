"""Script mode for hosting: the functions of a user's program answer in place of predictor.py.

The program is as AWS's inference toolkit and its scikit-learn container take it: `model_fn`,
`input_fn`, `predict_fn` and `output_fn`, or `transform_fn` in place of the last three. Each may
be absent; then what this container does by itself takes its place.
"""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from flask import Flask

from container.errors import ContainerError, ModelNotReady
from container.payloads.types import Answer, Invocation
from container.script_mode.serving import default_inputs as inputs
from container.script_mode.serving import default_outputs as outputs
from container.script_mode.serving import handlers
from container.script_mode.serving import startup as losses
from container.script_mode.serving import startup as packages
from container.script_mode.serving.executor import OneThread
from container.script_mode.serving.failures import LOG
from container.script_mode.serving.handlers import Handlers
from container.serving import app
from container.settings import Settings

LoadModel = Callable[[Path, int], Any]
"""Loads the model of a program without model_fn, from a directory, to compute with so many threads;
what it returns has `predict`."""

logger = logging.getLogger(__name__)


def create_app(settings: Settings, load_model: LoadModel) -> Flask:
    """Build the app; the program is loaded beside it, and until then every answer is 503."""
    return app.create_app(
        __name__,
        settings,
        lambda settings: ProgramService.load(settings, load_model),
        OneThread(),
    )


class ProgramService:
    """A program and its model; all calls come from one thread."""

    def __init__(self, program: Handlers, model: Any, default_accept: str) -> None:
        self._program = program
        self._model = model
        self._default_accept = default_accept

    @classmethod
    def load(cls, settings: Settings, load_model: LoadModel) -> Self:
        """Find the program, install what it needs, import it and load its model.

        Raises:
            ModelNotReady: one of these has failed; the reason holds no text of an exception.
        """
        try:
            scratch = _scratch(settings)
            with losses.noted(scratch):
                program = _program(settings, scratch)
                model = _model(program, settings, load_model)
        except ModelNotReady:
            raise
        except ContainerError as error:
            logger.error("%s", error, exc_info=error.__cause__)
            raise ModelNotReady(str(error)) from error
        except OSError as error:
            logger.error("the program cannot be loaded", exc_info=error)
            raise ModelNotReady(
                f"The program cannot be loaded ({error.strerror}); {LOG}."
            ) from error
        return cls(program, model, settings.default_accept)

    def answer(self, invocation: Invocation) -> Answer:
        """Return what the program answers to a request.

        Raises:
            UserError: the request cannot be read, or no reply be given as it asks.
            ContainerError: a function of the program has failed, or refuses the request.
        """
        content_type = inputs.named(invocation.content_type)
        accepted = outputs.wanted(invocation.accept, self._default_accept)
        if self._program.has("transform_fn"):
            return self._transformed(invocation.body, content_type, accepted)
        data = self._data(invocation.body, content_type)
        prediction = self._prediction(data)
        body, media_type = self._body(prediction, accepted)
        return Answer(body, media_type, outputs.count(prediction))

    def _transformed(self, body: bytes, content_type: str, accepted: str) -> Answer:
        content = inputs.content(body, content_type)
        answer = self._program.call("transform_fn", self._model, content, content_type, accepted)
        return Answer(*outputs.body(answer, accepted, "transform_fn", self._program.name), 0)

    def _data(self, body: bytes, content_type: str) -> Any:
        if not self._program.has("input_fn"):
            return inputs.rows(body, content_type, self._model)
        return self._program.call("input_fn", inputs.content(body, content_type), content_type)

    def _prediction(self, data: Any) -> Any:
        program = self._program
        if not program.has("predict_fn"):
            program = Handlers(program.name, {"predict_fn": _predict})
        return program.call("predict_fn", data, self._model)

    def _body(self, prediction: Any, accepted: str) -> tuple[bytes, str]:
        if not self._program.has("output_fn"):
            return outputs.encode(prediction, accepted)
        answer = self._program.call("output_fn", prediction, accepted)
        return outputs.body(answer, accepted, "output_fn", self._program.name)


def _predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def _program(settings: Settings, scratch: Path) -> Handlers:
    """Bring the program and its packages, one worker after the other, and import it."""
    with packages.turn(scratch):
        file = handlers.find(settings, scratch)
        packages.install(file, scratch)
    return handlers.load(file)


def _scratch(settings: Settings) -> Path:
    """Return where the workers keep what is made for all of them."""
    if settings.scratch is not None and settings.scratch.is_dir():
        return settings.scratch
    return Path(tempfile.mkdtemp(prefix="program-"))  # an app that is alone


def _model(program: Handlers, settings: Settings, load_model: LoadModel) -> Any:
    directory = str(settings.paths.model)
    if program.has("pre_model_fn"):
        program.call("pre_model_fn", directory)
    if program.has("model_fn"):
        model = program.call("model_fn", directory)
    else:
        model = _model_of_ours(program, settings, load_model)
    if program.has("model_warmup_fn"):
        program.call("model_warmup_fn", directory, model)
    return model


def _model_of_ours(program: Handlers, settings: Settings, load_model: LoadModel) -> Any:
    try:
        return load_model(settings.paths.model, settings.threads)
    except Exception as error:
        logger.error("%s is no model of `train`", settings.paths.model, exc_info=error)
        raise ModelNotReady(
            f"{program.name} defines no model_fn, and what lies in {settings.paths.model} is no "
            f"model that `train` has written: {error}; define model_fn(model_dir)."
        ) from error
