"""Amazon ECR on this machine: moto simulates AWS, and Debian's registry has ECR's host name.

The host names are in /etc/hosts only while tests run. For a loopback address an engine does not
verify the certificate: https://docs.docker.com/reference/cli/dockerd/#insecure-registries
"""

import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer

from support.clones import ScriptResult
from support.processes import DEADLINE_SECONDS, await_condition, launch

REGION = "eu-central-1"
SILENT_REGION = "eu-west-1"  # its registry has a host name, but nothing listens there
HOST, SILENT_HOST = (
    f"123456789012.dkr.ecr.{region}.amazonaws.com" for region in (REGION, SILENT_REGION)
)
ADDRESS, SILENT_ADDRESS = "127.0.0.2", "127.0.0.3"
PASSWORD = "123456789012-auth-token"  # noqa: S105 - moto gives this one to everybody
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

_HOSTS = Path("/etc/hosts")
_MARK = "# the tests of decision-trees"
# bcrypt hash of PASSWORD, the only form that the registry accepts
_HASH = "$2b$05$abcdefghijklmnopqrstuu/4ofrUS75HrKu6f.iuRo0I/XlrmpqlC"
_HASH_OF_ANOTHER = _HASH[:-1] + "D"
_PUSH_DEADLINE_SECONDS = 900.0


def missing() -> str | None:
    """Return what this machine lacks for a registry with ECR's host name, None if nothing."""
    if os.geteuid() != 0:
        return "only root can give 127.0.0.2 the host name of ECR"
    for program in ("aws", "curl", "docker-registry", "openssl"):
        if shutil.which(program) is None:
            return f"{program} is not on PATH"
    return None


class Registry:
    """Registry with TLS and a password, on port 443 of a loopback address."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "ca.crt"
        self.storage = directory / "storage"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        _make_certificate(directory)
        self.accept_password()
        (directory / "config.yml").write_text(json.dumps(self._configuration()))

    def _configuration(self) -> dict[str, Any]:
        tls = {"certificate": str(self.certificate), "key": str(self._directory / "key.pem")}
        password = {"realm": "ecr", "path": str(self._directory / "htpasswd")}
        return {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}},
            "http": {"addr": f"{ADDRESS}:443", "tls": tls},
            "auth": {"htpasswd": password},
        }

    def accept_password(self) -> None:
        """Accept the password of ECR."""
        self._write_password(_HASH)

    def expire_password(self) -> None:
        """Reject the password of ECR."""
        self._write_password(_HASH_OF_ANOTHER)

    def _write_password(self, password_hash: str) -> None:
        (self._directory / "htpasswd").write_text(f"AWS:{password_hash}\n")

    def start(self) -> None:
        """Start the registry, and wait until it listens."""
        assert not self._listens(), f"another registry listens on {ADDRESS}; end it"
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", self._directory / "config.yml"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        await_condition(self._listens, "a registry that listens")

    def _listens(self) -> bool:
        try:
            socket.create_connection((ADDRESS, 443), DEADLINE_SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    def kill(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def get(self, path: str) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a response, whose status must be 200."""
        login = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()
        context = ssl.create_default_context(cafile=self.certificate)
        connection = http.client.HTTPSConnection(HOST, timeout=DEADLINE_SECONDS, context=context)
        try:
            connection.request(
                "GET", path, headers={"Authorization": f"Basic {login}", "Accept": MANIFEST}
            )
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        assert response.status == 200, f"{path}: {response.status} {body.decode()}"
        return body, dict(response.headers)

    def tags(self, repository: str) -> set[str]:
        """Return the tags of a repository that has images."""
        return set(json.loads(self.get(f"/v2/{repository}/tags/list")[0])["tags"])

    def digest(self, repository: str, tag: str) -> str:
        """Return the digest of a tag."""
        return self.get(f"/v2/{repository}/manifests/{tag}")[1]["Docker-Content-Digest"]

    def is_complete(self, repository: str, digest: str) -> bool:
        """Return whether all parts of a manifest are stored, with the right digests."""
        manifest = json.loads(self.get(f"/v2/{repository}/manifests/{digest}")[0])
        parts = [manifest["config"], *manifest["layers"]]
        return all(
            f"sha256:{hashlib.sha256(self._blob(repository, part['digest'])).hexdigest()}"
            == part["digest"]
            for part in parts
        )

    def _blob(self, repository: str, digest: str) -> bytes:
        return self.get(f"/v2/{repository}/blobs/{digest}")[0]


def _make_certificate(directory: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=registry"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-addext", f"subjectAltName=DNS:{HOST}"),
            *("-keyout", directory / "key.pem", "-out", directory / "ca.crt"),
        ],
        check=True,
        capture_output=True,
    )


@dataclass(frozen=True)
class Ecr:
    """AWS account and registry of a user of build_and_push.sh."""

    registry: Registry
    variables: dict[str, str]

    def environment(self) -> dict[str, str]:
        """Return the environment of this process, with this AWS account."""
        others = {name: value for name, value in os.environ.items() if name[:4] != "AWS_"}
        return others | self.variables

    def start(
        self, clone: Path, *arguments: str, first: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start the script of a clone; programs in the directory `first` precede those of PATH."""
        path = os.pathsep.join([*([str(first)] if first else []), os.environ["PATH"]])
        return launch(
            [clone / "build_and_push.sh", *arguments],
            cwd="/",
            env=self.environment() | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def push(self, clone: Path, *arguments: str, first: Path | None = None) -> ScriptResult:
        """Run the script of a clone until it exits."""
        process = self.start(clone, *arguments, first=first)
        out, err = process.communicate(timeout=_PUSH_DEADLINE_SECONDS)
        return ScriptResult(process.returncode, out, err)

    def repository(self, name: str) -> dict[str, Any]:
        """Return ECR's description of a repository."""
        command = ["aws", "ecr", "describe-repositories", "--repository-names", name]
        done = subprocess.run(
            command, env=self.environment(), check=True, capture_output=True, text=True
        )
        repository: dict[str, Any] = json.loads(done.stdout)["repositories"][0]
        return repository


@contextmanager
def running(directory: Path) -> Iterator[Ecr]:
    """Run an ECR."""
    with ExitStack() as stack:
        registry = Registry(directory)
        stack.enter_context(_names())
        stack.callback(registry.kill)
        registry.start()
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        stack.callback(moto.stop)
        yield Ecr(registry, _variables(directory, registry, moto))


def _variables(directory: Path, registry: Registry, moto: ThreadedMotoServer) -> dict[str, str]:
    host, port = moto.get_host_and_port()
    direct = f"127.0.0.1,{HOST},{SILENT_HOST}"
    return {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "a-key",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CURL_CA_BUNDLE": str(registry.certificate),
        "HOME": str(directory),
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


@contextmanager
def _names() -> Iterator[None]:
    lines = [f"{ADDRESS} {HOST} {_MARK}", f"{SILENT_ADDRESS} {SILENT_HOST} {_MARK}"]
    _remove_names()
    text = _HOSTS.read_text()
    _HOSTS.write_text("\n".join([text.removesuffix("\n"), *lines, ""]))
    try:
        yield
    finally:
        _remove_names()


def _remove_names() -> None:
    lines = _HOSTS.read_text().splitlines(keepends=True)
    _HOSTS.write_text("".join(line for line in lines if _MARK not in line))
