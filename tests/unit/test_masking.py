"""Secrets are masked before a job's configuration is logged."""

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
def test_secrets_are_found_by_name(name: str, expected: bool) -> None:
    """Words for credentials in any case, and every AWS_ variable except the region."""
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
def test_secrets_in_a_value_are_masked(value: Any, expected: Any) -> None:
    """Values with a secret's name are masked at any depth, and so are users in addresses."""
    assert masked(value) == expected
