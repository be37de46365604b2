"""Parallel runs of the tests."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="this run is not parallel")
def test_tests_of_a_file_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """pytest-xdist knows the groups of tests that share fixtures, images and host names."""
    assert request.node.nodeid.endswith(f"@{request.path.name}")
