"""Class labels that are refused, and first rows that labels show to be headers."""

import numpy as np
import pytest

from container.data.columns import HEADER_REMEDY, HeaderGuess
from container.data.labels import ClassLabels
from container.data.readers.text.csv_header import check_guesses
from container.formats.cells import CellError

WRITE_THE_SAME = "write each label the same in every row"


def classes_of(*batches: list[str], are_text: bool = False) -> ClassLabels:
    """Return the class labels of some batches."""
    classes = ClassLabels()
    for labels in batches:
        classes.add(labels, are_text)
    return classes


def refusal_of(*batches: list[str], are_text: bool = False) -> tuple[str, str]:
    """Return the error and the remedy for labels that are refused."""
    with pytest.raises(CellError) as caught:
        classes_of(*batches, are_text=are_text).labels()
    return str(caught.value), caught.value.remedy


@pytest.mark.parametrize(
    ("first", "second"),
    [("1", "1.0"), ("0", "-0"), ("1e2", "100"), ("1", "01"), ("1" * 20, "1" * 20 + ".0")],
)
@pytest.mark.parametrize("third", ["7", "x"])
def test_labels_that_are_one_number_in_two_spellings_are_refused(
    first: str, second: str, third: str
) -> None:
    """Two spellings of one number would become two classes."""
    assert refusal_of([first, third], [second]) == (
        f"the labels {first!r} and {second!r} are one number written in two ways",
        WRITE_THE_SAME,
    )


@pytest.mark.parametrize("are_text", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("caf\u00e9", "cafe\u0301", r"'caf\xe9' and 'cafe\u0301'"),
        ("a\u00a0", "a", r"'a\xa0' and 'a'"),
        ("a ", "a", "'a ' and 'a'"),
    ],
)
def test_labels_that_look_alike_are_refused(
    first: str, second: str, found: str, are_text: bool
) -> None:
    """Labels that differ only invisibly are refused, with their escaped characters."""
    assert refusal_of([first, "b"], [second], are_text=are_text) == (
        f"the labels {found} look alike",
        WRITE_THE_SAME,
    )


@pytest.mark.parametrize("first", [-2, 1000])
def test_labels_that_count_up_are_an_index(first: int) -> None:
    """Distinct labels that count up by one are the index of the rows."""
    labels = [str(first + row) for row in range(4)]

    assert refusal_of(labels[:1], labels[1:]) == (
        f"every row has its own label, from {labels[0]} to {labels[-1]}, as in an index",
        "remove that column, or set the hyperparameter label to another one",
    )


@pytest.mark.parametrize(
    "labels", [[0, 1, 2], [0, 1, 2, 4], [3, 2, 1, 0], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3]]
)
def test_other_labels_are_not_an_index(labels: list[int]) -> None:
    """Fewer than four rows, repeated labels and other steps are accepted."""
    found = classes_of([str(label) for label in labels]).labels()

    assert found.tolist() == list(dict.fromkeys(labels))


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        *((f"a{c}", "control") for c in "\0\x01\x08\x0b\x0c\x0e\x1f\ufeff"),
        ("\ufeffa", "control"),
        ("\u00ef\u00bb\u00bfa", "control"),
        *((word, "missing") for word in ("nan", "NaN", "NA", "N/A", "null", "None", " na ")),
    ],
)
def test_label_with_stray_characters_or_without_value_is_refused(label: str, problem: str) -> None:
    """Control characters, byte-order marks and words for missing values are refused."""
    problems = {
        "control": (f"the label {label!r} has a control character or a byte-order mark", ""),
        "missing": (
            f"the label {label!r} stands for a missing value",
            "a class named NA, None or null must be written as another text",
        ),
    }

    assert refusal_of(["a", "b"], ["b", label], are_text=True) == problems[problem]


@pytest.mark.parametrize("label", ["a\tb", "a\nb", "a \u00ef\u00bb\u00bf", "nano", "-", "?"])
def test_label_with_unusual_characters_is_kept(label: str) -> None:
    """Tabs, line breaks and characters that resemble a byte-order mark are kept."""
    assert classes_of([label, "b"]).labels().tolist() == [label, "b"]


@pytest.mark.parametrize(
    ("known", "label"), [([1, 2], "1.0"), ([1, 2], "3"), (["a", "b"], "A"), ([0.5, 1.0], "1")]
)
def test_label_without_training_rows_is_refused(known: list[object], label: str) -> None:
    """The message names the label and counts its rows."""
    with pytest.raises(CellError) as caught:
        classes_of([str(known[0]), label], [label]).labels_like(np.array(known))

    assert str(caught.value) == f"the label {label!r} (2 rows) is not in the training data"
    assert caught.value.remedy == "correct it, or remove those rows"


@pytest.mark.parametrize(
    ("labels", "guesses"),
    [
        (["a", "b", "a", "b"], []),
        (["a", "b"], [HeaderGuess("species", is_header=True)]),
        (["a", "b"], [HeaderGuess("species", is_header=True)] * 2),
        (["a", "b", "a", "b"], [HeaderGuess("a", is_header=False)]),
        (["a", "b", "c", "c"], [HeaderGuess("a", is_header=False)]),
        (["a", "a"], [HeaderGuess("a", is_header=False)]),
        (
            ["a", "b", "a", "b"],
            [HeaderGuess("a", is_header=False), HeaderGuess("b", is_header=False)],
        ),
        (["x1", "1", "b", "1"], [HeaderGuess("x1", is_header=False)]),
        (["7", "1", "1", "2"], [HeaderGuess("7", is_header=False)]),
        (["7", "1", "b"], [HeaderGuess("7", is_header=False)]),
    ],
)
def test_guesses_that_fit_the_labels_are_kept(
    labels: list[str], guesses: list[HeaderGuess]
) -> None:
    """A header whose label is no class, and data whose label recurs, are accepted."""
    classes = classes_of(labels)

    check_guesses(guesses, classes)

    assert [str(label) for label in classes.labels()] == list(dict.fromkeys(labels))


@pytest.mark.parametrize("n_files", [1, 3])
def test_header_whose_label_recurs_is_refused(n_files: int) -> None:
    """A row read as a header may be data if other rows have its label."""
    with pytest.raises(CellError) as caught:
        check_guesses([HeaderGuess("a", is_header=True)] * n_files, classes_of(["a", "b"], ["a"]))

    assert str(caught.value) == (
        "the first row was read as a header, but 'a' in it is also the label of other rows"
    )
    assert caught.value.remedy == HEADER_REMEDY


@pytest.mark.parametrize("n_files", [1, 3])
@pytest.mark.parametrize(
    ("first", "others"),
    [
        ("species", ["0", "1", "2"]),
        ("species", ["a", "b", "b", "a"]),
        ("species", ["0.5"]),
        ("0", ["a", "b"]),
    ],
)
def test_data_whose_label_stands_out_is_refused(
    n_files: int, first: str, others: list[str]
) -> None:
    """A first label is a name if it is text above numbers, a number above text, or unique."""
    batches = [[first, *others]] * n_files

    with pytest.raises(CellError) as caught:
        check_guesses([HeaderGuess(first, is_header=False)] * n_files, classes_of(*batches))

    assert str(caught.value) == (
        f"the first row may be a header: no other row has its label {first!r}"
    )
    assert caught.value.remedy == HEADER_REMEDY
