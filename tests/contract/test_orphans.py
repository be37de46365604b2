"""Process 1 of a container inherits orphans, and removes those that have ended.

`PR_SET_CHILD_SUBREAPER` gives `serve` and `train` that role without a container.
Source: https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
"""

import signal
import subprocess
import sys

from support.material import PROGRAM_DIR, OptMl
from support.processes import (
    Server,
    await_condition,
    children_of,
    environment,
    free_port,
    launch,
    read_until,
    wait_for,
)
from support.script_mode.sources import write_files

N_ORPHANS = 50

AS_PROCESS_1 = [
    sys.executable,
    "-c",
    "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1); os.execv(sys.argv[1], sys.argv[1:])",
]

ORPHANS = f"""
import signal, subprocess
def leave_orphans():
    script = "for number in $(seq {N_ORPHANS}); do sleep 0.01 & done"
    subprocess.run(["sh", "-c", script], check=True)
"""

SERVED = f"""{ORPHANS}
def model_fn(model_dir): return 1
def transform_fn(model, body, content_type, accept):
    leave_orphans()
    return "done"
"""

TRAINED = f"""{ORPHANS}
leave_orphans()
print("orphaned")
signal.pause()
"""


def test_serve_removes_orphans(opt_ml: OptMl) -> None:
    """The processes that a script leaves behind do not fill the process table."""
    write_files(opt_ml.model / "code", {"inference.py": SERVED})
    port = free_port()
    variables = {"SAGEMAKER_BIND_TO_PORT": str(port), "MODEL_SERVER_WORKERS": "1"}
    process = launch([*AS_PROCESS_1, PROGRAM_DIR / "serve"], env=environment(opt_ml, **variables))
    server = Server(process, port)
    server.await_ready()

    assert server.invoke("x").body == b"done"
    await_condition(lambda: len(children_of(process.pid)) == 2, "the end of all orphans")

    assert len(server.children("gunicorn")) == 1
    assert server.stop().code == 0


def test_train_removes_orphans_and_keeps_the_exit_code(opt_ml: OptMl) -> None:
    """The processes that a program leaves behind are removed while it runs."""
    write_files(opt_ml.base / "code", {"train.py": TRAINED})
    process = launch(
        [*AS_PROCESS_1, PROGRAM_DIR / "train"],
        env=environment(opt_ml, SAGEMAKER_PROGRAM="train.py"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    read_until(process, "orphaned")

    await_condition(lambda: len(children_of(process.pid)) == 1, "the end of all orphans")
    process.terminate()

    assert wait_for(process).code == 128 + signal.SIGTERM
