"""Create onnxruntime sessions.

Importing this module starts no thread, so it can be imported before a fork; children share its
pages.
"""

import os
from pathlib import Path

# Since 1.29 onnxruntime sends telemetry from a thread, which does not survive a fork, unless this
# is set before the import. https://github.com/microsoft/onnxruntime/pull/27379
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # noqa: TID251 - must precede the import

from onnxruntime import InferenceSession, SessionOptions

_ERRORS = 3  # onnxruntime warns of the optional input of artifacts that earlier versions wrote


def of_graph(graph: bytes | Path, threads: int) -> InferenceSession:
    """Return a session for `graph`, an ONNX model or its file, with `threads` threads.

    A file is loaded faster than bytes, with one copy less in memory.
    Create a session with several threads after a fork: a child has only the first thread.
    """
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    options.enable_cpu_mem_arena = False  # it would keep the memory of the largest request
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])
