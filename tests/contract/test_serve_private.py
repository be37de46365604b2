"""`serve` as root with a model that only root can read; its workers are unprivileged all the same.

The directories of pytest have mode 0700, as other temporary directories and homes have.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from container.errors import EXIT_NO_MODEL, PlatformError
from support.material import PROGRAM_DIR, OptMl
from support.processes import await_condition, children_of
from support.script_mode.sources import write_files
from support.servers import LoggedServer, serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")

NOBODY = pwd.getpwnam("nobody")
SOMEBODY = 12345
ROW = b"5.1,3.5,1.4,0.2\n"

SCRIPT = """
from pathlib import Path
from helper import ARTICLE
def model_fn(model_dir): return Path(model_dir, "weights/1.txt").read_text()
def transform_fn(model, body, content_type, accept): return ARTICLE + model
"""
FILES = {"inference.py": SCRIPT, "helper.py": "ARTICLE = 'the '"}


@pytest.fixture(scope="module")
def nobody() -> dict[str, str]:
    """Variables with which `serve` starts workers as nobody, who must be able to execute Python."""
    folder = Path("/usr/bin")
    python = folder / f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = {"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-c", "import wsgi"]
    found = subprocess.run(
        command, env=packages, cwd=PROGRAM_DIR, user="nobody", check=False, capture_output=True
    )
    if found.returncode:
        pytest.skip(f"nobody cannot import the program with {python}: {found.stderr.decode()}")
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return packages | {"MODEL_SERVER_USER": "nobody", "PATH": path, "MODEL_SERVER_WORKERS": "1"}


@pytest.fixture
def private(trained: OptMl, opt_ml: OptMl) -> OptMl:
    """A copy of the model in a directory that only root may enter, as it is pytest's own."""
    shutil.copytree(trained.model, opt_ml.model)
    return opt_ml


@pytest.fixture
def shared(trained: OptMl, short_path: Path) -> OptMl:
    """A copy of the model in a directory that everybody may enter."""
    short_path.chmod(0o755)
    shutil.copytree(trained.model, short_path / "ml/model")
    return OptMl(short_path / "ml")


def workers_of(server: LoggedServer) -> list[int]:
    """Return the process ids of gunicorn's master and workers."""
    (master,) = server.children("gunicorn")
    return [master, *children_of(master)]


def make_private(path: Path) -> None:
    """Forbid everybody but root to read a file, or a directory and what is in it."""
    for place in (path, *path.rglob("*")):
        place.chmod(0o700 if place.is_dir() else 0o600)


def give_away(model: Path) -> None:
    """Make a directory and its files private for a user that has no name."""
    make_private(model)
    for place in (model, *model.iterdir()):
        os.chown(place, SOMEBODY, SOMEBODY)


def use_links(model: Path) -> None:
    """Replace a file by a link to a private one, as volumes of Kubernetes have them."""
    (model / "data").mkdir()
    shutil.move(model / "model.json", model / "data")
    (model / "current").symlink_to(model / "data")
    (model / "model.json").symlink_to("current/model.json")
    make_private(model / "data")


@pytest.mark.parametrize(
    "change",
    [
        lambda _: None,
        make_private,
        lambda model: (model / "model.onnx").chmod(0o600),
        use_links,
        give_away,
    ],
    ids=["parent", "everything", "file", "links", "owner"],
)
def test_private_model_is_served(
    private: OptMl, tmp_path: Path, nobody: dict[str, str], change: Callable[[Path], object]
) -> None:
    """Labels are right, no process that answers belongs to root, and no copy remains."""
    change(private.model)
    with serving(private, tmp_path / "log", **nobody) as server:
        server.await_ready()
        answer = server.invoke(ROW)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in workers_of(server)}
        (copies,) = Path(tempfile.gettempdir()).glob("serve-*/copies" + str(private.model))
        server.stop()

    assert answer.body == b"setosa\n"
    assert owners == {NOBODY.pw_uid}
    assert not copies.exists()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_worker_that_replaces_another_loads_a_private_model(
    private: OptMl, tmp_path: Path, nobody: dict[str, str], threads: str
) -> None:
    """With several threads the new worker reads the files again."""
    with serving(private, tmp_path / "log", **nobody, MODEL_SERVER_THREADS=threads) as server:
        server.await_ready()
        before = set(workers_of(server))
        os.kill(max(before), signal.SIGKILL)
        await_condition(lambda: len(set(workers_of(server)) - before) == 1, "a new worker")
        server.await_ready()

        assert server.invoke(ROW).body == b"setosa\n"


@pytest.mark.parametrize(
    "place", ["model/code", "code", "elsewhere", "model/code/sourcedir.tar.gz"]
)
def test_private_script_is_served(
    opt_ml: OptMl, tmp_path: Path, nobody: dict[str, str], place: str
) -> None:
    """The script, the modules beside it and the files of its model are read by nobody."""
    code = opt_ml.base / place
    variables = nobody | {"SAGEMAKER_PROGRAM": "inference.py"}
    write_files(code.parent if code.suffix else code, FILES)
    if code.suffix:
        with tarfile.open(code, "w:gz") as archive:
            for name in FILES:
                archive.add(code.parent / name, name)
                (code.parent / name).unlink()
    if place not in ("model/code", "code"):
        variables["SAGEMAKER_SUBMIT_DIRECTORY"] = str(code)
    write_files(opt_ml.model / "weights", {"1.txt": "model"})
    make_private(opt_ml.base)
    with serving(opt_ml, tmp_path / "log", **variables) as server:
        server.await_ready()

        assert server.invoke(ROW).body == b"the model"


def test_links_that_lead_out_of_the_model_give_no_access(
    shared: OptMl, tmp_path: Path, nobody: dict[str, str]
) -> None:
    """/ping names the user, the file, its mode and the setting; serve does not read it for them."""
    secret = shared.base / "secret"
    shutil.move(shared.model / "model.json", secret)
    (shared.model / "model.json").symlink_to(secret)
    secret.chmod(0o600)
    with serving(shared, tmp_path / "log", **nobody) as server:
        ended = server.ended()
        message = server.messages()[-2]

    assert ended.code == EXIT_NO_MODEL
    assert "model.json cannot be read (Permission denied)" in message
    assert (
        f"The workers run as nobody, and {secret} has the mode 0600 and belongs to root" in message
    )
    assert "MODEL_SERVER_USER" in message


def test_private_directory_for_sockets_is_refused(
    shared: OptMl, tmp_path: Path, nobody: dict[str, str], short_path: Path
) -> None:
    """The workers must enter the directory of their socket; the message names it."""
    short_path.chmod(0o755)
    private = short_path / "tmp"
    private.mkdir(mode=0o700)
    with serving(shared, tmp_path / "log", **nobody, TMPDIR=str(private)) as server:
        ended = server.ended()

    assert ended.code == PlatformError.exit_code
    assert f"who cannot enter {private}: set TMPDIR to" in ended.log


def test_readable_model_is_not_copied(
    shared: OptMl, tmp_path: Path, nobody: dict[str, str]
) -> None:
    """A model that the workers can read is used where it is."""
    with serving(shared, tmp_path / "log", **nobody) as server:
        server.await_ready()
        messages = server.messages()

    assert f"worker is ready with the model in {shared.model}" in messages
