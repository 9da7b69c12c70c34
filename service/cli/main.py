"""The ``lading`` command. Exit status: 0 done, 1 refused or failed with a message, 2 wrong usage."""

from typing import Final

import click

from ... import __version__
from .loading import Lazy

COMMANDS: Final = {
    "demo": "demo.command:demo_command",
    "serve": "process.serve:serve_command",
    "worker": "process.serve:worker_command",
    "check": "check:check_command",
    "import": "client.send.command:import_command",
    "bulk": "client.bulk.command:bulk_command",
    "imports": "client.documents:imports_group",
    "images": "client.images:images_group",
    "login": "client.login:login_command",
    "config": "config:config_command",
    "plugins": "plugins.command:plugins_group",
    "fetch": "fetch.command:fetch_group",
    "issuer": "access.issuers:issuer_group",
    "token": "access.tokens:token_command",
    "page": "access.tokens:page_command",
    "storage": "storage.command:storage_group",
    "queue": "queue.command:queue_group",
    "workers": "queue.workers:workers_group",
    "retention": "upkeep.retention:retention_group",
    "backup": "upkeep.backup:backup_command",
    "restore": "upkeep.restore:restore_command",
    "migrate": "upkeep.migrate:migrate_command",
    "documents": "upkeep.plan:documents_group",
}
"""Where each command is: a module of this package, and the name in it; in the order in which people need them."""


@click.group(cls=Lazy, places=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lading")
def main() -> None:
    """Lading imports images by URL: it fetches, recognises and stores them."""
