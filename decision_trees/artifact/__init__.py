"""The artifact in /opt/ml/model: ONNX, a JSON record and the nodes of a tree as arrays; no pickle.

`save` writes the artifact of a fitted estimator, `Naming` says how requests may name its features.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from artifact.export import Naming, save

__all__ = ["Naming", "save"]


def __getattr__(name: str) -> Any:
    """Import `save` and `Naming` on first use: serving does not need them, and they load onnx."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from artifact import export

    return getattr(export, name)
