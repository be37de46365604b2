"""Master process of gunicorn: loads what all workers share, then forks them.

The model is loaded in a thread while everything else is imported. No thread survives a fork, so
code that starts threads, as a model of your own may do, must run when a worker makes its app.
Modules that wsgi.py imports are imported before the fork.
"""

import gc
from contextlib import nullcontext, suppress

from artifact import model
from container.resources import give_memory_back
from container.settings import Settings


def main() -> None:
    """Entry point with the command line of gunicorn.

    Each worker reports why wsgi.py cannot be imported, and exits, so that is no error here.

    Source: https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.disable()
    settings = Settings.from_environ()
    preloading = model.preloading(settings.paths.model, settings.threads)
    with nullcontext() if settings.has_program else preloading:
        from gunicorn.app import wsgiapp

        from container.serving import gunicorn_conf  # noqa: F401 - gunicorn imports it by its name

        with suppress(Exception):
            import wsgi  # noqa: F401 - the same
    give_memory_back()
    gc.freeze()
    gc.enable()
    wsgiapp.run(prog="gunicorn")


if __name__ == "__main__":
    main()
