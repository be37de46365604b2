"""Scripts of users in the images: with different users, networks and file systems."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.containers import Container, Engine, run
from support.material import ROOT, LabelledRows, OptMl, soak_only
from support.processes import Ended, Reply, await_condition
from support.script_mode.sources import write_files

Images = Mapping[str, str]

pytestmark = pytest.mark.docker

SCRIPTS = ROOT / "tests/support/script_mode/scripts"
ANYONE = ["--user=12345:12345", "--cap-drop=ALL"]
OWNER = "root" if os.getuid() == 0 else f"uid {os.getuid()}"
"""The user of the tests, who owns their files, as a container names it."""

SOMEWHERE = [
    ANYONE,
    ["--user=0:0", "--cap-drop=ALL"],
    ["--read-only", "--tmpfs=/tmp"],
    [*ANYONE, "--read-only", "--tmpfs=/tmp", "--network=none"],
]

SAVES = """
import os
with open(os.environ["SM_MODEL_DIR"] + "/model", "wb") as file:
    file.write(bytes(100_000))
"""
MEANS = """
import json
import numpy as np

def model_fn(model_dir):
    return np.load(model_dir + "/means.npy")

def predict_fn(data, means):
    return ((data[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
"""
"""Script that only defines model_fn and predict_fn, and needs only numpy."""


@dataclass(frozen=True)
class Script:
    """A script made for AWS's scikit-learn container, and its training job."""

    program: str
    code: Path
    channels: Sequence[str]
    hyperparameters: Mapping[str, str]

    def ask(self, container: Container, iris: LabelledRows) -> Reply:
        """Send all rows in the format that the script accepts."""
        if self.program == "arguments.py":
            body = json.dumps({"rows": iris.features.tolist()})
            return container.invoke(body, "application/json")
        return container.invoke(iris.request_csv())


THREE = (
    Script("arguments.py", SCRIPTS, ["training", "testing"], {"epochs": "50"}),
    Script("tree.py", SCRIPTS, ["train"], {"max_leaf_nodes": "30"}),
    Script("train_and_serve.py", SCRIPTS / "pipeline", ["flowers"], {"C": "0.5"}),
)


def train(
    engine: Engine, image: str, opt_ml: OptMl, program: str, options: Sequence[str] = ()
) -> Ended:
    """Run a job with the script from /opt/ml/code, in an /opt/ml that every user may write to."""
    opt_ml.base.mkdir(parents=True, exist_ok=True)
    opt_ml.base.chmod(0o777)
    named = f"--env=SAGEMAKER_PROGRAM={program}"
    return engine.start(
        image, ["train"], {opt_ml.base: "/opt/ml"}, [named, *(options or ["--network=none"])]
    ).ended()


@pytest.mark.parametrize("script", THREE, ids=lambda script: script.program)
def test_script_of_awss_container_trains_and_serves_in_the_image(
    engine: Engine, images: Images, opt_ml: OptMl, iris: LabelledRows, script: Script
) -> None:
    """The script runs without a known user, network or writable root, and predicts every row."""
    for channel in script.channels:
        opt_ml.write("iris.csv", iris.training_csv(), channel)
    opt_ml.configure(**{channel: {"TrainingInputMode": "File"} for channel in script.channels})
    opt_ml.write_hyperparameters(script.hyperparameters)
    shutil.copytree(script.code, opt_ml.base / "code")

    ended = train(engine, images["full"], opt_ml, script.program, SOMEWHERE[-1])
    assert ended.code == 0, ended.log
    shutil.copytree(script.code, opt_ml.model / "code")
    named = f"--env=SAGEMAKER_PROGRAM={script.program}"
    options = [*ANYONE, "--read-only", "--tmpfs=/tmp", named]
    container = engine.serve(images["full"], opt_ml.model, options)
    container.await_ready()
    reply = script.ask(container, iris)

    assert reply.status == 200, reply.body
    n_answers = len(reply.lines())
    if reply.content_type == "application/json":
        answers = reply.json()
        n_answers = len(answers["answers"] if isinstance(answers, dict) else answers)
    assert n_answers == len(iris.labels)


@pytest.mark.parametrize(
    "options", [*map(soak_only, SOMEWHERE[:-1]), SOMEWHERE[-1], ["--read-only"]]
)
def test_script_trains_anywhere(
    engine: Engine, images: Images, opt_ml: OptMl, options: list[str]
) -> None:
    """A script that needs no packages needs no writable directory except /opt/ml."""
    write_files(opt_ml.base / "code", {"train.py": SAVES})

    ended = train(engine, images["full"], opt_ml, "train.py", options)

    assert ended.code == 0, ended.log
    assert (opt_ml.model / "model").stat().st_size == 100_000


@pytest.mark.parametrize(
    "options", [soak_only(SOMEWHERE[0]), SOMEWHERE[1], soak_only(SOMEWHERE[2])]
)
@pytest.mark.parametrize("target", ["full", "inference"])
def test_script_serves_anywhere(
    engine: Engine,
    images: Images,
    opt_ml: OptMl,
    iris: LabelledRows,
    target: str,
    options: list[str],
) -> None:
    """Both images serve with the functions of a script, and stop with exit code 0."""
    import numpy as np  # the model is one of its files

    write_files(opt_ml.model / "code", {"inference.py": MEANS})
    names = sorted(set(iris.labels))
    labels = np.array([names.index(label) for label in iris.labels])
    means = np.stack([iris.features[labels == code].mean(axis=0) for code in range(3)])
    np.save(opt_ml.model / "means.npy", means.astype(np.float32))
    container = engine.serve(images[target], opt_ml.model, options)
    container.await_ready()

    found = np.array(container.invoke(iris.request_csv()).json())

    assert (found == labels).mean() > 0.9
    assert container.stop(grace_seconds=5).code == 0


def test_requirements_without_network_are_explained(
    engine: Engine, images: Images, opt_ml: OptMl
) -> None:
    """The failure file names the package, and says that the image must contain it."""
    files = {"train.py": SAVES, "requirements.txt": "numpy\nno-such-package==1.0\n"}
    write_files(opt_ml.base / "code", files)

    ended = train(engine, images["full"], opt_ml, "train.py", ["--network=none"])

    assert ended.code == os.EX_DATAERR, ended.log
    lines = opt_ml.failure.read_text(encoding="utf-8").splitlines()
    assert lines[0] == (
        "The requirements.txt of /opt/ml/code cannot be installed: pip ended with exit code 1. A "
        "job without network must find its packages in the image: add them to "
        "requirements/train.in and build it again. The end of pip's output:"
    )
    assert lines[-1] == "ERROR: No matching distribution found for no-such-package==1.0"


def test_requirements_need_a_directory_to_write_to(
    engine: Engine, images: Images, opt_ml: OptMl
) -> None:
    """On a read-only root without /tmp the failure file says what to mount."""
    write_files(opt_ml.base / "code", {"train.py": SAVES, "requirements.txt": "numpy\n"})

    ended = train(engine, images["full"], opt_ml, "train.py", ["--read-only"])

    assert ended.code == os.EX_DATAERR, ended.log
    assert opt_ml.failure.read_text(encoding="utf-8") == (
        "The code in /opt/ml/code has packages to install, but there is no writable directory for "
        "them; mount one at /tmp."
    )


def test_code_in_s3_without_network_is_explained(
    engine: Engine, images: Images, opt_ml: OptMl
) -> None:
    """The failure file contains the address, and how to train without a network."""
    opt_ml.write_hyperparameters({"sagemaker_submit_directory": "s3://bucket/code.tar.gz"})

    ended = train(engine, images["full"], opt_ml, "train.py", ["--network=none"])

    assert ended.code == os.EX_DATAERR, ended.log
    failure = opt_ml.failure.read_text(encoding="utf-8")
    assert failure.startswith("The code at s3://bucket/code.tar.gz cannot be downloaded: ")
    assert failure.endswith("In a job without network access, put the code into the channel code.")


def test_script_that_fills_the_disk_is_quoted(
    engine: Engine, images: Images, opt_ml: OptMl
) -> None:
    """The failure file ends with the script's own message."""
    write_files(opt_ml.base / "code", {"train.py": SAVES})

    ended = train(
        engine, images["full"], opt_ml, "train.py", ["--tmpfs=/opt/ml/model:size=32k,mode=1777"]
    )

    assert ended.code == 1, ended.log
    failure = opt_ml.failure.read_text(encoding="utf-8")
    assert failure.endswith("OSError: [Errno 28] No space left on device")


def test_code_that_fills_the_disk_is_explained(
    engine: Engine, images: Images, opt_ml: OptMl
) -> None:
    """Code that does not fit on the disk is removed, and the failure file explains why."""
    opt_ml.write("weights.bin", bytes(100_000), channel="code")
    options = ["--tmpfs=/opt/ml/code:size=32k,mode=1777"]

    ended = train(engine, images["full"], opt_ml, "train.py", options)

    assert ended.code != 0
    assert "No space left on device" in opt_ml.failure.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("files", "mode", "variables", "message"),
    [
        (
            {"inference.py": MEANS},
            0o600,
            {},
            (
                "/opt/ml/model/code/inference.py is not readable by the user of the server. The "
                "workers run as uid 12345, and /opt/ml/model/code/inference.py has the mode 0600 "
                f"and belongs to {OWNER}: allow others to read it (chmod -R a+rX "
                "/opt/ml/model/code/inference.py), or run the workers as its owner, with "
                "MODEL_SERVER_USER if serve runs as root, otherwise with docker run --user."
            ),
        ),
        (
            {"inference.py": MEANS, "requirements.txt": "numpy\n"},
            0o644,
            {},
            (
                "/opt/ml/model/code/requirements.txt cannot be installed: this image has no pip; "
                "add the packages to the image and remove the file."
            ),
        ),
        (
            {},
            0o644,
            {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz"},
            (
                "SAGEMAKER_SUBMIT_DIRECTORY cannot be used. The code is at "
                "s3://bucket/code.tar.gz, but this image has no boto3; use the full image."
            ),
        ),
    ],
)
def test_script_that_the_inference_image_cannot_run_is_reported(
    engine: Engine,
    images: Images,
    opt_ml: OptMl,
    files: Mapping[str, str],
    mode: int,
    variables: Mapping[str, str],
    message: str,
) -> None:
    """/ping returns what is wrong and how to correct it."""
    code = write_files(opt_ml.model / "code", files)
    code.mkdir(parents=True, exist_ok=True)
    for name in files:
        (code / name).chmod(mode)
    options = [f"--env={name}={value}" for name, value in variables.items()]
    container = engine.serve(images["inference"], opt_ml.model, [*ANYONE, *options])
    reasons = [""]

    def is_told() -> bool:
        if container.answers():
            reasons.append(container.request("/ping").json()["message"])
        return "/" in reasons[-1]

    await_condition(is_told, "a reason with a path")

    assert reasons[-1] == message


def test_stop_reaches_a_script_as_process_1(engine: Engine, images: Images, opt_ml: OptMl) -> None:
    """SIGTERM is forwarded; the files that the script then saves and its exit code are kept."""
    program = (
        "import os, signal, sys\n"
        "def save(*_):\n"
        "    open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('saved')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('working')\nsignal.pause()\n"
    )
    write_files(opt_ml.base / "code", {"train.py": program})
    container = engine.start(
        images["full"],
        ["train"],
        {opt_ml.base: "/opt/ml"},
        ["--env=SAGEMAKER_PROGRAM=train.py"],
    )
    await_condition(lambda: "working" in run("docker", "logs", container.name), "work")

    ended = container.stop(grace_seconds=5)

    assert ended.code == 0, ended.log
    assert (opt_ml.model / "model").read_text() == "saved"
    assert not opt_ml.failure.exists()
