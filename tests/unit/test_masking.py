"""Secrets are masked before a job's configuration is logged."""

import time
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
        *(
            (name, True)
            for name in ["DB_PASS", "MYSQL_PWD", "GITHUB_PAT", "REDIS_AUTH", "SIGNING_KEY"]
        ),
        *(
            (name, True)
            for name in ["BEARER", "JWT", "SM_HP_DB_PASS", "apiKey", "X-Api-Key", "SENTRY_DSN"]
        ),
        *(
            (name, True)
            for name in ["npm_config__auth", "dbpass", "GH_PAT2", "db.pass", "JWT_1", "COOKIE"]
        ),
        *(
            (name, False)
            for name in ["PWD", "OLDPWD", "PATH", "SM_HP_key", "author", "compass", "passes"]
        ),
        *(
            (name, False)
            for name in ["patience", "tokenizer", "keyboard", "SM_USER_ARGS", "signal"]
        ),
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
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        ("https://me:p@ss/w@host/x", "https://******@host/x"),
        ("redis://:pa/ss@host:6379/0", "redis://******@host:6379/0"),
        ("me:pass@host:5432/db", "******@host:5432/db"),
        ("https://h/x?sig=a%3D&y=1", "https://h/x?sig=******&y=1"),
        ("https://h/x?y=1&key=a", "https://h/x?y=1&key=******"),
        ('{"password": "x", "depth": 3}', '{"password": "******", "depth": 3}'),
        ('{"inner": "{\\"pwd\\": 1}"}', '{"inner": "{\\"pwd\\": \\"******\\"}"}'),
        ('{ "depth":3 }', '{ "depth":3 }'),
        ("{'password': 'a b', 'depth': 3}", "{'password': ******, 'depth': 3}"),
        (
            "Server=h;Password=a;AccountKey=b==;X=1",
            "Server=h;Password=******;AccountKey=******;X=1",
        ),
        ("run --db-pass 'a b' --depth 3", "run --db-pass ****** --depth 3"),
        ("Authorization: Bearer abcdefgh.ij", "Authorization: ****** ******"),
        ("Server=h;PWD=a;X=1", "Server=h;PWD=******;X=1"),
        ("curl -u me:word https://h", "curl -u ****** https://h"),
        ("the token was lost", "the token was lost"),
        ("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.a-_ y", "x ****** y"),
        ("ghp_0123456789abcdef0123 AKIAIOSFODNN7EXAMPLE", "****** ******"),
        ("-----BEGIN PRIVATE KEY-----\na\n-----END PRIVATE KEY----- b", "****** b"),
    ],
)
def test_secrets_in_a_value_are_masked(value: Any, expected: Any) -> None:
    """Values with a secret's name or shape are masked at any depth, and users in addresses."""
    assert masked(value) == expected


@pytest.mark.parametrize("part", ["a", "a:", "://a:", "{", "--x ", 'pwd="', "eyJ"])
def test_long_text_is_masked_in_linear_time(part: str) -> None:
    """A variable has up to 131,071 characters; the square of that would take hours."""
    start = time.process_time()
    masked(part * (130_000 // len(part)))

    assert time.process_time() - start < 5
