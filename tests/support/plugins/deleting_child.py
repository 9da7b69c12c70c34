"""A process that deletes an image and kills itself at a step of it.

Arguments: the ``service.conf``, the image's id, and the step: ``before mark``, ``after mark``, ``after bytes``,
``after all``. Its configuration comes from the environment too.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from lading.service.config import load_all
from lading.service.models import Import
from lading.service.models.clock import SystemClock
from lading.service.models.grants import Grant
from lading.service.runtime.api_wiring import make_resources
from lading.service.runtime.wiring import open_parts
from tests.support.servers.service import ISSUER, ORGANIZATION


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(conf: Path, image_id: str, step: str) -> None:
    settings, components = load_all(conf, os.environ)
    async with open_parts(settings, components, SystemClock()) as parts:
        store: Any = parts.store
        update = store.update

        async def dying_update(document: Import) -> bool:
            is_mark = document.image_purged_at is None
            if is_mark and step == "before mark":
                die()
            if not is_mark and step == "after bytes":
                die()
            written: bool = await update(document)
            if step == ("after mark" if is_mark else "after all"):
                die()
            return written

        store.update = dying_update
        grant = Grant(issuer_id=ISSUER, organization_id=ORGANIZATION, token="", admin=True)
        await make_resources(parts, lambda: None).images.images.delete(grant, image_id)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
