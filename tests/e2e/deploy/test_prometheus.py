"""The alert rules, the dashboard and the runbook of ``deploy/`` and ``docs/``: sound, and about metrics that exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.servers.programs import program

ROOT: Final = Path(__file__).parents[3]
RULES: Final = ROOT / "deploy" / "prometheus" / "alerts.yml"
DASHBOARD: Final = ROOT / "deploy" / "grafana" / "dashboard.json"
RUNBOOK: Final = ROOT / "docs" / "how-to" / "operate" / "alerts.md"


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> Iterator[str]:
    """Every expression of the alerts and of the dashboard."""
    yield from (alert["expr"] for alert in alerts())
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")],
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [program("promtool", "prometheus"), *arguments], cwd=RULES.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tests = yaml.safe_load((RULES.parent / "alerts.test.yml").read_text(encoding="utf-8"))["tests"]
    cases = [(case["alertname"], bool(case["exp_alerts"])) for test in tests for case in test["alert_rule_test"]]
    names = {alert["alert"] for alert in alerts()}
    assert {name for name, fires in cases if fires} == names
    assert {name for name, fires in cases if not fires} == names


def test_each_alert_has_a_section_that_says_what_to_do() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"{RUNBOOK.name}#{alert['alert'].lower()}"


def test_queries_name_only_metrics_and_labels_that_exist() -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    labels_of = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^`(\w+)` \{.*?(?:Labels: (.*?)|No labels)\.", page, re.MULTILINE | re.DOTALL)
    }
    named = [found for query in queries() for found in re.findall(r"\b((?:lading|process)_\w+)(?:\{([^}]*)\})?", query)]
    assert len(named) > 40
    for name, matchers in named:
        family = name if name in labels_of else re.sub(r"_(bucket|sum|count)$", "", name)
        assert family in labels_of, name
        assert set(re.findall(r"(\w+)[!=]~?\"", matchers)) <= labels_of[family], (name, matchers)
