"""onnxruntime, and how it is to compute.

Its import starts no thread, so that it may come before a fork, whose children share its pages.
"""

import os
from pathlib import Path

# Since 1.29 onnxruntime reports its use to its maker, by a thread, which no fork would outlive,
# unless this is set before it is imported. https://github.com/microsoft/onnxruntime/pull/27379
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # noqa: TID251 - here no import can forget it

from onnxruntime import InferenceSession, SessionOptions

_ERRORS = 3  # onnxruntime warns of the optional input of artifacts that earlier versions wrote


def of_graph(graph: bytes | Path, threads: int) -> InferenceSession:
    """Make a session for `graph`, an ONNX model, that computes with `threads` threads.

    Of a file onnxruntime makes one copy less in memory, and is ready sooner.
    With more than one, make it after a fork: a child would miss all threads but the first.
    """
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    options.enable_cpu_mem_arena = False  # it would keep what the largest body has taken
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
