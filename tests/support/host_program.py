"""A host of a job as a process: it joins the others, is quiet for some seconds, and adds numbers.

usage: host_program.py PORT SECONDS
"""

import sys
import time

import numpy as np

from container import supervisor
from container.distributed import hosts, rendezvous
from container.paths import Paths

PORT, SECONDS = int(sys.argv[1]), float(sys.argv[2])


def job(paths: Paths) -> None:
    """Run the job; `train` calls the same functions."""
    found = hosts.read(paths.resource_config)
    with rendezvous.connect(
        found, 60.0, lambda error: supervisor.abort(error, paths), PORT
    ) as communicator:
        time.sleep(SECONDS)
        assert communicator.sum(np.ones(2)).tolist() == [len(communicator)] * 2
        communicator.gather("done")


sys.exit(supervisor.main(lambda paths, _: supervisor.supervise(job, paths)))
