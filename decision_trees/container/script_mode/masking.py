"""Masking of secrets before they are logged: by the name of a value, and by its shape."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

MASK = "******"

_ANYWHERE = re.compile(
    r"SECRET|TOKEN(?!I[SZ])|PASSWORD|PASSWD|PASSPHRASE|PASSCODE|CREDENTIAL|API_?KEY|ACCESS_?KEY"
    r"|PRIVATE_?KEY|SSH_?KEY|SSHPASS|PGPASS|CONNECTION_?STRING|CONN_?STR"
    r"|(?:DB|SQL|USER|ROOT|ADMIN|SMTP|FTP|LDAP|REDIS)(?:PASS|PWD|PW)(?![A-Z])"
    r"|^AWS_(?!REGION$|DEFAULT_REGION$)",
    re.IGNORECASE,
)
_WORDS = re.compile(
    r"(?<![A-Z0-9])(PASS|PWD|PW|PAT|AUTH|OAUTH2?|AUTHORIZATION|BEARER|JWT|CREDS?|SIG|SIGNATURE|SAS"
    r"|DSN|COOKIES?|OTP|TOTP|PIN|HMAC|WEBHOOK)(?![A-Z])|(?<=[A-Z0-9]_)KEYS?(?![A-Z])"
)
_NO_SECRETS = frozenset({"PWD", "OLDPWD"})
"""Variables of every shell: the working directory; in a text such as `UID=a;PWD=b`, a secret."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # JSON web token
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\b(?:gh[opsur]_|github_pat_|glpat-|hf_|npm_|pypi-|dop_v1_|xox[a-z]-|ya29\.|AIza)[\w-]{16,}"
    r"|\b(?:sk|pk|rk)[-_][\w-]{16,}"
    r"|(?:(?<=-u )|(?<=--user ))[^\s:]+:\S+"
    r"|(?<=hooks\.slack\.com/services/)[\w/]+",
    re.DOTALL,
)
_ADDRESS = re.compile(r"://([^\s\"]+)")
_AUTHORITY = re.compile(r"[^/?#]*[:@]")
_USER_WITHOUT_SCHEME = re.compile(r"(?<![\w/.:-])[\w.+-]+:[^\s@/:\"']+@(?!sha256:)(?=[\w-]+[.:/])")

_NAME = re.compile(r"(?<![\w.-])([\w.-]+)(?:[\"']?\s*[=:]\s*|\s+(?!-))")
"""Beginning of `NAME=VALUE`, `NAME: VALUE`, or `--NAME VALUE`."""

_VALUE = re.compile(r"\"[^\"]*\"?|'[^']*'?|[^\s&;,\"'}\])]+")


def is_secret(name: str) -> bool:
    """Return whether a variable or hyperparameter of this name may be a credential."""
    words = _HUMP.sub("_", name.removeprefix("SM_HP_")).replace("-", "_").replace(".", "_")
    if words in _NO_SECRETS:
        return False
    return bool(_ANYWHERE.search(words) or _WORDS.search(words.upper()))


def masked(value: Any) -> Any:
    """Mask the secrets in a JSON value, and in texts that are JSON, addresses or assignments."""
    match value:
        case Mapping():
            return {name: MASK if is_secret(name) else masked(item) for name, item in value.items()}
        case list():
            return [masked(item) for item in value]
        case str():
            return _masked_text(value)
        case _:
            return value


def _masked_text(text: str) -> str:
    if text.lstrip().startswith(("{", "[", '"')):
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            return text if masked(found) == found else json.dumps(masked(found))
    text = _SHAPES.sub(MASK, text)
    text = _ADDRESS.sub(_masked_address, text)
    return _masked_assignments(_USER_WITHOUT_SCHEME.sub(f"{MASK}@", text))


def _masked_address(found: re.Match[str]) -> str:
    """Mask the user, whose password may contain a slash or an at sign."""
    _, at, rest = found[1].rpartition("@")
    return f"://{MASK}@{rest}" if at and _AUTHORITY.match(found[1]) else found[0]


def _masked_assignments(text: str) -> str:
    parts, end = [], 0
    for found in _NAME.finditer(text):
        if found.start() >= end and _names_secret(found):
            value = _VALUE.match(text, found.end())
            if value:
                parts += [text[end : found.end()], MASK]
                end = value.end()
    return "".join([*parts, text[end:]])


def _names_secret(found: re.Match[str]) -> bool:
    name, before = found[1], found.string[max(found.start() - 1, 0) : found.start()]
    is_given = name.startswith("--") or not found[0][len(name) :].isspace()
    in_query = name == "key" and before in ("?", "&")
    return is_given and (is_secret(name) or name in _NO_SECRETS or in_query)
