"""Hosts of a job as containers, each with its own /opt/ml, on an isolated network."""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from support.containers import Container, Engine, run
from support.material import OptMl
from support.processes import Ended

USER = f"--user={os.getuid()}:{os.getgid()}"


@dataclass
class Cluster:
    """Hosts of a job and their network."""

    engine: Engine
    image: str
    directory: Path
    """Directory for the /opt/ml directories of the hosts."""

    network: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex}")

    def __post_init__(self) -> None:
        """Create the network, which has no external access."""
        run("docker", "network", "create", "--internal", self.network)

    def host(self, name: str, names: Sequence[str]) -> OptMl:
        """Create a host with the names of all hosts, and return its /opt/ml directory."""
        opt_ml = OptMl(self.directory / name)
        config = {"current_host": name, "hosts": names, "network_interface_name": "eth0"}
        file = opt_ml.base / "input/config/resourceconfig.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(config))
        return opt_ml

    def start(self, name: str, opt_ml: OptMl) -> Container:
        """Start `train` on a host, with one core."""
        options = [USER, "--cpus=1", f"--network={self.network}", f"--network-alias={name}"]
        return self.engine.start(self.image, ["train"], {opt_ml.base: "/opt/ml"}, options)

    def train(self, hosts: Mapping[str, OptMl]) -> dict[str, Ended]:
        """Run `train` on all hosts until it exits; the last host starts first."""
        started = {name: self.start(name, hosts[name]) for name in reversed(list(hosts))}
        return {name: started[name].ended() for name in hosts}

    def remove(self) -> None:
        """Remove the network; its containers must be gone."""
        run("docker", "network", "rm", self.network, check=False)
