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
  ``s3:AbortMultipartUpload``; on the bucket ``s3:ListBucket``, without which S3 does not say that an object is missing.
  With ``acl`` also ``s3:PutObjectAcl``; with a KMS key ``kms:GenerateDataKey`` and ``kms:Decrypt``.
- **Objects**: ``PREFIX`` and ``key_template`` with the storage key in it, such as ``lading/f6/0a/f60ae96b-...``. Each
  has the detected ``Content-Type``, a ``Content-Disposition`` with the given file name, and as metadata ``import-id``,
  ``sha256`` and ``lading-save`` (which attempt it came by). ``PREFIX.lading-probe``, empty, is what readiness probes
  try to create; leave it there.
- **Unfinished uploads**: what is longer than 5 MiB goes up in parts of 5 MiB, which are removed on any failure. After a
  ``kill -9``, or where S3 cannot be reached then, they stay and cost money. So give the bucket a lifecycle rule::

    {"Rules": [{"ID": "unfinished uploads", "Status": "Enabled", "Filter": {"Prefix": "lading/"},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]}

- **Limits**: 48 GiB for one object (10,000 parts). Each of ``threads`` saves sends its image from the file that it
  waits in, or holds 5 MiB of it in memory where it is copied from a storage or is the mirror's; others wait. A
  cancelled call, and the end of the service, may wait for ``connect_timeout`` and ``read_timeout``.
- **Never replaced**: every object is created with ``If-None-Match: *``, one of several parts too. At its first probe
  the storage tries whether the server keeps to that, and refuses one that does not. With ``create_only = false`` it
  looks for the object before it creates it instead; two saves of one key at the same moment may then both succeed.
  (Lading makes the keys from the ids of imports, and at most one worker has each.)
- **Signed URLs** need nothing but the credentials. Those of a role end with its session, after an hour perhaps, even
  where the URL was to live longer. For a server of your own they show the ``endpoint``, which must be one that
  clients reach.
- **Another server** is named by ``endpoint``. One without a wildcard in DNS needs ``addressing = path``. An ``http://``
  endpoint sends images in the clear; use one on your own network only.

The library is botocore, in threads of ours. obstore 0.12 was tried against the same server and has three gaps: its
uploads in parts have no condition (a second one replaced the first object), a cancelled one left its parts and did not
tell the id by which to remove them, and it can neither set an ACL nor read a profile.
"""

from typing import ClassVar

from ...plugins.options import PluginOptions
from ..cloud.storage import CloudStorage
from .bucket import S3Bucket
from .options import S3StorageOptions


class S3Storage(CloudStorage):
    """Keeps objects in a bucket of S3. See ``StorageBackend``; the module docstring says what is special."""

    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = S3StorageOptions

    def __init__(self, options: PluginOptions) -> None:
        if not isinstance(options, S3StorageOptions):
            raise TypeError(f"S3StorageOptions expected, not {type(options).__name__}")
        super().__init__(options, S3Bucket(options))
