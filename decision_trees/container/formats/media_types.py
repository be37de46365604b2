"""Media: what bodies are called, and what a reply may tell; the one home of these names."""

import struct

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
RECORDIO = "application/x-recordio-protobuf"

REPLIES = (CSV, JSON, JSON_LINES, NPY, RECORDIO)
"""What a reply can be, by preference of ours; written without parameters.

Data capture compares the type that it is given with the type of the reply, to the letter.
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
"""What can be told of a row."""

UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""The charsets, in lower case, in which text is read."""

RECORDIO_MAGIC = struct.pack("<I", 0xCED7230A)
"""With this each frame of RecordIO begins."""
