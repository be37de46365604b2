"""Estimators that skl2onnx converts, such as pipelines; this project converts the trees in them.

skl2onnx is given converters of trees and of ensembles of trees, so that these answer as they do
alone, see `onnx_ensemble`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from artifact.ensembles import onnx_ensemble
from artifact.ensembles.graph_writer import GraphWriter
from artifact.ensembles.onnx_ensemble import SCORE
from artifact.metadata import (
    INPUT,
    LABEL_INDEX,
    PROBABILITIES,
    REASON_CHARACTERS,
    WAY_OUT,
    ArtifactError,
)

_OPSET = 15  # read by onnxruntime 1.10 and every later one
_ML_DOMAIN, _ML_OPSET = "ai.onnx.ml", 5  # the first with TreeEnsemble; skl2onnx refuses it
_IR_VERSION = 10  # of the same release
_INDEX = "index_of_label"
_SCALERS = {
    "StandardScaler": (("Sub", "mean_"), ("Div", "scale_")),
    "MinMaxScaler": (("Mul", "scale_"), ("Add", "min_")),
    "MaxAbsScaler": (("Div", "scale_"),),
    "RobustScaler": (("Sub", "center_"), ("Div", "scale_")),
}
"""What scalers compute: operators of ONNX, and attributes of the scalers."""


def to_model(estimator: Any, n_features: int) -> onnx.ModelProto:
    """Return an estimator as skl2onnx writes it.

    A classifier has the output PROBABILITIES. If its last step is a tree or an ensemble of trees,
    it has the output LABEL_INDEX too, because float32 probabilities do not always decide a label.

    Raises:
        ArtifactError: skl2onnx cannot convert it, or not to a model with one answer a row.
    """
    from skl2onnx import convert_sklearn  # only now: its import is long, and no tree needs it
    from skl2onnx.common.data_types import FloatTensorType

    _register()
    name, is_classifier = type(estimator).__name__, hasattr(estimator, "classes_")
    try:
        model: onnx.ModelProto = convert_sklearn(
            estimator,
            name=name,  # without one, skl2onnx draws a random name
            initial_types=[(INPUT, FloatTensorType([None, n_features]))],
            options={"zipmap": False} if is_classifier else None,
            target_opset=_OPSET,
        )
    except ArtifactError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:REASON_CHARACTERS]
        raise ArtifactError(f"skl2onnx cannot convert {name} ({reason}); {WAY_OUT}") from error
    if not is_classifier and len(model.graph.output) != 1:
        raise ArtifactError(f"{name} is neither a classifier nor a regressor; {WAY_OUT}")
    if is_classifier and onnx_ensemble.is_supported(last_step(estimator)):
        _add_label_index(model.graph)
    if any(node.op_type == "TreeEnsemble" for node in model.graph.node):
        _raise_opset(model)
    return model


def last_step(estimator: Any) -> Any:
    """Return the estimator whose predictions are those of a pipeline, or the estimator itself."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[-1][1]
    return estimator


def _add_label_index(graph: onnx.GraphProto) -> None:
    """Put the output LABEL_INDEX in the place of the label."""
    names = [name for node in graph.node for name in node.output if name.startswith(_INDEX)]
    graph.node.append(helper.make_node("Identity", [names[-1]], [LABEL_INDEX]))
    index = helper.make_tensor_value_info(LABEL_INDEX, TensorProto.INT64, [None])
    graph.output[0].CopyFrom(index)


def _raise_opset(model: onnx.ModelProto) -> None:
    others = [opset for opset in model.opset_import if opset.domain != _ML_DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend([*others, helper.make_opsetid(_ML_DOMAIN, _ML_OPSET)])
    model.ir_version = max(model.ir_version, _IR_VERSION)


@cache
def _register() -> None:
    """Register a converter for each kind of tree and ensemble that skl2onnx knows, once."""
    from skl2onnx import update_registered_converter
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter, get_shape_calculator

    aliases: dict[str, type] = {
        alias: kind
        for kind, alias in sklearn_operator_name_map.items()
        if isinstance(kind, type) and (onnx_ensemble.kind_of(kind) or _is_scaler(kind))
    }  # several kinds have one alias
    for alias, kind in aliases.items():
        replaced, shapes = get_converter(alias), get_shape_calculator(alias)
        options = replaced.get_allowed_options()
        update_registered_converter(kind, alias, shapes, _converter(replaced), options=options)


def _converter(replaced: Callable[..., None]) -> Callable[..., None]:
    """Return a converter that leaves what `onnx_ensemble` does not support to the replaced one."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        estimator = operator.raw_operator
        is_scaler = _is_scaler(type(estimator)) and not getattr(estimator, "clip", False)
        is_ours = is_scaler or onnx_ensemble.is_supported(estimator)
        if not is_ours or len(operator.inputs) > 1 or _is_unusual(estimator, container):
            replaced(scope, operator, container)
            return
        writer = GraphWriter(operator.inputs[0].full_name, scope.get_unique_variable_name("trees"))
        writer.rows = writer.add("Cast", writer.rows, to=TensorProto.FLOAT)
        if is_scaler:
            _add_scaled(operator, writer)
        else:
            _add_outputs(operator, writer, scope.get_unique_variable_name(_INDEX))
        container.nodes.extend(writer.nodes)
        container.initializers.extend(writer.constants)
        container.node_domain_version_pair_sets.add(("", _OPSET))

    return convert


def _is_unusual(estimator: Any, container: Any) -> bool:
    """Return whether more than labels and probabilities, or something else, is asked for."""
    options = container.get_options(estimator, fail=False)
    return any(value for name, value in options.items() if name != "zipmap")


def _is_scaler(kind: type) -> bool:
    return kind.__name__ in _SCALERS and kind.__module__.startswith("sklearn.")


def _add_scaled(operator: Any, writer: GraphWriter) -> None:
    """Add what a scaler computes; thresholds of trees may be as near as its last bit.

    The operator Scaler, which skl2onnx uses, multiplies where scikit-learn divides. scikit-learn
    computes in the type of the scaler's numbers, and rounds the result of each step.
    """
    scaler, scaled = operator.raw_operator, writer.rows
    is_standard = type(scaler).__name__ == "StandardScaler"
    for step, name in _SCALERS[type(scaler).__name__]:
        numbers = getattr(scaler, name)
        if numbers is None or (name == "mean_" and not scaler.with_mean):
            continue
        numbers = np.asarray(numbers, dtype=np.float32 if is_standard else None)
        kind = helper.np_dtype_to_tensor_dtype(numbers.dtype)
        wide = writer.add("Cast", scaled, to=kind)
        scaled = writer.add(step, wide, writer.constant(numbers))
        scaled = writer.add("Cast", scaled, to=TensorProto.FLOAT)
    writer.add("Identity", scaled, named=operator.outputs[0].full_name)


def _add_outputs(operator: Any, writer: GraphWriter, index_name: str) -> None:
    """Add what skl2onnx expects: scores, or labels and probabilities."""
    from skl2onnx.common.data_types import guess_proto_type

    found = onnx_ensemble.write(operator.raw_operator, writer)
    names = [output.full_name for output in operator.outputs]
    kinds = [guess_proto_type(output.type) for output in operator.outputs]
    if SCORE in found:
        writer.add("Cast", found[SCORE], to=kinds[0], named=names[0])
        return
    index = writer.add("Cast", found[LABEL_INDEX], to=TensorProto.INT64, named=index_name)
    labels = np.asarray(operator.raw_operator.classes_)
    is_text = kinds[0] == TensorProto.STRING
    table = writer.constant(labels.astype(object) if is_text else labels.astype(np.int64))
    writer.add("Gather", table, index, named=names[0])
    writer.add("Cast", found[PROBABILITIES], to=kinds[1], named=names[1])
