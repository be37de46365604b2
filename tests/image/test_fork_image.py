"""Forks in an image made from ours: their files, and no other."""

import uuid
from collections.abc import Iterator, Mapping

import pytest

from container.errors import UserError
from fork.forks import FORKS, Fork, check_trained
from support.containers import Engine, run
from support.material import OptMl

Images = Mapping[str, str]

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module", params=FORKS, ids=lambda fork: fork.name)
def fork(request: pytest.FixtureRequest) -> Fork:
    """Each fork in turn."""
    found: Fork = request.param
    return found


@pytest.fixture(scope="module")
def image(images: Images, fork: Fork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image that has the files of the fork in place of ours."""
    directory = tmp_path_factory.mktemp(fork.name)
    names = [file.name for file in fork.files]
    for file in fork.files:
        (directory / file.name).write_bytes(file.read_bytes())
    dockerfile = f"FROM {images['full']}\nCOPY {' '.join(names)} /opt/program/\n"
    (directory / "Dockerfile").write_text(dockerfile)
    name = f"fork-{uuid.uuid4().hex}"
    run("docker", "build", "--quiet", "--tag", name, directory)
    yield name
    run("docker", "rmi", "--force", name)


@pytest.fixture(scope="module")
def trained(image: str, fork: Fork, tmp_path_factory: pytest.TempPathFactory) -> OptMl:
    """An /opt/ml in which the image has done the job of the fork."""
    opt_ml = OptMl(tmp_path_factory.mktemp(f"{fork.name}-job") / "ml")
    fork.write_job(opt_ml)
    engine = Engine()
    try:
        ended = engine.train(image, opt_ml)
    finally:
        engine.remove_all()
    assert ended.code == 0, ended.log
    check_trained(fork, opt_ml, ended.log)
    return opt_ml


def test_fork_image_serves_what_it_trained(
    engine: Engine, image: str, fork: Fork, trained: OptMl
) -> None:
    """Its answers, in CSV and in JSON, are those of the estimator that `fit` returns."""
    container = engine.serve(image, trained.model)
    container.await_ready()

    fork.check_answers(container)


def test_fork_without_a_predictor_is_served_by_the_inference_image(
    engine: Engine, images: Images, fork: Fork, trained: OptMl
) -> None:
    """An ONNX artifact needs nothing of its fork; the inference image serves it unchanged."""
    if any(file.name == "predictor.py" for file in fork.files):
        return
    container = engine.serve(images["inference"], trained.model)
    container.await_ready()

    fork.check_answers(container)


def test_fork_image_refuses_hyperparameters(
    engine: Engine, image: str, fork: Fork, opt_ml: OptMl
) -> None:
    """The failure file says which value is wrong, and no model is written."""
    fork.write_job(opt_ml, **fork.wrong)

    ended = engine.train(image, opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert opt_ml.failure.read_text(encoding="utf-8") == fork.refusal
    assert not opt_ml.model.exists()


def test_fork_image_tells_of_bad_data(engine: Engine, image: str, opt_ml: OptMl) -> None:
    """The failure file names the cell."""
    opt_ml.write("rows.csv", "1,2.5,3\n2,oops,4\n1,3.5,5\n")

    ended = engine.train(image, opt_ml)

    assert ended.code == UserError.exit_code, ended.log
    assert "oops" in opt_ml.failure.read_text(encoding="utf-8")


@pytest.mark.parametrize("argument", ["--help", "--schema"])
def test_fork_image_tells_of_its_hyperparameters(
    engine: Engine, image: str, fork: Fork, argument: str
) -> None:
    """`docker run IMAGE train --help` has the words of the fork."""
    ended = engine.start(image, ["train", argument]).ended()

    assert ended.code == 0, ended.log
    assert all(name in ended.log for name in fork.given)


def test_fork_image_passes_the_selftest(engine: Engine, image: str, fork: Fork) -> None:
    """Its author runs it in a pipeline of builds."""
    ended = engine.start(image, ["selftest"]).ended()

    assert ended.code == 0, ended.log
    assert f"by default {fork.task}\n" in ended.log
