"""Masking of secrets in variables and hyperparameters before they are logged."""

import re
from collections.abc import Mapping
from typing import Any

MASK = "******"

_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY"
    r"|^AWS_(?!REGION$|DEFAULT_REGION$)",
    re.IGNORECASE,
)
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s\"]+@")


def is_secret(name: str) -> bool:
    """Return whether a variable or hyperparameter of this name may be a credential."""
    return _SECRET.search(name.replace("-", "_")) is not None


def masked(value: Any) -> Any:
    """Mask the secrets in a JSON value: values with a secret's name, and users in addresses."""
    match value:
        case Mapping():
            return {name: MASK if is_secret(name) else masked(item) for name, item in value.items()}
        case list():
            return [masked(item) for item in value]
        case str():
            return _USER_IN_ADDRESS.sub(f"{MASK}@", value)
        case _:
            return value
