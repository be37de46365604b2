"""Errors in script mode: the exact failure text and the exit code."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.material import PROGRAM_DIR, OptMl
from support.processes import DEADLINE_SECONDS, Ended, command_line, environment, train
from support.script_mode.sources import archive_of_members, member, write_files


def run(opt_ml: OptMl, name: str, files: Mapping[str, str], **variables: str) -> Ended:
    """Run a job whose program is `name`, out of `files`."""
    write_files(opt_ml.base / "code", files)
    return train(opt_ml, SAGEMAKER_PROGRAM=name, **variables)


def failure_of(opt_ml: OptMl) -> str:
    """Return the text of the failure file, with CODE for the directory of the code."""
    text = opt_ml.failure.read_text(encoding="utf-8")
    assert 0 < len(text) <= 1024
    return text.replace(str(opt_ml.base / "code"), "CODE")


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        (
            "trian.py",
            {"train.py": "", "a.sh": ""},
            (
                "The program 'trian.py' is not a file in CODE, which has: a.sh, train.py; name a "
                "file in it (SAGEMAKER_PROGRAM, or the hyperparameter sagemaker_program)."
            ),
        ),
        (
            "sub",
            {"sub/train.py": ""},
            (
                "The program 'sub' is not a file in CODE, which has: sub; name a file in it "
                "(SAGEMAKER_PROGRAM, or the hyperparameter sagemaker_program)."
            ),
        ),
        (
            "../x.py",
            {"train.py": ""},
            (
                "The program '../x.py' is outside CODE; name a file in it (SAGEMAKER_PROGRAM, or "
                "the hyperparameter sagemaker_program)."
            ),
        ),
        (
            "run.sh",
            {"run.sh": "#!/bin/sh\r\necho hello\r\n"},
            (
                "The program run.sh has Windows line ends (CRLF), which no shell can run; save it "
                "with LF, for example with: sed -i 's/\\r$//' run.sh."
            ),
        ),
        (
            "run.sh",
            {"run.sh": "#!/no/such/shell -e\n"},
            (
                "The program run.sh needs the interpreter /no/such/shell, which is not in this "
                "image; correct its first line."
            ),
        ),
        (
            "train.py",
            {"train.py": "", "pyproject.toml": "[build-system"},
            (
                "CODE/pyproject.toml is not TOML (Expected ']' at the end of a table declaration "
                "(at end of document)); correct it."
            ),
        ),
        (
            "train.py",
            {},
            (
                "There is no code for the program 'train.py': CODE is empty or missing, "
                "SAGEMAKER_SUBMIT_DIRECTORY is not set, and there is no channel code; use one of "
                "them."
            ),
        ),
    ],
)
def test_unusable_program_is_reported(
    opt_ml: OptMl, name: str, files: dict[str, str], message: str
) -> None:
    """An error before the program runs ends the job with exit code 65."""
    ended = run(opt_ml, name, files)

    assert failure_of(opt_ml) == message
    assert ended.code == os.EX_DATAERR, ended.log


def test_unreadable_program_is_reported(opt_ml: OptMl) -> None:
    """The message has the mode of the file. A test as root drops the capabilities to read it."""
    code = write_files(opt_ml.base / "code", {"train.py": "pass"})
    (code / "train.py").chmod(0)
    powerless = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    prefix = powerless if os.geteuid() == 0 else []

    ended = subprocess.run(
        [*prefix, PROGRAM_DIR / "train"],
        check=False,
        env=environment(opt_ml, SAGEMAKER_PROGRAM="train.py"),
        stdout=subprocess.PIPE,
        timeout=DEADLINE_SECONDS,
    )

    assert ended.returncode == os.EX_DATAERR, ended.stdout
    assert failure_of(opt_ml) == (
        "The program CODE/train.py is not readable by this user (its mode is 0); give it the mode "
        "644 or 755."
    )


@pytest.mark.parametrize(
    ("program", "code", "message"),
    [
        (
            "def f(:\n",
            1,
            (
                "The program train.py ended with exit code 1; the end of its error output is:\n"
                '  File "CODE/train.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid '
                "syntax"
            ),
        ),
        (
            "raise ValueError('no rows')",
            1,
            (
                "The program train.py ended with exit code 1; the end of its error output is:\n"
                "Traceback (most recent call last):\n"
                '  File "CODE/train.py", line 1, in <module>\n'
                "    raise ValueError('no rows')\nValueError: no rows"
            ),
        ),
        (
            "import sys; sys.stdout.write('bye'); sys.exit(42)",
            42,
            (
                "The program train.py ended with exit code 42; it wrote no error output, so see "
                "the log."
            ),
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)",
            128 + signal.SIGUSR1,
            (
                "The program train.py was ended by SIGUSR1 (exit code 138); it wrote no error "
                "output, so see the log."
            ),
        ),
        (
            (
                "import os, sys; sys.stderr.write('10%\\r\\x1b[32m20%\\x1b[0m\\n'); "
                "os.kill(os.getpid(), 9)"
            ),
            137,
            (
                "The program train.py was ended by SIGKILL (exit code 137), most likely because it "
                "ran out of memory; the end of its error output is:\n20%"
            ),
        ),
    ],
)
def test_failed_program_is_reported(opt_ml: OptMl, program: str, code: int, message: str) -> None:
    """The job has the program's exit code; the failure file has the end of its error output."""
    ended = run(opt_ml, "train.py", {"train.py": program})

    assert failure_of(opt_ml) == message
    assert ended.code == code


def test_exit_code_137_of_a_shell_is_reported_as_out_of_memory(opt_ml: OptMl) -> None:
    """137 means SIGKILL, also if a shell passes it on."""
    ended = run(opt_ml, "run.sh", {"run.sh": "sh -c 'kill -9 $$'\nexit $?\n"})

    assert ended.code == 137
    assert failure_of(opt_ml).startswith(
        "The program run.sh ended with exit code 137, most likely because it ran out of memory; "
        "the end of its error output is:\n"
    )


def test_failure_has_the_last_lines_of_a_long_error_output(opt_ml: OptMl) -> None:
    """The failure file has as many of the last lines as fit into 1024 characters."""
    program = "import sys\nfor n in range(9999): print('line', n, file=sys.stderr)\nsys.exit(1)"

    run(opt_ml, "train.py", {"train.py": program})

    sentence, *lines = failure_of(opt_ml).splitlines()
    assert sentence.endswith("the end of its error output is:")
    assert lines == [f"line {n}" for n in range(9999 - len(lines), 9999)]
    assert len("\n".join([sentence, *lines])) > 1010


def test_failure_has_the_beginning_of_a_long_last_line(opt_ml: OptMl) -> None:
    """A last line that is too long is cut and not dropped."""
    run(opt_ml, "train.py", {"train.py": "raise KeyError('x' * 9000)"})

    assert "\nKeyError: 'xxx" in failure_of(opt_ml)


def test_failure_file_of_the_program_is_kept(opt_ml: OptMl) -> None:
    """A failure file that the program wrote itself takes precedence."""
    program = (
        "import os, sys\n"
        "open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('my own reason')\n"
        "sys.exit(7)\n"
    )

    ended = run(opt_ml, "train.py", {"train.py": program})

    assert failure_of(opt_ml) == "my own reason"
    assert ended.code == 7


@pytest.mark.parametrize("code", [0, 3])
def test_processes_that_a_program_left_running_are_ended(opt_ml: OptMl, code: int) -> None:
    """Even a process that ignores SIGTERM is ended; the exit code of the program is kept."""
    script = "trap '' TERM\n(trap '' TERM; exec sleep 1000) &\n"
    script += f'echo $! > "$SM_MODEL_DIR/pid"\nexit {code}\n'

    ended = run(opt_ml, "run.sh", {"run.sh": script})

    child = int((opt_ml.model / "pid").read_text())
    assert ended.code == code
    assert "sleep" not in command_line(child)
    assert "the program left processes running; ending them" in ended.log


def test_unsafe_archive_is_refused(opt_ml: OptMl) -> None:
    """Nothing of an archive with `../x` is unpacked, and the message names this member."""
    content = archive_of_members([member("train.py"), member("../x")])
    archive = opt_ml.write("sourcedir.tar.gz", content, channel="code")

    ended = train(opt_ml, SAGEMAKER_PROGRAM="train.py")

    assert ended.code == os.EX_DATAERR
    assert failure_of(opt_ml) == (
        f"The archive {archive} is refused because '../x' is outside the archive; pack only "
        "files, directories, and links between them."
    )
    assert not list((opt_ml.base / "code").iterdir())


def test_requirements_that_cannot_be_downloaded_are_reported(opt_ml: OptMl) -> None:
    """Without network access the failure has a remedy and the end of pip's output."""
    files = {"train.py": "", "requirements.txt": "no-such-package-at-all==1.0\n"}
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "1", "NO_PROXY": "*"}
    nowhere |= {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}

    ended = run(opt_ml, "train.py", files, **nowhere)

    assert ended.code == os.EX_DATAERR
    failure = failure_of(opt_ml)
    assert failure.startswith(
        "The requirements.txt of CODE cannot be installed: pip ended with exit code 1. A job "
        "without network must find its packages in the image: add them to requirements/train.in "
        "and build it again. The end of pip's output:\n"
    )
    assert failure.endswith("No matching distribution found for no-such-package-at-all==1.0")
    assert "Retrying" not in failure


@pytest.mark.parametrize(
    ("hyperparameters", "message"),
    [
        (
            {f"k{n}": "x" * 2500 for n in range(60)},
            (
                "The hyperparameters are too long for Linux to pass to a program: the variable "
                "SM_TRAINING_ENV has "
            ),
        ),
        ({"a": '"\\u0000"'}, "A hyperparameter cannot be passed to a program (embedded null byte)"),
        ({"a": '"\\ud800"'}, "A hyperparameter cannot be passed to a program ('utf-8' codec can't"),
    ],
)
def test_hyperparameters_that_cannot_be_passed_are_reported(
    opt_ml: OptMl, hyperparameters: dict[str, str], message: str
) -> None:
    """Errors of the kernel and of Python have a message with a remedy."""
    opt_ml.write_hyperparameters(hyperparameters)

    ended = run(opt_ml, "train.py", {"train.py": ""})

    assert failure_of(opt_ml).startswith(message)
    assert ended.code == os.EX_DATAERR


def test_hyperparameter_without_a_variable_is_still_an_argument(opt_ml: OptMl) -> None:
    """A name with "=" cannot be a variable; the program still receives the argument."""
    program = "import sys; sys.stdout.write(f'arguments {sys.argv[1:]}')"
    opt_ml.write_hyperparameters({"a=b": "1"})

    ended = run(opt_ml, "train.py", {"train.py": program})

    assert ended.code == 0, ended.log
    assert "arguments ['--a=b', '1']" in ended.log


def test_mpi_is_refused(opt_ml: OptMl) -> None:
    """A job for MPI fails, because it would train separately on each host."""
    opt_ml.write_hyperparameters({"sagemaker_mpi_enabled": "true"})

    ended = run(opt_ml, "train.py", {"train.py": ""})

    assert ended.code == os.EX_DATAERR
    assert failure_of(opt_ml) == (
        "The hyperparameter sagemaker_mpi_enabled is set, but this image has no MPI; remove the "
        "option distribution of the estimator."
    )


@pytest.mark.parametrize("name", ["hyperparameters", "inputdataconfig", "resourceconfig"])
def test_configuration_that_is_not_an_object_is_reported(opt_ml: OptMl, name: str) -> None:
    """The message names the file of the platform and what it contains."""
    file = opt_ml.base / f"input/config/{name}.json"
    file.parent.mkdir(parents=True)
    file.write_text("[1]")

    ended = run(opt_ml, "train.py", {"train.py": ""})

    assert ended.code == os.EX_DATAERR
    assert failure_of(opt_ml) == f"{file} holds a JSON list; write a JSON object."


def test_code_directory_that_cannot_be_created_is_reported(opt_ml: OptMl, tmp_path: Path) -> None:
    """If /opt/ml/code cannot be created, the message names it."""
    source = write_files(tmp_path / "source", {"train.py": ""})
    opt_ml.base.mkdir()
    (opt_ml.base / "code").write_text("not a directory")

    ended = train(opt_ml, SAGEMAKER_PROGRAM="train.py", SAGEMAKER_SUBMIT_DIRECTORY=str(source))

    assert ended.code == os.EX_SOFTWARE
    assert failure_of(opt_ml).startswith("A file cannot be used: [Errno 17] File exists: 'CODE'")
