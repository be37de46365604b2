"""Protobuf messages of RecordIO-protobuf: `aialgs.data.Record` and its parts.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "aialgs.data"
_Field = descriptor_pb2.FieldDescriptorProto
_TENSORS = {
    "Float32Tensor": _Field.TYPE_FLOAT,
    "Float64Tensor": _Field.TYPE_DOUBLE,
    "Int32Tensor": _Field.TYPE_INT32,
}
_VALUES = {
    "float32_tensor": ("Float32Tensor", 2),
    "float64_tensor": ("Float64Tensor", 3),
    "int32_tensor": ("Int32Tensor", 7),
    "bytes": ("Bytes", 9),
}


def _file() -> Any:
    """Return the descriptor of all messages, as protoc would generate it."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package=_PACKAGE)
    for name, kind in _TENSORS.items():
        _add_tensor(file.message_type.add(name=name), kind)
    content = file.message_type.add(name="Bytes")
    _add(content, "value", 1, _Field.TYPE_BYTES, repeated=True)
    _add(content, "content_type", 2, _Field.TYPE_STRING)
    value = file.message_type.add(name="Value")
    value.oneof_decl.add(name="value")
    for name, (message, number) in _VALUES.items():
        _add(value, name, number, message).oneof_index = 0
    record = file.message_type.add(name="Record")
    _add_map(record, "features", 1)
    _add_map(record, "label", 2)
    for number, name in enumerate(("uid", "metadata", "configuration"), start=3):
        _add(record, name, number, _Field.TYPE_STRING)
    return file


def _add_tensor(message: Any, kind: int) -> None:
    for number, (name, type_) in enumerate(
        (("values", kind), ("keys", _Field.TYPE_UINT64), ("shape", _Field.TYPE_UINT64)), start=1
    ):
        _add(message, name, number, type_, repeated=True).options.packed = True


def _add_map(message: Any, name: str, number: int) -> None:
    """Add a map from string to Value: on the wire, repeated messages of a key and a value."""
    entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
    entry.options.map_entry = True
    _add(entry, "key", 1, _Field.TYPE_STRING)
    _add(entry, "value", 2, "Value")
    _add(message, name, number, f"Record.{entry.name}", repeated=True)


def _add(message: Any, name: str, number: int, kind: int | str, *, repeated: bool = False) -> Any:
    """Add a field; `kind` is a type, or the name of a message."""
    field = message.field.add(name=name, number=number)
    field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if isinstance(kind, str):
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
    else:
        field.type = kind
    return field


def _message_class(name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()  # the default pool may contain the SDK's own Record
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Record = _message_class("Record")
"""One row: maps `features` and `label` from a key, by convention `values`, to a tensor."""
