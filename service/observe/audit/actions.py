"""The events of the audit log. ``docs/reference/audit.md`` is made from this list."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

LOGGER: Final = "audit"


class Action(StrEnum):
    """What was done. The names are stable, and the documentation of each is its line in the reference."""

    ISSUER_CREATED = "issuer.created"
    ISSUER_ROTATED = "issuer.rotated"
    ISSUER_ENABLED = "issuer.enabled"
    ISSUER_DISABLED = "issuer.disabled"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_DELETED = "webhook.deleted"
    SECRET_ROTATED = "webhook_secret.rotated"  # noqa: S105 - a name
    IMAGE_DELETED = "image.deleted"
    IMPORT_DELETED = "import.deleted"
    QUEUE_RETRIED = "queue.retried"
    QUEUE_CANCELLED = "queue.cancelled"
    QUEUE_PAUSED = "queue.paused"
    QUEUE_RESUMED = "queue.resumed"
    WORKER_DRAINED = "worker.drained"
    WORKER_RESUMED = "worker.resumed"
    RETENTION_RUN = "retention.run"
    ORPHANS_DELETED = "orphans.deleted"
    BACKUP_RESTORED = "backup.restored"
    DATABASE_UPGRADED = "database.upgraded"

    @property
    def help(self) -> str:
        """When the event happens, and what its ``object`` holds."""
        return _HELP[self]


_HELP: Final[Mapping[Action, str]] = {
    Action.ISSUER_CREATED: "`lading issuer create`. Object: `issuer_id`, `organization_id`.",
    Action.ISSUER_ROTATED: "`lading issuer rotate`: the issuer has a new key. Object: `issuer_id`.",
    Action.ISSUER_ENABLED: "`lading issuer enable`. Object: `issuer_id`.",
    Action.ISSUER_DISABLED: "`lading issuer disable`. Object: `issuer_id`.",
    Action.WEBHOOK_CREATED: "`POST /api/v1/webhooks`. Object: `endpoint_id`.",
    Action.WEBHOOK_CHANGED: "`PATCH` of an endpoint, which may also enable or disable it. Object: `endpoint_id`.",
    Action.WEBHOOK_ROTATED: "The secret of an endpoint was rotated. Object: `endpoint_id`.",
    Action.WEBHOOK_DELETED: "`DELETE` of an endpoint. Object: `endpoint_id`.",
    Action.SECRET_ROTATED: "The issuer's own secret, for the webhooks of single imports, was rotated. No object.",
    Action.IMAGE_DELETED: "`DELETE` of an image. Object: `image_id`.",
    Action.IMPORT_DELETED: "`DELETE` of an import. Object: `import_id`.",
    Action.QUEUE_RETRIED: (
        "`lading queue retry`. Object: the options `issuer_id`, `host`, `code`, `since`; `imports` were retried."
    ),
    Action.QUEUE_CANCELLED: (
        "`lading queue cancel`. Object: the options `issuer_id`, `host`, `code`, `since`; `imports` were cancelled."
    ),
    Action.QUEUE_PAUSED: "`lading queue pause`. Object: `issuer_id` or `host`; neither for the whole queue.",
    Action.QUEUE_RESUMED: "`lading queue resume`. Object: as for `queue.paused`.",
    Action.WORKER_DRAINED: "`lading workers drain`. Object: `worker_id`.",
    Action.WORKER_RESUMED: "`lading workers resume`. Object: `worker_id`.",
    Action.RETENTION_RUN: (
        "Retention, by itself or by `lading retention run`, has removed imports: `imports` and `bytes` of images."
    ),
    Action.ORPHANS_DELETED: (
        "`lading storage audit --delete-orphans` has deleted `objects` of a storage. Object: `storage`."
    ),
    Action.BACKUP_RESTORED: "`lading restore`: the backup is in place, with so many `images`. Object: `directory`.",
    Action.DATABASE_UPGRADED: "`lading migrate` has upgraded the database. No object.",
}
