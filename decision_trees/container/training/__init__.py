"""Training jobs. Everything that algorithm.py needs is imported from here.

`Table`, `Dataset`: training rows. `InputOptions`, `NOT_TUNABLE`, `expected`: declaration of
hyperparameters. `HyperparameterError`, `TrainingDataError`: mistakes that the owner of the job can
correct; their text is the failure of the job.
"""

from container.data.dataset import Dataset
from container.data.table import Table
from container.errors import HyperparameterError, TrainingDataError
from container.hyperparameters.input_options import NOT_TUNABLE, InputOptions, expected

__all__ = [
    "NOT_TUNABLE",
    "Dataset",
    "HyperparameterError",
    "InputOptions",
    "Table",
    "TrainingDataError",
    "expected",
]
