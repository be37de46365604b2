"""The log: one line an event, on standard output, where the platform collects it."""

import logging
import sys


def configure() -> None:
    """Send every record of the process to standard output; only entry points call it."""
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
