"""Names of media types and of outputs."""

import struct

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
RECORDIO = "application/x-recordio-protobuf"

REPLIES = (CSV, JSON, JSON_LINES, NPY, RECORDIO)
"""Media types of responses, in the order of preference; written without parameters.

Data capture compares its configured type with the content type of the response literally.
Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CaptureContentTypeHeader.html
"""

PREDICTED_LABEL = "predicted_label"
LABELS = "labels"
PROBABILITY = "probability"
PROBABILITIES = "probabilities"
PREDICTED_SCORE = "predicted_score"

OF_CLASSES = (PREDICTED_LABEL, LABELS, PROBABILITY, PROBABILITIES)
OF_NUMBERS = (PREDICTED_SCORE,)
OUTPUTS = (*OF_CLASSES, *OF_NUMBERS)
"""All outputs of a row."""

UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""Supported charsets of text, in lower case."""

RECORDIO_MAGIC = struct.pack("<I", 0xCED7230A)
"""First bytes of each RecordIO frame."""
