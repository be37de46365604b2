"""Every command in README.md and in examples/ is run by a test, or compared with the code."""

import ast
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sdk.examples import options_of
from support.material import ROOT, OptMl
from support.processes import Server
from support.readme import Block, blocks

THIS = "contract/test_readme_commands.py"
AWS = ("From clone to endpoint on AWS", "When one machine is not enough")

# A line of a block that is no Python, and the test that runs it. For a block that shows what a
# program prints it is the first line, and the test that compares.
TESTED_BY = {
    "./local_test/quickstart.sh": (
        "scripts/test_quickstart.py::test_quickstart_predicts_without_an_engine"
    ),
    "quickstart: done. Each row of payload.csv, and its label:": (
        "contract/test_readme.py::test_readme_shows_what_the_quickstart_prints"
    ),
    "./tests/run.sh": f"{THIS}::test_ci_passes_the_tests_by_the_command_of_the_readme",
    "grep -rn '# YOURS:' decision_trees": (
        "contract/test_readme.py::test_readme_finds_every_place_to_edit"
    ),
    "cp examples/algorithms/random_forest/algorithm.py decision_trees/": (
        "scripts/test_quickstart_examples.py::test_quickstart_runs_every_example"
    ),
    "docker run --rm decision-trees selftest": (
        "image/test_selftest_image.py::test_selftest_passes_in_the_image"
    ),
    "ok       programs     /opt/program/serve, /opt/program/train": (
        "contract/test_example_algorithms_readme.py::test_readme_shows_what_the_selftest_says"
    ),
    (
        "$ curl --data-binary '5.1,3.5,1.4,0.2' -H 'Content-Type: text/csv' "
        "localhost:8080/invocations"
    ): f"{THIS}::test_curl_of_the_readme_gets_what_it_shows",
    "./build_and_push.sh decision-trees --region eu-central-1": (
        "image/test_push.py::test_push_brings_to_ecr_an_image_that_trains_and_serves"
    ),
    "./local_test/train_local.sh decision-trees": (
        "scripts/test_train_and_serve_local.py::test_train_local_runs_the_container_as_the_caller"
    ),
    "./local_test/serve_local.sh decision-trees": (
        "scripts/test_train_and_serve_local.py"
        "::test_serve_local_runs_the_container_on_a_read_only_model"
    ),
    "./local_test/predict.sh local_test/payload.csv": (
        "scripts/test_predict.py::test_predict_sends_the_file_as_it_is"
    ),
    "Dockerfile             two images: the default trains and serves, `inference` only serves": (
        "contract/test_readme.py::test_readme_names_only_files_that_exist"
    ),
}
OUTPUTS = ("quickstart: done.", "ok  ", "Dockerfile  ")

# All blocks of a language in a chapter, and their test.
CHAPTERS_TESTED_BY = {
    ("Bring your own algorithm", "python"): (
        "contract/test_example_algorithms_readme.py::test_readme_shows_the_random_forest_as_it_is"
    ),
    ("Training", "python"): (
        "contract/test_readme.py::test_readme_gives_definitions_that_find_each_metric_once"
    ),
    ("Push to ECR", "json"): "contract/test_readme_on_aws.py::test_policies_name_actions_of_aws",
    (AWS[0], "json"): "contract/test_readme_on_aws.py::test_policies_name_actions_of_aws",
    (AWS[0], ""): "contract/test_readme_on_aws.py::test_commands_make_an_endpoint_that_answers",
    (AWS[1], ""): "contract/test_readme_on_aws.py::test_commands_scale_the_endpoint",
}
_REQUESTS = "contract/test_example_requests.py::test_request_is_one_that_aws_takes"
EXAMPLES_TESTED_BY = {
    "sagemaker_sdk.py": "image/test_sdk_v2.py::test_serializers_get_the_labels_of_scikit_learn",
    "model_trainer.py": "image/test_sdk_v3.py::test_model_trainer_runs_source_code_in_the_image",
    "create_training_job.json": _REQUESTS,
    "create_model.json": _REQUESTS,
    "create_endpoint_config.json": _REQUESTS,
    "create_transform_job.json": _REQUESTS,
}


def lines_of(block: Block) -> Iterator[str]:
    """Yield what of a block is in the table: commands without comments, or its first line."""
    lines = [re.sub(r" +# .*", "", line) for line in block.text.splitlines() if line]
    if block.text.startswith(OUTPUTS):
        yield lines[0]
    elif any(line.startswith("$ ") for line in lines):
        yield from (line for line in lines if line.startswith("$ "))
    else:
        yield from lines


def test_every_block_is_tested() -> None:
    """A block in the README has an entry, and an entry has a block."""
    lines, chapters = set(), set()
    for block in blocks():
        if (block.chapter, block.language) in CHAPTERS_TESTED_BY:
            chapters.add((block.chapter, block.language))
        else:
            assert block.language == "", f"no test is named for {block.chapter}: {block.text}"
            lines |= set(lines_of(block))

    assert lines == set(TESTED_BY)
    assert chapters == set(CHAPTERS_TESTED_BY)


def test_every_example_is_tested() -> None:
    """A file in examples/ has an entry, and an entry has a file."""
    assert {path.name for path in (ROOT / "examples").glob("*.*")} == set(EXAMPLES_TESTED_BY)


@pytest.mark.parametrize(
    "test",
    sorted({*TESTED_BY.values(), *CHAPTERS_TESTED_BY.values(), *EXAMPLES_TESTED_BY.values()}),
)
def test_tests_that_the_tables_name_exist(test: str) -> None:
    """Its file has a function of that name."""
    file, name = test.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_ci_passes_the_tests_by_the_command_of_the_readme() -> None:
    """What CI runs is ./tests/run.sh."""
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")

    assert re.search(r"^ +PYTHON=.* \./tests/run\.sh --require-docker --soak$", ci, re.MULTILINE)


def test_curl_of_the_readme_gets_what_it_shows(
    trained: OptMl, serve: Callable[..., Server]
) -> None:
    """The request of the README, at another port, gets the answer that stands below it."""
    (block,) = [block for block in blocks() if block.text.startswith("$ curl")]
    command, shown = block.text.removeprefix("$ ").split("\n", 1)
    server = serve(trained)
    server.await_ready()
    curl, *arguments = shlex.split(command.replace(":8080", f":{server.port}"))

    command_here = [curl, "--silent", "--noproxy", "*", *arguments]
    done = subprocess.run(command_here, check=True, capture_output=True, text=True)

    assert done.stdout == shown


@pytest.mark.parametrize("name", ["sagemaker_sdk.py", "model_trainer.py"])
def test_usage_of_an_example_names_options_that_it_has(name: str) -> None:
    """What its first lines show are options of its parser."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8").split('"""')[1]

    assert set(re.findall(r"--[\w-]+", text)) <= options_of(name)
