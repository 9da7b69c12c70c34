"""``/healthz``: the process is alive. ``/readyz``: the database, the storage and the disks work."""

from http import HTTPStatus

from ...errors.catalogue import ApiError
from ...observe.readiness import Readiness
from ..http.base import BaseHandler


class HealthHandler(BaseHandler):
    """Liveness: answers while the event loop turns."""

    async def get(self) -> None:
        """200."""
        self.answer(HTTPStatus.OK, {"status": "ok"})


class ReadinessHandler(BaseHandler):
    """Readiness: answers 200 while imports can be accepted and stored."""

    api: Readiness

    async def get(self) -> None:
        """200, or 503 naming the parts that do not work; 503 too when the service is about to stop."""
        if self.api.is_stopping:
            raise ApiError("service_stopping", retry_after=1)
        failing = await self.api.failing()
        if failing:
            raise ApiError("not_ready", components=", ".join(failing), retry_after=1)
        self.answer(HTTPStatus.OK, {"status": "ready"})
