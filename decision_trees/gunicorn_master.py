"""gunicorn, which loads what all workers share before it forks them: serving.py starts it.

The model is loaded from the first moment on, beside the import of everything else.
What makes threads, as a model of your own may, belongs into the making of the app: no thread
outlives the fork, and what wsgi.py imports comes before it.
"""

import gc
from contextlib import nullcontext, suppress

from artifact import model
from container.resources import give_memory_back, on_the_heap
from container.settings import Settings


def main() -> None:
    """Be gunicorn's master, with the command line of gunicorn.

    Source: https://docs.python.org/3/library/gc.html#gc.freeze
    """
    gc.disable()
    settings = Settings.from_environ()
    preloading = model.preloading(settings.paths.model, settings.threads)
    with on_the_heap(), nullcontext() if settings.has_program else preloading:
        from gunicorn.app import wsgiapp

        from container.serving import gunicorn_conf  # noqa: F401 - gunicorn asks for it by its name

        with suppress(Exception):  # each worker tells why it cannot be imported, and ends
            import wsgi  # noqa: F401 - the same
    give_memory_back()
    gc.freeze()
    gc.enable()
    wsgiapp.run(prog="gunicorn")


if __name__ == "__main__":
    main()
