"""Programs of a sandbox; tests/contract/test_selftest.py tests complete runs."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from container.selftest.sandbox import Sandbox
from support.processes import python


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_while_a_program_starts_leaves_none_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The signal takes effect after the start, so that `close` can end the program."""
    ended = python(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from container.selftest.sandbox import Sandbox\n"
        "def handle(number, frame):\n"
        "    raise KeyboardInterrupt\n"
        f"signal.signal({int(number)}, handle)\n"
        f"sandbox = Sandbox(Path({str(tmp_path)!r}), os.environ)\n"
        "def interrupt(event, arguments):\n"
        "    if event == 'subprocess.Popen':\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "sys.addaudithook(interrupt)\n"
        "try:\n"
        "    sandbox.start(['/bin/sleep', 'infinity'])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', os.waitpid(-1, os.WNOHANG))\n"
        "sandbox.close()\n"
        "try:\n"
        "    os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    print('no child')\n"
    )

    assert (ended.stdout, ended.stderr) == ("interrupted (0, 0)\nno child\n", "")


def test_selftest_has_one_thread() -> None:
    """Its handlers raise; `signals.blocked` defers them only in a program of one thread."""
    ended = python(
        "import os\nfrom container import selftest\nprint(len(os.listdir('/proc/self/task')))"
    )

    assert (ended.stdout, ended.stderr) == ("1\n", "")


def test_excerpt_of_a_log_is_printable(tmp_path: Path) -> None:
    """Control characters of a failed program do not reach the terminal of the caller."""
    with closing(Sandbox(tmp_path, os.environ)) as sandbox:
        sandbox.run(["/bin/sh", "-c", r"printf 'a\033[31m\r\nb\n'"])

        assert sandbox.excerpt() == "    a\\x1b[31m\\r\n    b\n"
