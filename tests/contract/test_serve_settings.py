"""Environment variables of `serve`: a bad value stops the start with one sentence."""

import json
import os
from pathlib import Path

import pytest

from support.material import OptMl
from support.processes import children_of, start, wait_for
from support.servers import serving

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"MODEL_SERVER_WORKERS": "many"},
            "MODEL_SERVER_WORKERS is 'many'; it must be a whole number from 1 to 512.",
        ),
        (
            {"SAGEMAKER_MODEL_SERVER_TIMEOUT": "0"},
            "SAGEMAKER_MODEL_SERVER_TIMEOUT is '0'; it must be a whole number from 1 to 86400.",
        ),
        (
            {"SAGEMAKER_BIND_TO_PORT": "80800"},
            "SAGEMAKER_BIND_TO_PORT is '80800'; it must be a whole number from 1 to 65535.",
        ),
        (
            {"SAGEMAKER_MAX_PAYLOAD_IN_MB": "-1"},
            "SAGEMAKER_MAX_PAYLOAD_IN_MB is '-1'; it must be a whole number from 0 to 1048576.",
        ),
        ({"BAD_RECORDS": "drop"}, "BAD_RECORDS is 'drop'; it must be fail or mark."),
        (
            {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "MODEL_SERVER_WORKERS": "3"},
            (
                "MODEL_SERVER_WORKERS is '3' and SAGEMAKER_MODEL_SERVER_WORKERS is '2'; they are "
                "two names of one setting, so set only one of them."
            ),
        ),
        (
            {"SAGEMAKER_BASE_DIR": "relative"},
            "SAGEMAKER_BASE_DIR is 'relative'; it must be an absolute path, for example ",
        ),
        pytest.param(
            {"MODEL_SERVER_USER": "no-such-user"},
            "MODEL_SERVER_USER is 'no-such-user', and there is no such user here.",
            marks=only_root,
        ),
    ],
    ids=["workers", "timeout", "port", "payload", "records", "names", "directory", "user"],
)
def test_serve_refuses_a_setting_that_cannot_be_used(
    trained: OptMl, variables: dict[str, str], message: str
) -> None:
    """A bad value stops the start with one sentence in one line, and with a specific code."""
    ended = wait_for(start("serve", trained, **variables))

    line = json.loads(ended.log.splitlines()[-1])
    assert ended.code == os.EX_CONFIG
    assert line["level"] == "ERROR"
    assert line["message"].startswith(message)
    assert "Traceback" not in ended.log


@pytest.mark.parametrize(
    "variables",
    [
        {"SAGEMAKER_INFERENCE_OUTPUT": "predicted_score"},
        {
            "SAGEMAKER_INFERENCE_OUTPUT": "predicted_label,probability",
            "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/x-npy",
        },
    ],
    ids=["task", "form"],
)
@pytest.mark.parametrize("n_workers", ["1", "2"])
def test_serve_refuses_a_setting_that_does_not_fit_the_model(
    trained: OptMl, tmp_path: Path, variables: dict[str, str], n_workers: str
) -> None:
    """A value that only the workers can check stops the start as well."""
    with serving(trained, tmp_path, MODEL_SERVER_WORKERS=n_workers, **variables) as server:
        ended = server.ended()

    assert ended.code == os.EX_CONFIG
    assert "Traceback" not in ended.log
    assert any(
        line["level"] == "ERROR" and "SAGEMAKER_INFERENCE_OUTPUT" in line["message"]
        for line in server.lines()
    )


def test_serve_accepts_the_names_of_the_platform(trained: OptMl, tmp_path: Path) -> None:
    """The SDK sets SAGEMAKER_MODEL_SERVER_*; an empty variable counts as not set."""
    variables = {
        "MODEL_SERVER_WORKERS": "",
        "SAGEMAKER_MODEL_SERVER_WORKERS": "3",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT": "9",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
    }
    with serving(trained, tmp_path, **variables) as server:
        server.await_ready()
        (master,) = server.children("gunicorn")
        n_workers = len(children_of(master))
        first, second, *_ = server.messages()

    assert n_workers == 3
    assert first.startswith("starting 3 workers as set: ")
    assert second.endswith(": 9 s for an answer, bodies up to 2097152 bytes")


def test_serve_answers_in_the_format_of_the_settings(trained: OptMl, tmp_path: Path) -> None:
    """The settings apply to requests that ask for no format."""
    variables = {
        "SAGEMAKER_INFERENCE_OUTPUT": "predicted_label, probability",
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/jsonlines",
    }
    with serving(trained, tmp_path, **variables) as server:
        server.await_ready()
        reply = server.invoke("5.1,3.5,1.4,0.2")

    assert reply.content_type == "application/jsonlines"
    assert reply.body == b'{"predicted_label":"setosa","probability":1.0}\n'
