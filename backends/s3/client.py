"""botocore's client for S3, from the options."""

import functools
from typing import Any

from botocore.config import Config
from botocore.loaders import Loader
from botocore.session import Session

from .options import S3StorageOptions


@functools.cache
def _loader() -> Loader:
    """botocore's description of S3, which takes a tenth of a second to read: once for all storages of a process."""
    return Loader()


def make_client(options: S3StorageOptions) -> Any:
    """A client that sends each request once. Creating it sends no request, but blocks, since it reads files."""
    session = Session(profile=options.profile or None)
    session.register_component("data_loader", _loader())
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": options.addressing},
        connect_timeout=options.connect_timeout,
        read_timeout=options.read_timeout,
        max_pool_connections=options.threads,
        retries={"total_max_attempts": 1, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="lading",
    )
    client = session.create_client(
        "s3",
        region_name=options.region or None,
        endpoint_url=options.endpoint or None,
        aws_access_key_id=options.access_key_id or None,
        aws_secret_access_key=options.secret_access_key.get_secret_value() or None,
        config=config,
    )
    client.meta.events.register_last("before-call.s3", _send_at_once)
    return client


def _send_at_once(params: dict[str, Any], **_: Any) -> None:
    """Skip the request with which botocore would ask before it sends a file, and wait a second for a missing answer."""
    params["headers"].pop("Expect", None)
