"""AWS account on this machine: moto answers for AWS, and a real `serve` for its endpoints."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from support.processes import Endpoint, Reply

REGION = "eu-central-1"
NUMBER = "123456789012"
ROLE = f"arn:aws:iam::{NUMBER}:role/decision-trees"
IMAGE = f"{NUMBER}.dkr.ecr.{REGION}.amazonaws.com/decision-trees@sha256:{'0123456789abcdef' * 4}"
KEYS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret"}

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html
_FORWARDED = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes")


@dataclass(frozen=True)
class SimulatedAccount:
    """AWS account without any resources."""

    url: str
    runtime_url: str

    def variables(self) -> dict[str, str]:
        """Return the environment variables of a program that uses this account."""
        return KEYS | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.runtime_url,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """Return a client of a service."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )

    def keys_of(self, bucket: str) -> set[str]:
        """Return the keys of the objects in a bucket."""
        listed = self.client("s3").list_objects_v2(Bucket=bucket)
        return {found["Key"] for found in listed.get("Contents", [])}


@contextmanager
def account(container: Endpoint) -> Iterator[SimulatedAccount]:
    """Run an account whose endpoints are all this container."""
    with ExitStack() as stack:
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        stack.callback(moto.stop)
        runtime = stack.enter_context(_Runtime(container))
        host, port = moto.get_host_and_port()
        url = f"http://{host}:{port}"
        # moto keeps the resources of an earlier server in the same process
        connection = stack.enter_context(closing(HTTPConnection(host, port)))
        connection.request("POST", "/moto-api/reset")
        assert connection.getresponse().status == HTTPStatus.OK
        yield SimulatedAccount(url, f"http://127.0.0.1:{runtime.server_port}")


class _Runtime(ThreadingHTTPServer):
    """Server for InvokeEndpoint."""

    daemon_threads = True

    def __init__(self, container: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Invocation)
        self._container = container
        self._thread = Thread(target=self.serve_forever)

    def __enter__(self) -> "_Runtime":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def invoke(self, body: bytes, headers: dict[str, str]) -> Reply:
        """Forward a request to the container."""
        return self._container.request("/invocations", body, headers)


class _Invocation(BaseHTTPRequestHandler):
    """Handler of a request: it forwards only the headers that the platform forwards."""

    def do_POST(self) -> None:
        """Return the response of the container."""
        assert isinstance(self.server, _Runtime)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name: self.headers[name] for name in _FORWARDED if name in self.headers}
        reply = self.server.invoke(body, headers)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type or "")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing."""
