"""Fake docker, aws and curl that simulate an engine, AWS and ECR."""

import re
import shlex
from pathlib import Path

from support.clones import Clone, Fake, ScriptResult

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
URI = f"{REGISTRY}/decision-trees"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MISSING = "echo 'An error occurred (RepositoryNotFoundException): no such thing' >&2; exit 254"
NO_COMMIT = "build_and_push: the git commit of this clone is unknown, so there is no tag for it\n"


class FakeEcr:
    """Fake docker, aws and curl; `answers` replaces single answers by bash commands."""

    def __init__(self, parent: Path, **answers: str) -> None:
        directory = parent / "fakes"
        self.login = parent / "login"
        self.docker = Fake(directory, "docker", _docker(self.login, answers))
        self.aws = Fake(directory, "aws", _aws(answers))
        self.curl = Fake(directory, "curl", _curl(self.docker, answers))

    def push(self, clone: Clone, *arguments: str, **variables: str) -> ScriptResult:
        """Run build_and_push.sh of a clone."""
        given = {"AWS_REGION": "eu-central-1"} | variables
        return clone.run(
            "build_and_push.sh", "decision-trees", *arguments, fakes=[self.docker], **given
        )

    def changes(self) -> list[list[str]]:
        """Return the calls of docker and aws that change something."""
        changing = ("login", "push", "pull", "build", "create-repository")
        calls = self.docker.calls() + self.aws.calls()
        return [call for call in calls if any(word in changing for word in call[:2])]

    def pushed(self) -> list[str]:
        """Return the references that were pushed, in order."""
        return [call[1] for call in self.docker.calls() if call[0] == "push"]


def _docker(login: Path, answers: dict[str, str]) -> str:
    found = answers.get("found", "linux/amd64 true ")
    keep = shlex.quote(str(login))
    return f"""case "$1 ${{2-}}" in
    "info ") {answers.get("info", ":")} ;;
    "info --format") echo x86_64 ;;
    version*) echo 28.2.2 ;;
    "buildx build") {answers.get("build", ":")} ;;
    "context inspect") echo {answers.get("context", "default")} ;;
    "image inspect") [[ $3 != --format ]] || echo {shlex.quote(found)} ;;
    login*)
        mkdir -p {keep}
        cp -R "$DOCKER_CONFIG/." {keep}
        cat >{keep}/password
        echo "$DOCKER_CONTEXT" >{keep}/context
        {answers.get("login", ":")} ;;
    push*) {answers.get("push", ":")} ;;
    pull*) {answers.get("pull", ":")} ;;
    esac"""


def _aws(answers: dict[str, str]) -> str:
    return f"""case "$1 $2" in
    "configure get") {answers.get("region", "exit 1")} ;;
    "sts get-caller-identity") {answers.get("caller", "echo 123456789012")} ;;
    "ecr get-authorization-token") {answers.get("token", f"echo https://{REGISTRY}")} ;;
    "ecr describe-repositories") {answers.get("describe", "echo MUTABLE")} ;;
    "ecr create-repository") {answers.get("create", ":")} ;;
    "ecr get-login-password") {answers.get("get_login", "echo a-password")} ;;
    esac"""


def _curl(docker: Fake, answers: dict[str, str]) -> str:
    """Return `taken` until an image was pushed, then `manifest`."""
    manifest = answers.get("manifest", f"200 {DOCKER_MANIFEST}")
    calls = shlex.quote(f"{docker.path}.calls")
    return f"""while [[ $# -gt 0 ]]; do
        [[ $1 != --output ]] || headers=$2
        shift
    done
    [[ '{manifest}' == 000* ]] || printf 'docker-content-digest: {DIGEST}\\r\\n' >"$headers"
    if grep -q $'push\\037' {calls}; then
        printf '%s' '{manifest}'
    else
        printf '%s' '{answers.get("taken", manifest)}'
    fi
    [[ '{manifest}' != 000* ]] || {{ echo 'curl: (6) no such host' >&2; exit 6; }}"""


def sentence(ended: ScriptResult, code: int) -> str:
    """Return the only sentence of a script that exited with this code and printed no URI."""
    said = ended.err.replace(NO_COMMIT, "")
    assert (ended.code, ended.out) == (code, ""), ended.err
    assert re.fullmatch(r"build_and_push: [^\n]+; [^\n]+\.\n", said), said
    return said
