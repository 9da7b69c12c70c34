"""``lading import --dry-run``: how each URL would end, and which files would be sent."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ..connecting import SOME_FAILED, Service, client_of, printable, told
from .sources import Link, LocalFile, Sources

if TYPE_CHECKING:
    from .....client import Client


def try_all(service: Service, sources: Sources, *, is_json: bool) -> None:
    """Print a line for each item. Blocks.

    Raises:
        SystemExit: 1, if an item would fail.
        Failure: the service does not answer.
    """
    would_fail = False
    with client_of(service) as client, told():
        for item in sources:
            verdict = _of_file(item) if isinstance(item, LocalFile) else _of_url(client, item)
            would_fail = would_fail or verdict["would"] == "fail"
            click.echo(json.dumps(verdict) if is_json else _line(verdict))
    if would_fail:
        sys.exit(SOME_FAILED)


def _of_file(file: LocalFile) -> dict[str, Any]:
    verdict: dict[str, Any] = {"source": file.label, "would": "upload", "byte_size": file.size}
    if not file.size:
        verdict |= {"would": "fail", "error": {"code": "file_empty", "detail": "The file is empty."}}
    return verdict


def _of_url(client: "Client", link: Link) -> dict[str, Any]:
    from .....client import ValidationFailed  # noqa: PLC0415  # httpx is an extra

    verdict: dict[str, Any] = {"source": link.label, "would": "fail"}
    try:
        found = client.preflight(**link.params)
    except ValidationFailed as error:
        return verdict | {"error": {"code": error.code, "detail": error.detail}}
    if found.would_succeed:
        return verdict | {"would": "import", "byte_size": found.image.byte_size if found.image is not None else None}
    problem = found.error
    return verdict | {"error": problem and {"code": problem.code, "detail": problem.detail, "hint": problem.hint}}


def _line(verdict: dict[str, Any]) -> str:
    error = verdict.get("error") or {}
    told = " ".join(str(error[name]) for name in ("detail", "hint") if error.get(name))
    why = f"\t{error['code']}: {printable(told)}" if error else ""
    return f"would {verdict['would']}\t{printable(verdict['source'])}{why}"
