"""What every algorithm can be told of its input, whatever it learns: the options of a table."""

from dataclasses import dataclass

from container.errors import HyperparameterError
from container.hyperparameters.loader import hyperparameter
from container.value_types import Choice, Column, Null, Number


@dataclass(frozen=True)
class InputOptions:
    """How the files of a job are read; the hyperparameters of an algorithm begin with these."""

    task: str = hyperparameter(
        Choice("classification", "regression"),
        default="classification",
        doc="What is learnt: classes, or numbers.",
        tunable=False,
    )
    header: str = hyperparameter(
        Choice("auto", "present", "absent"),
        default="auto",
        doc="Whether the first row of a CSV file holds the names of the columns.",
        tunable=False,
    )
    label: str | None = hyperparameter(
        Null(),
        Column(),
        default=None,
        doc="The column to predict: its name, or its index from 0 (-1 is the last); None means "
        "the first.",
        tunable=False,
    )
    weight: str | None = hyperparameter(
        Null(),
        Column(),
        default=None,
        doc="The column with the weights of the rows, if any.",
        tunable=False,
    )
    delimiter: str = hyperparameter(
        Choice("auto", ",", ";", "|", "tab"),
        default="auto",
        doc="What stands between the cells of a text file.",
        tunable=False,
    )
    validation_fraction: float = hyperparameter(
        Number(0, 0.9),
        default=0.0,
        doc="Part of the training rows to set aside for validation.",
        tunable=False,
    )
    hosts_seconds: float = hyperparameter(
        Number(1, 86_400),
        default=300.0,
        doc="How long the hosts of a job wait for each other at the start.",
        tunable=False,
    )

    @property
    def labels_are_numbers(self) -> bool:
        """Whether labels are quantities, not classes."""
        return self.task == "regression"

    def refuse_columns(self, format_name: str) -> None:
        """Refuse the name of a column, for a format in which a row itself says what its label is.

        Raises:
            HyperparameterError: `label` or `weight` is given.
        """
        for role, name in (("label", self.label), ("weight", self.weight)):
            if name is not None:
                raise HyperparameterError(
                    f"The hyperparameter {role!r} is {name!r}, but in {format_name} each row holds "
                    f"its label and columns have no names; leave {role!r} unset."
                )
