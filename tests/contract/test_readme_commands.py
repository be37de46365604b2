"""Coverage of README, CONTRIBUTING, docs/ and examples/: a test runs every command."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from support.aws.sdk_examples import options_of
from support.material import ROOT, OptMl
from support.pages import README, Block, blocks, commands
from support.processes import Server

THIS = "contract/test_readme_commands.py"
EXAMPLES = "contract/test_readme_examples.py"
TABLES = "contract/test_readme.py"
ALGORITHM = "contract/test_example_algorithms_readme.py"
EXAMPLE_ALGORITHMS = "scripts/test_quickstart_examples.py"
ON_AWS = "contract/test_readme_on_aws.py"
DEPLOY, PERFORMANCE = "docs/deploy-to-sagemaker.md", "docs/performance.md"

# Lines of blocks without a language, with the tests that run them. For a block with the output of a
# program it is the first line, with the test that compares the output.
LINES_TESTED_BY = {
    "./local_test/quickstart.sh": (
        "scripts/test_quickstart.py::test_quickstart_predicts_without_an_engine"
    ),
    "quickstart: done. Each row of payload.csv, and its label:": (
        f"{TABLES}::test_quickstart_prints_what_is_shown"
    ),
    "./tests/run.sh": f"{THIS}::test_ci_runs_the_documented_command",
    "./local_test/prepare.sh dev": f"{THIS}::test_run_prepares_as_contributing_says",
    ".venv/bin/pytest tests/unit/test_errors.py": f"{THIS}::test_one_test_can_be_run_alone",
    (
        "grep -rlE '^(from|import) (algorithm|trees)|DecisionTree' tests --include='test_*.py'"
    ): f"{THIS}::test_tests_of_the_trees_are_listed",
    "grep -rn '# YOURS:' decision_trees": f"{TABLES}::test_marks_are_in_every_file_to_edit",
    "cp examples/algorithms/random_forest/algorithm.py decision_trees/": (
        f"{EXAMPLES}::test_example_algorithm_is_tried_with_two_commands"
    ),
    "docker run --rm decision-trees selftest": (
        "image/test_selftest_image.py::test_selftest_passes_in_the_image"
    ),
    "ok       programs     /opt/program/serve, /opt/program/train": (
        f"{ALGORITHM}::test_page_shows_what_the_selftest_prints"
    ),
    "docker run --rm decision-trees train --help": (
        "contract/test_train_help.py::test_train_help_only_prints_the_table"
    ),
    "docker run --rm decision-trees train --schema": (
        "contract/test_train_help.py::test_train_schema_names_every_hyperparameter"
    ),
    (
        "$ curl --data-binary '5.1,3.5,1.4,0.2' -H 'Content-Type: text/csv' "
        "localhost:8080/invocations"
    ): f"{THIS}::test_curl_prints_what_is_shown",
    "./build_and_push.sh decision-trees --region eu-central-1": (
        "image/test_push.py::test_push_brings_to_ecr_an_image_that_trains_and_serves"
    ),
    "./build_and_push.sh --build-only decision-trees": (
        "scripts/test_build_and_push.py::test_build_and_push_builds_the_clone_with_buildx"
    ),
    "./local_test/train_local.sh decision-trees": (
        "scripts/test_train_and_serve_local.py::test_train_local_runs_the_container_as_the_caller"
    ),
    "./local_test/serve_local.sh decision-trees": (
        "scripts/test_train_and_serve_local.py"
        "::test_serve_local_runs_the_container_on_a_read_only_model"
    ),
    "./local_test/predict.sh local_test/payload.csv": (
        "scripts/test_predict.py::test_predict_sends_the_file_unchanged"
    ),
    "Dockerfile              two targets: the full one trains and serves, `inference` serves": (
        "contract/test_readme_links.py"
        "::test_architecture_shows_every_folder_and_only_files_that_exist"
    ),
}
OUTPUTS = ("quickstart: done.", "ok  ", "Dockerfile  ")

# All blocks of a language in a section, with the test that runs or compares them.
_ENDPOINT = f"{ON_AWS}::test_commands_create_an_endpoint_that_predicts"
_POLICY = f"{ON_AWS}::test_policies_name_actions_of_aws"
_FOREST = f"{ALGORITHM}::test_page_shows_the_random_forest_as_it_is"
SECTIONS_TESTED_BY = {
    (README, "Train on your CSV", ""): f"{EXAMPLES}::test_a_table_of_the_user_is_trained_on",
    (README, "Bring a script", "python"): f"{EXAMPLES}::test_readme_shows_the_script_as_it_is",
    (README, "Bring a script", ""): f"{EXAMPLES}::test_script_trains_and_serves",
    (README, "Bring an algorithm", "python"): (
        f"{ALGORITHM}::test_readme_shows_part_of_the_random_forest"
    ),
    (README, "Bring a fitted model", "python"): f"{EXAMPLES}::test_fitted_model_is_served",
    (README, "Bring a fitted model", ""): f"{EXAMPLES}::test_fitted_model_is_served",
    ("docs/script-mode.md", "A model that is already fitted", ""): (
        f"{EXAMPLES}::test_fitted_model_is_packed_for_sagemaker"
    ),
    ("docs/bring-your-own-algorithm.md", "Hyperparameters", "python"): _FOREST,
    ("docs/bring-your-own-algorithm.md", "fit", "python"): _FOREST,
    ("docs/bring-your-own-algorithm.md", "evaluate, describe and save", "python"): _FOREST,
    ("docs/bring-your-own-algorithm.md", "A model that cannot be written as ONNX", "python"): (
        f"{ALGORITHM}::test_page_shows_the_scoring_service_as_it_is"
    ),
    ("examples/algorithms/README.md", "Example algorithms", ""): (
        f"{EXAMPLE_ALGORITHMS}::test_quickstart_runs_every_example"
    ),
    ("docs/training-data.md", "Which column is the label", ""): (
        "unit/test_loading.py::test_page_shows_the_line_of_the_log"
    ),
    ("docs/training-data.md", "Training metrics", "python"): (
        f"{TABLES}::test_metric_definitions_find_each_metric_once"
    ),
    ("docs/operations.md", "Updates and packages", ""): (
        "scripts/test_updates_and_packages.py::test_commands_pin_the_base_and_list_packages"
    ),
    (DEPLOY, "Prepare the account", ""): _ENDPOINT,
    (DEPLOY, "Use the Python SDK", ""): _ENDPOINT,
    (DEPLOY, "Use the AWS CLI", ""): _ENDPOINT,
    (DEPLOY, "Delete everything", ""): f"{ON_AWS}::test_commands_delete_all_resources",
    (DEPLOY, "Permissions", "json"): _POLICY,
    (PERFORMANCE, "Scaling an endpoint", ""): f"{ON_AWS}::test_commands_scale_the_endpoint",
    (PERFORMANCE, "Scaling batch transform", ""): f"{ON_AWS}::test_commands_scale_the_endpoint",
}
_REQUESTS = "contract/test_example_requests.py::test_request_is_valid_for_aws"
FILES_TESTED_BY = {
    "sagemaker_sdk.py": "image/test_sdk_v2.py::test_serializers_receive_the_labels_of_scikit_learn",
    "model_trainer.py": "image/test_sdk_v3.py::test_model_trainer_runs_source_code_in_the_image",
    "create_training_job.json": _REQUESTS,
    "create_model.json": _REQUESTS,
    "create_endpoint_config.json": _REQUESTS,
    "create_transform_job.json": _REQUESTS,
}


def lines_of(block: Block) -> Iterator[str]:
    """Yield the lines of a block that need a test: commands, or the first line of output."""
    lines = [re.sub(r" +# .*", "", line) for line in block.text.splitlines() if line]
    if block.text.startswith(OUTPUTS):
        yield lines[0]
    elif any(line.startswith("$ ") for line in lines):
        yield from (line for line in lines if line.startswith("$ "))
    else:
        yield from lines


def test_every_block_is_tested() -> None:
    """Each block of a page has an entry, and each entry has a block."""
    lines, sections = set(), set()
    for block in blocks():
        where = (block.page, block.section, block.language)
        if where in SECTIONS_TESTED_BY:
            sections.add(where)
        elif block.language != "mermaid":
            assert not block.language, f"no test is named for {where}: {block.text}"
            lines |= set(lines_of(block))

    assert lines == set(LINES_TESTED_BY)
    assert sections == set(SECTIONS_TESTED_BY)


def test_every_example_is_tested() -> None:
    """Each file in examples/ has an entry, and each entry has a file."""
    assert {path.name for path in (ROOT / "examples").glob("*.*")} == set(FILES_TESTED_BY)


@pytest.mark.parametrize(
    "test",
    sorted({*LINES_TESTED_BY.values(), *SECTIONS_TESTED_BY.values(), *FILES_TESTED_BY.values()}),
)
def test_tests_in_the_tables_exist(test: str) -> None:
    """Each test in the tables exists."""
    file, name = test.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_ci_runs_the_documented_command() -> None:
    """CI runs ./tests/run.sh."""
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")

    assert re.search(r"^ +PYTHON=.* \./tests/run\.sh --require-docker$", ci, re.MULTILINE)


def test_run_prepares_as_contributing_says() -> None:
    """tests/run.sh creates the environment with the documented command."""
    (prepare, *_) = commands("CONTRIBUTING.md", "Run one test in seconds")[0].splitlines()

    assert f"\n    {prepare}\n" in (ROOT / "tests/run.sh").read_text(encoding="utf-8")


def test_one_test_can_be_run_alone() -> None:
    """The documented pytest command passes in this environment."""
    command = commands("CONTRIBUTING.md", "Run one test in seconds")[0].splitlines()[1]
    arguments = shlex.split(command.removeprefix(".venv/bin/"))

    done = subprocess.run([sys.executable, "-m", *arguments, "-q"], cwd=ROOT, check=False)

    assert done.returncode == 0


def test_tests_of_the_trees_are_listed() -> None:
    """The command for forks lists the tests of the trees, and no tests of the container."""
    command = commands("CONTRIBUTING.md", "What a fork keeps of the tests")[0]
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, check=True, capture_output=True, text=True
    )

    listed = done.stdout.split()
    assert "tests/unit/test_algorithm.py" in listed
    assert "tests/unit/test_errors.py" not in listed


def test_curl_prints_what_is_shown(trained: OptMl, serve: Callable[..., Server]) -> None:
    """The documented request returns the documented response, on another port."""
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
    """The options in the docstring of an example are options of its parser."""
    text = (ROOT / "examples" / name).read_text(encoding="utf-8").split('"""')[1]

    assert set(re.findall(r"--[\w-]+", text)) <= options_of(name)
