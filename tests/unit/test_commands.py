"""Command lines and configuration of nginx and gunicorn; tests/contract runs them."""

import grp
import json
import os
import pwd
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from container.errors import SettingsError
from container.paths import PROGRAM_DIR, Paths
from container.serving.commands import (
    PROXY_MARGIN_SECONDS,
    SCOREBOARD,
    gunicorn_command,
    heartbeat_directory,
    nginx_command,
    nginx_conf,
    user_options,
    worker_account,
)
from container.serving.scoreboard import Scoreboard
from container.settings import Settings
from support.material import OptMl
from support.processes import DEADLINE_SECONDS, environment, free_port

TEMPLATE = (PROGRAM_DIR / "nginx.conf").read_text(encoding="utf-8")
SETTINGS = Settings(paths=Paths(), cores=2, workers=3, timeout_seconds=7, port=8081)
RUNTIME = Path("/runtime")

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def option(command: list[str], name: str) -> str:
    """Return the argument of an option."""
    return command[command.index(name) + 1]


def run(command: list[str], opt_ml: OptMl, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in the environment of `serve`."""
    return subprocess.run(
        command,
        cwd=PROGRAM_DIR,
        env=environment(opt_ml, **variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("--worker-class", "container.serving.gunicorn_conf.Worker"),
        ("--workers", "3"),
        ("--timeout", "7"),
        ("--graceful-timeout", "25"),
        ("--bind", "fd://5"),
        ("--worker-tmp-dir", "/heartbeats"),
        ("--config", "python:container.serving.gunicorn_conf"),
    ],
)
def test_gunicorn_is_started_with_the_settings(name: str, value: str) -> None:
    """Each option has the value of its setting."""
    command = gunicorn_command(SETTINGS, 5, Path("/heartbeats"), RUNTIME)

    assert option(command, name) == value


def test_gunicorn_does_not_make_the_app_before_it_forks() -> None:
    """Each worker makes its own app after the fork, with its own slot and event loop."""
    command = gunicorn_command(SETTINGS, 5, Path("/heartbeats"), RUNTIME)

    assert command[command.index(sys.executable) + 1 :][:2] == [
        "gunicorn_master.py",
        "wsgi:make_app()",
    ]
    assert "--preload" not in command


def test_gunicorn_gets_malloc_settings_and_the_scoreboard() -> None:
    """Its environment is that of `serve` and a few variables more."""
    command = gunicorn_command(SETTINGS, 5, Path("/heartbeats"), RUNTIME)

    first, *settings, scoreboard = command[: command.index(sys.executable)]
    assert first == "env"
    assert "MALLOC_ARENA_MAX=1" in settings
    assert all(setting.startswith("MALLOC_") for setting in settings)
    assert scoreboard == "MODEL_SERVER_SCOREBOARD=/runtime/scoreboard"


def test_gunicorn_keeps_connections_longer_than_nginx() -> None:
    """The sender must close first, or it may send a request on a closed connection."""
    upstream = re.search(r"upstream .*?keepalive_timeout (\d+)s;", TEMPLATE, re.DOTALL)
    command = gunicorn_command(SETTINGS, 5, Path("/heartbeats"), RUNTIME)

    assert upstream
    assert int(upstream[1]) < int(option(command, "--keep-alive"))


def test_gunicorn_accepts_its_command_line(opt_ml: OptMl, tmp_path: Path) -> None:
    """Gunicorn's own check accepts every option and imports the app."""
    Scoreboard.create(tmp_path / SCOREBOARD, SETTINGS.workers).close()
    command = gunicorn_command(SETTINGS, 5, tmp_path, tmp_path)

    ended = run([*command, "--check-config"], opt_ml, TMPDIR=str(tmp_path))

    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_nginx_is_started_with_its_own_configuration() -> None:
    """Nginx reads and writes only below the runtime directory, from its start."""
    first, setting, *command = nginx_command(RUNTIME)

    assert (first, setting.partition("=")[0]) == ("env", "MALLOC_MMAP_THRESHOLD_")
    assert command == [*("nginx", "-p", "/runtime", "-c", "/runtime/nginx.conf", "-e", "stderr")]


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"workers": 5, "cores": 8}, ["worker_processes 5;"]),
        ({"workers": 5, "cores": 2}, ["worker_processes 2;"]),
        ({"port": 8081}, ["listen 8081;"]),
        ({"body_buffer_bytes": 2**20}, ["client_body_buffer_size 1048576;"]),
        ({"max_payload_bytes": 0}, ["client_max_body_size 0;"]),
        ({"max_payload_bytes": 6 * 2**20}, ["client_max_body_size 6291456;"]),
        ({"timeout_seconds": 7}, ["proxy_read_timeout 12s;", "proxy_send_timeout 12s;"]),
        ({"timeout_seconds": 3600}, ["proxy_read_timeout 3605s;", "proxy_send_timeout 3605s;"]),
    ],
)
def test_nginx_is_configured_by_the_settings(changes: dict[str, Any], lines: list[str]) -> None:
    """Each limit is that of the settings."""
    conf = nginx_conf(TEMPLATE, replace(SETTINGS, **changes), RUNTIME)

    assert set(lines) <= {text.split("#")[0].strip() for text in conf.splitlines()}


def test_nginx_names_the_limits_of_the_settings() -> None:
    """A refusal names the limit and the setting that changes it."""
    settings = replace(SETTINGS, max_payload_bytes=4321, timeout_seconds=30)

    conf = nginx_conf(TEMPLATE, settings, RUNTIME)

    assert "larger than 4321 bytes; send fewer rows at once, or raise SAGEMAKER_MAX_PAY" in conf
    assert "within 35 seconds; send fewer rows at once, or raise MODEL_SERVER_TIMEOUT" in conf


def test_nginx_responds_in_the_format_of_all_errors() -> None:
    """Each response of nginx is one short line of JSON with the fields of every error."""
    conf = nginx_conf(TEMPLATE, replace(SETTINGS, max_payload_bytes=2**50), RUNTIME)
    replies = re.findall(r"return (\d+) (.*);$", conf, re.MULTILINE)

    assert {"400", "404", "413", "414", "500", "503", "504"} <= {status for status, _ in replies}
    for _, text in replies:
        body = json.loads(text.removeprefix("'").removesuffix("\\n'"))
        assert list(body) == ["error", "message", "row", "column", "request_id"]
        assert (body["row"], body["column"], body["request_id"]) == (None, None, "$request_id")
        assert len(text) < 1024


def test_nginx_has_a_page_for_every_error() -> None:
    """Every error_page exists, and every page is used."""
    conf = nginx_conf(TEMPLATE, SETTINGS, RUNTIME)

    pages = set(re.findall(r"error_page [^;]* (/\S+);", conf))
    assert pages == set(re.findall(r"location = (/errors/\w+) \{\s+internal;", conf))
    assert len(pages) >= 7


def test_nginx_answers_a_ping_before_the_time_out_of_the_platform() -> None:
    """The platform waits 2 s."""
    ping = re.search(r"location = /ping \{.*?proxy_read_timeout (\d+)ms;", TEMPLATE, re.DOTALL)

    assert ping
    assert int(ping[1]) < 2000


def test_nginx_waits_longer_than_gunicorn() -> None:
    """Gunicorn's time-out comes first, because it is logged."""
    assert PROXY_MARGIN_SECONDS > 0


def test_nginx_conf_has_no_placeholder_left() -> None:
    """Every name in braces is replaced; nginx's own variables stay."""
    conf = nginx_conf(TEMPLATE, SETTINGS, RUNTIME)

    assert "@{" in TEMPLATE
    assert "@{" not in conf
    assert "$http_host" in conf


def test_nginx_conf_refuses_an_unknown_name() -> None:
    """A misspelt name in the template is an error, not an empty text."""
    with pytest.raises(KeyError, match="prot"):
        nginx_conf("listen @{prot};", SETTINGS, RUNTIME)


def test_nginx_writes_only_into_the_runtime_directory() -> None:
    """Every path of the configuration lies in the runtime directory."""
    conf = nginx_conf(TEMPLATE, SETTINGS, RUNTIME)

    paths = re.findall(r"^\s*(?:pid|\w+_temp_path) \"(\S+)\";", conf, re.MULTILINE)
    assert len(paths) == 6
    assert all(path.startswith("/runtime/") for path in paths)


@pytest.mark.parametrize("max_payload_bytes", [0, 1, 2**40])
@pytest.mark.parametrize("worker_user", [None, "nobody"])
def test_nginx_accepts_its_configuration(
    opt_ml: OptMl, tmp_path: Path, max_payload_bytes: int, worker_user: str | None
) -> None:
    """`nginx -t` accepts the rendered file without a warning."""
    settings = replace(
        SETTINGS,
        port=free_port(),
        max_payload_bytes=max_payload_bytes,
        worker_user=worker_user,
    )
    (tmp_path / "nginx.conf").write_text(nginx_conf(TEMPLATE, settings, tmp_path))

    ended = run([*nginx_command(tmp_path), "-t"], opt_ml)

    assert ended.returncode == 0, ended.stderr
    assert "test is successful" in ended.stderr
    assert not re.search(r"\[(warn|error|alert|crit|emerg)\]", ended.stderr)


@pytest.mark.parametrize("name", ["a b;", 'a"b', "a\\b", "$a{", "a\nb #"])
def test_nginx_accepts_any_runtime_directory(opt_ml: OptMl, tmp_path: Path, name: str) -> None:
    """Characters of nginx's grammar in TMPDIR mean nothing in the file."""
    runtime = tmp_path / name
    runtime.mkdir()
    settings = replace(SETTINGS, port=free_port())
    (runtime / "nginx.conf").write_text(nginx_conf(TEMPLATE, settings, runtime))

    ended = run([*nginx_command(runtime), "-t"], opt_ml)

    assert ended.returncode == 0, ended.stderr
    assert (runtime / "body").is_dir()


@only_root
@pytest.mark.parametrize(("worker_user", "name"), [("nobody", "nobody"), (None, "root")])
def test_workers_become_the_user(worker_user: str | None, name: str) -> None:
    """As root, the workers become the user, or stay root if none is named."""
    settings = replace(SETTINGS, worker_user=worker_user)
    group = grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name

    assert user_options(settings) == {"user": name, "group": group, "extra_groups": []}
    assert f"\nuser {name} {group};\n" in nginx_conf(TEMPLATE, settings, RUNTIME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may become another user")
@pytest.mark.parametrize("worker_user", ["nobody", None])
def test_workers_run_as_the_user_of_serve_without_root(worker_user: str | None) -> None:
    """Only root can change its user; others do not try."""
    settings = replace(SETTINGS, worker_user=worker_user)

    assert user_options(settings) == {}
    assert "\nuser " not in nginx_conf(TEMPLATE, settings, RUNTIME)


@only_root
def test_unknown_user_is_refused() -> None:
    """A user that does not exist is a SettingsError."""
    with pytest.raises(SettingsError) as caught:
        worker_account(replace(SETTINGS, worker_user="no-such-user"))

    assert str(caught.value) == (
        "MODEL_SERVER_USER is 'no-such-user', and there is no such user here."
    )


def test_heartbeats_are_in_memory_where_possible(tmp_path: Path) -> None:
    """A writable directory is used."""
    assert heartbeat_directory(Path("/other"), tmp_path) == tmp_path


@pytest.mark.parametrize("name", ["absent", "file"])
def test_heartbeats_are_elsewhere_otherwise(tmp_path: Path, name: str) -> None:
    """Without such a directory, the fallback is used."""
    (tmp_path / "file").touch()

    assert heartbeat_directory(Path("/other"), tmp_path / name) == Path("/other")
