"""Storage in Amazon S3, or on a server that speaks S3: MinIO, Ceph, R2 and others.

Install it with ``pip install 'lading[s3]'``. For the operator:

- **Example**::

    [storage]
    backend = s3

    [storage.s3]
    bucket = my-images
    prefix = lading/

- **Credentials** come from where every AWS tool looks: the environment (``AWS_ACCESS_KEY_ID`` ...), a profile of
  ``~/.aws``, a web identity, the role of the container or machine. ``access_key_id`` and ``secret_access_key`` are for
  servers of your own; write the secret as ``$env:NAME`` or ``$file:PATH``.
- **Permissions** on ``arn:aws:s3:::BUCKET/PREFIX*``: ``s3:PutObject``, ``s3:GetObject``, ``s3:DeleteObject`` and
  ``s3:AbortMultipartUpload``; on the bucket ``s3:ListBucket``, without which S3 does not report a missing object.
  With ``acl`` also ``s3:PutObjectAcl``; with a KMS key ``kms:GenerateDataKey`` and ``kms:Decrypt``.
- **Objects**: ``PREFIX`` and ``key_template`` with the storage key in it, such as ``lading/f6/0a/f60ae96b-...``. Each
  has the detected ``Content-Type``, a ``Content-Disposition`` with the given file name, and as metadata ``import-id``,
  ``sha256`` and ``lading-save`` (which identifies the attempt). Readiness probes try to create the empty object
  ``PREFIX.lading-probe``; leave it there.
- **Unfinished uploads**: an object of more than 5 MiB goes up in parts of 5 MiB, which Lading removes after a failure.
  They stay and cost money after a ``kill -9``, or if the answer to the beginning of an upload is lost, as it is when a
  server stops for longer than ``read_timeout``. ``lading storage audit --delete-orphans`` ends them, with the
  permission ``s3:ListBucketMultipartUploads`` on the bucket. A lifecycle rule does so without a command::

    {"Rules": [{"ID": "unfinished uploads", "Status": "Enabled", "Filter": {"Prefix": "lading/"},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]}

- **Limits**: 48 GiB for one object (10,000 parts). Each of ``threads`` saves sends its image from the
  spool's file, or holds 5 MiB in memory if it copies from a storage or to the mirror; further saves wait. A
  cancelled call, and the end of the service, may wait for ``connect_timeout`` and ``read_timeout``.
- **Create-only**: Lading creates every object with ``If-None-Match: *``, also an object of several parts. The first
  probe tests each of both requests, PutObject and CompleteMultipartUpload, and refuses a server that ignores the
  condition in either. With ``create_only = false``, Lading uses the condition in the request that honours it, and looks
  for the object before the other one; two saves of one key at the same moment may then both succeed. (Keys derive from
  the ids of imports, and at most one worker has each import.)
- **Metadata**: the first probe also tests whether objects keep their metadata, and warns if not. Lading then cannot
  recognise an object whose answer was lost, and reads it back.
- **Verification**: each request has the SHA-256 of its bytes, which many servers ignore. So Lading also compares the
  ETag with the MD5 (if the first probe shows that the server makes such ETags, and no KMS key is in use), and after an
  upload in parts the size. An object that differs is removed. ``verify = read_back`` proves every byte, for one more
  GET of each object.
- **Keys and clocks**: while the server does not know the access key, or refuses the signature or this machine's time,
  imports wait, and readiness fails. The text of the error has the remedy.
- **Signed URLs** need only the credentials. A URL by a role's credentials ends with the session, for example after an
  hour, even if its own lifetime is longer. With a server of your own, URLs contain the ``endpoint``, so clients must
  reach it.
- **Other servers**: set ``endpoint``. A server without a wildcard in DNS needs ``addressing = path``. An ``http://``
  endpoint sends images in the clear; use it on your own network only.

The library is botocore, in Lading's own threads. obstore 0.12, tried against the same server, has three gaps: its
uploads in parts have no condition (a second upload replaced the first object), a cancelled upload left its parts and
did not reveal the id to remove them by, and it can neither set an ACL nor read a profile.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import ClassVar

from ...plugins.capabilities import SupportsUnfinishedSaves, UnfinishedSave
from ...plugins.options import PluginOptions
from ..cloud.storage import CloudStorage
from .bucket import S3Bucket
from .options import S3StorageOptions


class S3Storage(CloudStorage, SupportsUnfinishedSaves):
    """Keeps objects in a bucket of S3. See ``StorageBackend``; the module docstring says what is special."""

    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = S3StorageOptions

    def __init__(self, options: PluginOptions) -> None:
        if not isinstance(options, S3StorageOptions):
            raise TypeError(f"S3StorageOptions expected, not {type(options).__name__}")
        self._s3 = S3Bucket(options)
        super().__init__(options, self._s3)

    async def list_unfinished(self) -> AsyncGenerator[UnfinishedSave, None]:
        """See ``SupportsUnfinishedSaves.list_unfinished``: uploads in parts below the prefix."""
        after: Mapping[str, str] | None = {}
        while after is not None:
            saves, after = await self._ask(self._s3.uploads, after)
            for save in saves:
                yield save

    async def end_unfinished(self, save: UnfinishedSave) -> None:
        """See ``SupportsUnfinishedSaves.end_unfinished``."""
        await self._ask(self._s3.end, save)
