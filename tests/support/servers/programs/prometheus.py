"""A real Prometheus for tests, which scrapes once a second.

Without one a test is skipped, unless ``LADING_REQUIRE`` names ``prometheus``: Debian's package takes longer to install
than CI can wait.
"""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.servers.programs import program, started
from tests.support.servers.programs.ports import free_port

CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: lading
    static_configs:
      - targets: {targets}
"""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server.

    Attributes:
        url: of its HTTP API.
    """

    url: str

    def ask(self, path: str, **params: str) -> Any:
        """The data of an answer of the API."""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urlencode(params)}", timeout=30) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        return answer["data"]

    def value(self, query: str) -> float:
        """The value of a query whose result is one number; 0 where there is none."""
        result = self.ask("query", query=query)["result"]
        assert len(result) <= 1, result
        return float(result[0]["value"][1]) if result else 0.0


@contextmanager
def prometheus(folder: Path, urls: Sequence[str], *rules: Path) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the servers at these base URLs, and obeys these files of rules. It ends with the
    block."""
    binary = program("prometheus", "prometheus")
    server = Prometheus(f"http://127.0.0.1:{free_port()}")
    configuration = folder / "prometheus.yml"
    targets = json.dumps([urlsplit(url).netloc for url in urls])
    configuration.write_text(CONFIGURATION.format(targets=targets, rules=json.dumps([str(path) for path in rules])))
    arguments = [
        binary,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'series'}",
        f"--web.listen-address={urlsplit(server.url).netloc}",
    ]
    with started(arguments, folder / "prometheus.log", f"{server.url}/-/ready"):
        yield server
