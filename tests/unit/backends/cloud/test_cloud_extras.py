"""The libraries of clouds and of telemetry are optional: nothing imports them before they are configured."""

import subprocess
import sys

import pytest

LIBRARIES = (
    *("botocore", "boto3", "google.cloud", "google.auth", "requests", "moto", "gcp_storage_emulator"),
    "opentelemetry",
)

IMPORT_ALL_ELSE = f"""
import sys
import lading.backends.guard.storage, lading.backends.local.storage, lading.plugins.host.registry
import lading.plugins.testing, lading.pytest_plugin
from lading.service.cli.main import COMMANDS, main
for name in COMMANDS:
    main.get_command(None, name)
assert not set({LIBRARIES}) & set(sys.modules), set({LIBRARIES}) & set(sys.modules)
"""

LOAD_WITHOUT = """
import sys
sys.modules[{library!r}] = None  # as if it were not installed
from lading.plugins.host import registry
try:
    registry.load("storage", {name!r})
except registry.RegistryError as error:
    print(error)
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_nothing_imports_them_unasked() -> None:
    python(IMPORT_ALL_ELSE)


@pytest.mark.parametrize(("name", "library"), [("s3", "botocore"), ("gcs", "google.cloud.storage")])
def test_without_them_the_start_says_what_to_install(name: str, library: str) -> None:
    assert f"pip install 'lading[{name}]'" in python(LOAD_WITHOUT.format(name=name, library=library))
