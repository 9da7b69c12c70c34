"""The limits on requests hold for a service of several processes as they do for one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until
from tests.support.servers.service import CONF, environment, token

QUOTA = 12


# It takes three seconds: the service has two processes and a supervisor.
def test_two_processes_together_accept_what_one_may(tmp_path: Path) -> None:
    (tmp_path / "service.conf").write_text(
        f"{CONF}\n[limits]\nissuer_requests = {QUOTA}\nissuer_window = 3600\n", encoding="utf-8"
    )
    environ = environment(tmp_path, LADING_SERVICE__PROCESSES="2", LADING_WORKER__ENABLED="false")
    with ServiceProcess(("serve", "--config", str(tmp_path / "service.conf")), environ, tmp_path) as service:
        wait_until(lambda: len(service.logged("listening")) == 2)
        first, second = service.logged("listening")
        assert first["pid"] != second["pid"]
        client = HttpClient(first["address"], token())

        def post(_: int) -> int:
            status, answer = client.post("album_id=imported_album&url=http%3A%2F%2F127.0.0.1%2Fa.png")
            assert status == 200 or answer["code"] == "rate_limited"
            return status

        with ThreadPoolExecutor(6) as threads:
            statuses = list(threads.map(post, range(5 * QUOTA)))
        # On a machine that is too busy for the database to answer in time, each process goes on with its part.
        assert statuses.count(200) == QUOTA or service.logged("a component is down")
        service.terminate()
