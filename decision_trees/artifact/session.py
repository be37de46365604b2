"""Create onnxruntime sessions.

Importing this module starts no thread, so it can be imported before a fork; children share its
pages.
"""

import os

# Since 1.29 onnxruntime sends telemetry from a thread, which does not survive a fork, unless this
# is set before the import. https://github.com/microsoft/onnxruntime/pull/27379
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # noqa: TID251 - must precede the import

from onnxruntime import InferenceSession, SessionOptions

_FATAL = 4  # an error raises an exception with the same text


def of_graph(graph: bytes, threads: int) -> InferenceSession:
    """Return a session for `graph`, an ONNX model, with `threads` threads.

    Create a session with several threads after a fork: a child has only the first thread.
    """
    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL
    options.enable_cpu_mem_arena = False  # it would keep the memory of the largest request
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    # A fallback would print to the standard output, and try the same provider again.
    return InferenceSession(graph, options, providers, enable_fallback=0)
