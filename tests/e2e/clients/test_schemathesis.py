"""The running service answers as its description says, whatever it is sent (schemathesis, all checks)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers.processes import ServiceProcess
from tests.support.servers.service import CONF, environment, token

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("LADING_SCHEMATHESIS", "2")


@pytest.mark.long_form
@pytest.mark.timeout(900)
def test_every_operation_does_as_it_is_described(tmp_path: Path) -> None:
    conf = tmp_path / "service.conf"
    conf.write_text(CONF, encoding="utf-8")
    more = {
        "LADING_SERVICE__LOG_FORMAT": "json",
        "LADING_SERVICE__WAIT_MAX": "0.1",
        "LADING_SERVICE__PREFLIGHT_TIMEOUT": "1",
        "LADING_EVENTS__MAX_DURATION": "1",
        "LADING_WORKER__BACKLOG": "1000000",
        "LADING_UPLOADS__DIRECTORY": str(tmp_path / "uploads"),
        # The examples of the description name hosts that are somewhere: nothing goes there.
        "LADING_FETCH_HTTP__DENY_NETWORKS": "0.0.0.0/0, ::/0",
    }
    environ = environment(tmp_path, **more)
    with ServiceProcess(("serve", "--config", str(conf)), environ, tmp_path) as process:
        address = process.wait_for("listening")["address"]
        command = [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")),
            *(
                "run",
                f"{address}/openapi.json",
                "--checks",
                "all",
                "--header",
                f"Authorization: Bearer {token(admin=True)}",
            ),
            *("--seed", "1", "--max-examples", EXAMPLES, "--request-timeout", "20", "--no-color"),
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE.parents[2]),
                "SCHEMATHESIS_HOOKS": "tests.e2e.clients.schemathesis_hooks",
                "PYTHONASYNCIODEBUG": "",
            },
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
        assert process.process.poll() is None
        unexpected = [line for line in process.lines if line.get("event") == "a request failed unexpectedly"]
        assert unexpected == []
