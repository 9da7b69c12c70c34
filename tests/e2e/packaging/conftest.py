"""Lading, installed from its wheel into an environment that has nothing but what it declares."""

import pytest

from tests.support.installed import Distributions, Environment


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, distributions: Distributions) -> Environment:
    """An environment for each process of the test run, with Lading and pytest."""
    environment = Environment(tmp_path_factory.mktemp("installed"))
    environment.link_needed("lading[testing]")
    environment.install("--no-deps", str(distributions.wheel))
    return environment
