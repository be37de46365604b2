"""The programs of a trial; tests/contract/test_selftest.py has whole trials."""

from pathlib import Path

from processes import python


def test_signal_while_a_program_starts_leaves_none_behind(tmp_path: Path) -> None:
    """It interrupts when the program has started, so that `close` can end it."""
    ended = python(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from container.trial import Trial\n"
        f"trial = Trial(Path({str(tmp_path)!r}), os.environ)\n"
        "interrupt = lambda event, _: event == 'subprocess.Popen' and os.kill(os.getpid(), 2)\n"
        "sys.addaudithook(interrupt)\n"
        "try:\n"
        "    trial.start(['/bin/sleep', '60'])\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', os.waitpid(-1, os.WNOHANG))\n"
        "trial.close()\n"
        "try:\n"
        "    os.waitpid(-1, os.WNOHANG)\n"
        "except ChildProcessError:\n"
        "    print('no child')\n"
    )

    assert (ended.stdout, ended.stderr) == ("interrupted (0, 0)\nno child\n", "")
