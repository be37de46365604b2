"""Algorithms of examples/algorithms/ in images, one image per example.

By default only one is tested here; tests/contract/ runs all of them as processes.
"""

import uuid
from collections.abc import Iterator, Mapping

import pytest

from container.errors import UserError
from support.containers import Engine, run
from support.example_algorithms import EXAMPLES, Example, check_trained
from support.material import OptMl, soak_only

Images = Mapping[str, str]

pytestmark = pytest.mark.docker


@pytest.fixture(
    scope="module",
    params=[EXAMPLES[0], *map(soak_only, EXAMPLES[1:])],
    ids=lambda example: example.name,
)
def example(request: pytest.FixtureRequest) -> Example:
    """Each of the examples."""
    found: Example = request.param
    return found


@pytest.fixture(scope="module")
def image(
    images: Images, example: Example, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """An image with the files of the example instead of the built-in algorithm."""
    directory = tmp_path_factory.mktemp(example.name)
    names = [file.name for file in example.files]
    for file in example.files:
        (directory / file.name).write_bytes(file.read_bytes())
    dockerfile = f"FROM {images['full']}\nCOPY {' '.join(names)} /opt/program/\n"
    (directory / "Dockerfile").write_text(dockerfile)
    name = f"example-{uuid.uuid4().hex}"
    run("docker", "build", "--quiet", "--tag", name, directory)
    yield name
    run("docker", "rmi", "--force", name)


@pytest.fixture(scope="module")
def trained(image: str, example: Example, tmp_path_factory: pytest.TempPathFactory) -> OptMl:
    """An /opt/ml directory with the result of the example's training job in the image."""
    opt_ml = OptMl(tmp_path_factory.mktemp(f"{example.name}-job") / "ml")
    example.write_job(opt_ml)
    engine = Engine()
    try:
        ended = engine.train(image, opt_ml)
    finally:
        engine.remove_all()
    assert ended.code == 0, ended.log
    check_trained(example, opt_ml, ended.log)
    return opt_ml


def test_example_image_serves_its_model(
    engine: Engine, image: str, example: Example, trained: OptMl
) -> None:
    """The predictions in CSV and JSON equal those of the model that `fit` returned."""
    container = engine.serve(image, trained.model)
    container.await_ready()

    example.check_answers(container)


def test_example_without_a_predictor_is_served_by_the_inference_image(
    engine: Engine, images: Images, example: Example, trained: OptMl
) -> None:
    """An ONNX artifact does not need its algorithm; the inference image serves it unchanged."""
    if any(file.name == "predictor.py" for file in example.files):
        return
    container = engine.serve(images["inference"], trained.model)
    container.await_ready()

    example.check_answers(container)


def test_example_image_rejects_wrong_hyperparameters(
    engine: Engine, image: str, example: Example, opt_ml: OptMl
) -> None:
    """The failure file names the wrong value, and no model is written."""
    example.write_job(opt_ml, **example.wrong)

    ended = engine.train(image, opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert opt_ml.failure.read_text(encoding="utf-8") == example.refusal
    assert not opt_ml.model.exists()


def test_example_image_rejects_bad_data(engine: Engine, image: str, opt_ml: OptMl) -> None:
    """The failure file contains the invalid cell."""
    opt_ml.write("rows.csv", "1,2.5,3\n2,oops,4\n1,3.5,5\n")

    ended = engine.train(image, opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert "oops" in opt_ml.failure.read_text(encoding="utf-8")


@pytest.mark.parametrize("argument", ["--help", "--schema"])
def test_example_image_describes_its_hyperparameters(
    engine: Engine, image: str, example: Example, argument: str
) -> None:
    """`docker run IMAGE train --help` prints the hyperparameters of the example."""
    ended = engine.start(image, ["train", argument]).ended()

    assert ended.code == 0, ended.log
    assert all(name in ended.log for name in example.given)


def test_example_image_passes_the_selftest(engine: Engine, image: str, example: Example) -> None:
    """The selftest passes in the image of the example."""
    ended = engine.start(image, ["selftest"]).ended()

    assert ended.code == 0, ended.log
    assert "by default classification\n" in ended.log
