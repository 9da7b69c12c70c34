"""Programs of the system that tests use: without one a test is skipped, unless ``LADING_REQUIRE`` names it."""

import os
import shutil

import pytest


def program(name: str, package: str) -> str:
    """The path of a program, from ``PATH`` or where Debian puts servers.

    Args:
        name: of the program, and in ``LADING_REQUIRE``.
        package: of Debian, which brings it.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if path is None:
        reason = f"there is no {name}: install Debian's {package}"
        if name in os.environ.get("LADING_REQUIRE", "").split(","):
            pytest.fail(f"{name} is required: {reason}")
        pytest.skip(reason)
    return path
