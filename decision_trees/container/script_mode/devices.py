"""Numbers of GPUs and Neuron cores, counted as the training toolkit counts them."""

import json
import shutil
import subprocess
from functools import cache

_NEURONS = {"trn2.48xlarge": 64}
_SECONDS = 60.0


@cache
def gpus(path: str | None) -> int:
    """Return the number of GPUs that nvidia-smi lists; 0 if it is not installed."""
    listed = _output(["nvidia-smi", "--list-gpus"], path)
    return sum(line.startswith("GPU ") for line in listed.splitlines())


@cache
def neurons(instance_type: str, path: str | None) -> int:
    """Return the number of Neuron cores that neuron-ls lists; 0 if it is not installed."""
    for name, number in _NEURONS.items():
        if name in instance_type:
            return number
    try:
        return sum(
            device.get("nc_count", 0) for device in json.loads(_output(["neuron-ls", "-j"], path))
        )
    except (ValueError, AttributeError, TypeError):
        return 0


def _output(command: list[str], path: str | None) -> str:
    """Return the output of a program; empty if it is not installed or fails."""
    program = shutil.which(command[0], path=path)
    if program is None:
        return ""
    try:
        ended = subprocess.run(  # noqa: S603 - a program of the image with constant arguments
            [program, *command[1:]],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return ended.stdout.decode(errors="replace")
