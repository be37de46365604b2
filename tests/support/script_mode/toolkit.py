"""Reference program: read cases as JSON, and write the training toolkit's results for them.

The toolkit reads SAGEMAKER_BASE_DIR during its import, so the caller must set it.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from sagemaker_training import environment

OTHERS = ("CURRENT_HOST", "SAGEMAKER_JOB_NAME", "SAGEMAKER_REGION")


def answer(case: dict[str, Any], config: Path) -> dict[str, Any]:
    """Return the arguments and the variables of one job, or the error of the toolkit."""
    for name in ("hyperparameters", "inputdataconfig", "resourceconfig"):
        (config / f"{name}.json").unlink(missing_ok=True)
        if case.get(name) is not None:
            (config / f"{name}.json").write_text(case[name], encoding="utf-8")
    os.environ.clear()
    os.environ.update(case["environ"])
    try:
        job = environment.Environment()
        variables = job.to_env_vars() | {name: os.environ[name] for name in OTHERS}
        return {"arguments": job.to_cmd_args(), "variables": variables}
    except Exception as error:  # noqa: BLE001 - any error is a result
        return {"error": type(error).__name__}


def main() -> None:
    """Write the results of all cases."""
    config = Path(environment.input_config_dir)
    json.dump([answer(case, config) for case in json.load(sys.stdin)], sys.stdout)


main()
