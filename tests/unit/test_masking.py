"""What of a job may be logged."""

from typing import Any

import pytest

from container.script_mode.masking import is_secret, masked


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", True),
        ("SM_HP_API-KEY", True),
        ("db_password", True),
        ("HfToken", True),
        ("PRIVATE_KEY", True),
        ("AWS_REGION", False),
        ("AWS_DEFAULT_REGION", False),
        ("SM_HPS", False),
        ("key", False),
    ],
)
def test_name_tells_what_is_secret(name: str, expected: bool) -> None:
    """Words for credentials count in any case, and all that AWS sets but the region."""
    assert is_secret(name) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (None, None),
        ("plain", "plain"),
        ({"token": {"a": 1}, "depth": 3}, {"token": "******", "depth": 3}),
        ([{"Password": "x"}], [{"Password": "******"}]),
        ("https://me:word@host/x", "https://******@host/x"),
        (
            "--index-url http://t@host --extra s3://b/k",
            "--index-url http://******@host --extra s3://b/k",
        ),
        ("a@b.example", "a@b.example"),
    ],
)
def test_value_loses_its_secrets(value: Any, expected: Any) -> None:
    """At any depth, what is named like a secret goes, and the user in an address."""
    assert masked(value) == expected
