"""Checks of build_and_push.sh IMAGE before it builds, with fake docker, aws and curl."""

from pathlib import Path

import pytest

from support.aws.fake_ecr import DIGEST, MISSING, REGISTRY, URI, FakeEcr, sentence
from support.clones import Clone

UNAVAILABLE = 69


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["Decision-Trees"], "'Decision-Trees' is not a valid repository name"),
        (["decision-trees:v1"], "--tag for a tag"),
        (["decision-trees", "--tag", "a b"], "'a b' is not a valid tag"),
        (["decision-trees", "--tag", "-v1"], "'-v1' is not a valid tag"),
        (["decision-trees", "--platform", "windows/amd64"], "does not run windows/amd64"),
    ],
)
def test_push_rejects_names_that_ecr_rejects(
    tmp_path: Path, arguments: list[str], found: str
) -> None:
    """A wrong name results in exit code 2, a message and the usage, without any request."""
    ecr = FakeEcr(tmp_path)

    ended = Clone(tmp_path).run("build_and_push.sh", *arguments, fakes=[ecr.docker])

    said, usage = ended.err.split("\n", 1)
    assert ended.code == 2
    assert found in said
    assert usage.startswith("usage: ")
    assert ecr.aws.calls() + ecr.docker.calls() == []


@pytest.mark.parametrize("program", ["aws", "curl"])
def test_push_reports_a_missing_program(tmp_path: Path, program: str) -> None:
    """Without the AWS CLI or curl, the message says which is missing."""
    ecr = FakeEcr(tmp_path)
    (ecr.docker.directory / program).unlink()
    clone = Clone(tmp_path)
    (clone.tools / "curl").unlink()

    ended = ecr.push(clone)

    assert f"{program} is not on PATH" in sentence(ended, UNAVAILABLE)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (
            {"caller": "printf '\\nUnable to locate credentials.\\n\\n' >&2; exit 253"},
            "(Unable to locate credentials.); log in (aws sso login",
        ),
        (
            {"token": "echo 'Could not connect to the endpoint URL' >&2; exit 255"},
            "(Could not connect to the endpoint URL); check the region",
        ),
        ({"info": "exit 1"}, "no Docker engine answers"),
        (
            {"describe": "echo 'AccessDeniedException' >&2; exit 254"},
            "(AccessDeniedException); check the permission ecr:DescribeRepositories",
        ),
    ],
)
def test_push_reports_failures_before_anything_changes(
    tmp_path: Path, answers: dict[str, str], found: str
) -> None:
    """Each check has one message, with the reason of AWS and a remedy, and nothing is changed."""
    ecr = FakeEcr(tmp_path, **answers)

    ended = ecr.push(Clone(tmp_path))

    assert found in sentence(ended, UNAVAILABLE)
    assert ecr.changes() == []


def test_push_reports_a_rejected_password(tmp_path: Path) -> None:
    """The message contains the reason of the registry, and nothing is built."""
    ecr = FakeEcr(tmp_path, login="echo 'no basic auth credentials' >&2; exit 1")

    ended = ecr.push(Clone(tmp_path))

    assert f"{REGISTRY} (no basic auth credentials)" in sentence(ended, UNAVAILABLE)
    assert [call[0] for call in ecr.changes()] == ["login"]


def test_push_reports_a_missing_password(tmp_path: Path) -> None:
    """The message contains the reason of ECR, and nothing is built."""
    ecr = FakeEcr(tmp_path, get_login="echo AccessDenied >&2; exit 254")

    ended = ecr.push(Clone(tmp_path))

    assert "(AccessDenied)" in sentence(ended, UNAVAILABLE)
    assert ecr.changes() == []


@pytest.mark.parametrize(
    ("arguments", "variables", "region"),
    [
        (["--region", "cn-north-1"], {}, "cn-north-1"),
        ([], {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}, "eu-west-1"),
        ([], {"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, "us-east-1"),
        ([], {"AWS_REGION": ""}, "ap-south-1"),
    ],
)
def test_push_sends_all_requests_to_one_region(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], region: str
) -> None:
    """--region precedes AWS_REGION, AWS_DEFAULT_REGION and the AWS CLI's own configuration."""
    ecr = FakeEcr(tmp_path, region="echo ap-south-1", describe=MISSING)

    ended = ecr.push(Clone(tmp_path), *arguments, **variables)

    calls = [call for call in ecr.aws.calls() if call[0] != "configure"]
    assert ended.code == 0, ended.err
    assert len(calls) == 5
    assert {call[call.index("--region") + 1] for call in calls} == {region}


def test_push_reports_a_missing_region(tmp_path: Path) -> None:
    """Without a region no request is sent."""
    ecr = FakeEcr(tmp_path)

    ended = ecr.push(Clone(tmp_path), AWS_REGION="")

    assert "no AWS region is set; give --region" in sentence(ended, UNAVAILABLE)


def test_push_uses_the_registry_domain_of_ecr(tmp_path: Path) -> None:
    """In China the registry has another domain, which ECR returns."""
    registry = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
    ecr = FakeEcr(tmp_path, token=f"echo https://{registry}")

    ended = ecr.push(Clone(tmp_path), "--region", "cn-north-1")

    assert ended.out == f"{registry}/decision-trees@{DIGEST}\n"
    assert ecr.docker.call("login")[-1] == registry
    assert ecr.pushed() == [f"{registry}/decision-trees:latest"]


def test_push_stops_when_the_repository_cannot_be_created(tmp_path: Path) -> None:
    """The reason of AWS is printed above the message, and nothing is built."""
    ecr = FakeEcr(tmp_path, describe=MISSING, create="echo denied >&2; exit 254")

    ended = ecr.push(Clone(tmp_path))

    assert ended.code == UNAVAILABLE
    assert "\ndenied\nbuild_and_push: the repository " in ended.err
    assert "ecr:CreateRepository" in ended.err
    assert [call for call in ecr.docker.calls() if call[:2] == ["buildx", "build"]] == []


def test_push_rejects_an_existing_tag_of_an_immutable_repository(tmp_path: Path) -> None:
    """It is reported before the build, which would be useless."""
    ecr = FakeEcr(tmp_path, describe="echo IMMUTABLE")

    ended = ecr.push(Clone(tmp_path), "--tag", "v1")

    assert f"the tag {URI}:v1 cannot be pushed" in sentence(ended, UNAVAILABLE)
    assert [call[0] for call in ecr.changes()] == ["login"]


def test_push_rejects_immutable_tags_for_a_mutable_repository(tmp_path: Path) -> None:
    """The existing repository is not changed; the message names the command that changes it."""
    ecr = FakeEcr(tmp_path)

    ended = ecr.push(Clone(tmp_path), "--immutable")

    assert "put-image-tag-mutability" in sentence(ended, UNAVAILABLE)
    assert ecr.changes() == []


def test_push_needs_a_tag_for_an_immutable_repository(tmp_path: Path) -> None:
    """Without git and --tag there is no tag."""
    ecr = FakeEcr(tmp_path, describe=MISSING)

    ended = ecr.push(Clone(tmp_path), "--immutable")

    assert "give --tag" in sentence(ended, UNAVAILABLE)
    assert ecr.changes() == []
