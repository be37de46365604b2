"""Serve with a user's program instead of predictor.py.

The program defines the functions of AWS's inference toolkit and scikit-learn container:
`model_fn`, `input_fn`, `predict_fn` and `output_fn`, or `transform_fn` instead of the last three.
Each is optional and has a default of this container.
"""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from flask import Flask

from container.errors import ContainerError, ModelNotReady
from container.payloads.types import Answer, Invocation
from container.resources import UNKNOWN_REQUEST_BYTES
from container.script_mode.serving import default_inputs as inputs
from container.script_mode.serving import default_outputs as outputs
from container.script_mode.serving import handlers, startup
from container.script_mode.serving.executor import SingleThreadExecutor
from container.script_mode.serving.handlers import Handlers
from container.script_mode.serving.script_errors import SEE_LOG
from container.serving import app
from container.settings import Settings

LoadModel = Callable[[Path, int], Any]
"""Loads the model of a program without model_fn: from a directory, for a number of threads.

The result has the method `predict`.
"""

logger = logging.getLogger(__name__)


def create_app(
    settings: Settings, load_model: LoadModel, check: Callable[[], None] = lambda: None
) -> Flask:
    """Build the app; until the program is loaded, in its own thread, the app returns 503.

    `check` is called before the program is loaded, which may change its own files, and raises
    ModelNotReady if that should not be done.
    """

    def load(settings: Settings) -> ScriptService:
        check()
        return ScriptService.load(settings, load_model)

    return app.create_app(__name__, settings, load, SingleThreadExecutor())


class ScriptService:
    """Service that calls the functions of a program; all calls come from one thread."""

    def __init__(
        self,
        program: Handlers,
        model: Any,
        default_accept: str,
        request_bytes: int = UNKNOWN_REQUEST_BYTES,
    ) -> None:
        self._program = replace(program, functions={"predict_fn": _predict, **program.functions})
        self._model = model
        self._default_accept = default_accept
        self._request_bytes = request_bytes

    @classmethod
    def load(cls, settings: Settings, load_model: LoadModel) -> Self:
        """Find the program, install its requirements, import it and load its model.

        Raises:
            ModelNotReady: one of these steps failed; the message has no text of an exception.
        """
        try:
            scratch = _scratch(settings)
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
                f"The program cannot be loaded ({error.strerror}); {SEE_LOG}."
            ) from error
        return cls(program, model, settings.default_accept, settings.request_bytes)

    def answer(self, invocation: Invocation) -> Answer:
        """Return the program's answer to a request.

        Raises:
            UserError: the request cannot be decoded, or the response is not acceptable.
            ContainerError: a function of the program failed or refused the request.
        """
        content_type = inputs.effective_content_type(invocation.content_type)
        accepted = outputs.effective_accept(invocation.accept, self._default_accept)
        if self._program.has("transform_fn"):
            return self._transformed(invocation.body, content_type, accepted)
        data = self._data(invocation.body, content_type)
        prediction = self._program.call("predict_fn", data, self._model)
        body, media_type = self._body(prediction, accepted)
        return Answer(body, media_type, outputs.count_rows(prediction))

    def _transformed(self, body: bytes, content_type: str, accepted: str) -> Answer:
        content = inputs.text_or_bytes(body, content_type)
        result = self._program.call("transform_fn", self._model, content, content_type, accepted)
        return Answer(*outputs.response_of(result, accepted, "transform_fn", self._program.name), 0)

    def _data(self, body: bytes, content_type: str) -> Any:
        if not self._program.has("input_fn"):
            return inputs.decode_rows(body, content_type, self._model, self._request_bytes)
        return self._program.call(
            "input_fn", inputs.text_or_bytes(body, content_type), content_type
        )

    def _body(self, prediction: Any, accepted: str) -> tuple[bytes, str]:
        if not self._program.has("output_fn"):
            return outputs.encode(prediction, accepted)
        result = self._program.call("output_fn", prediction, accepted)
        return outputs.response_of(result, accepted, "output_fn", self._program.name)


def _predict(data: Any, model: Any) -> Any:
    return model.predict(inputs.with_names(data, model))


def _program(settings: Settings, scratch: Path) -> Handlers:
    """Fetch the program and its packages, one worker at a time, and import it."""
    with startup.locked(scratch):
        file = handlers.find(settings, scratch)
        startup.install(file, scratch)
    return handlers.load(file)


def _scratch(settings: Settings) -> Path:
    """Return the directory for files that all workers share."""
    if settings.scratch is not None and settings.scratch.is_dir():
        return settings.scratch
    return Path(tempfile.mkdtemp(prefix="program-"))  # an app without a server


def _model(program: Handlers, settings: Settings, load_model: LoadModel) -> Any:
    directory = str(settings.paths.model)
    if program.has("pre_model_fn"):
        program.call("pre_model_fn", directory)
    if program.has("model_fn"):
        model = program.call("model_fn", directory)
    else:
        model = _trained_model(program, settings, load_model)
    if program.has("model_warmup_fn"):
        program.call("model_warmup_fn", directory, model)
    return model


def _trained_model(program: Handlers, settings: Settings, load_model: LoadModel) -> Any:
    try:
        return load_model(settings.paths.model, settings.threads)
    except Exception as error:
        logger.error("%s has no model of `train`", settings.paths.model, exc_info=error)
        raise ModelNotReady(
            f"{program.name} defines no model_fn, and {settings.paths.model} has no model that "
            f"`train` wrote: {error}; define model_fn(model_dir)."
        ) from error
