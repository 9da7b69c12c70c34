"""Storage in Google Cloud Storage.

Install it with ``pip install 'lading[gcs]'``. For the operator:

- **Example**::

    [storage]
    backend = gcs

    [storage.gcs]
    bucket = my-images
    prefix = lading/

- **Credentials** come from where every Google tool looks (Application Default Credentials): the file that
  ``GOOGLE_APPLICATION_CREDENTIALS`` names, ``gcloud auth application-default login``, workload identity, the service
  account of the machine. ``credentials_file`` names a service account's key file if these find none.
- **Permissions** on the bucket: ``storage.objects.create``, ``get``, ``delete`` and ``list``, as the role
  ``roles/storage.objectUser`` has them. ``create`` alone cannot replace an object, and Lading never does.
  Readiness probes name the missing permissions. With ``kms_key`` the bucket's service
  agent needs ``roles/cloudkms.cryptoKeyEncrypterDecrypter`` on the key.
- **Objects**: ``PREFIX`` and ``key_template`` with the storage key in it, such as ``lading/f6/0a/f60ae96b-...``. Each
  has the detected ``Content-Type``, a ``Content-Disposition`` with the given file name, and as metadata ``import-id``,
  ``sha256`` and ``lading-save`` (which identifies the attempt). Probes create nothing.
- **Unfinished uploads**: an object of more than 2 MiB goes up in pieces of 2 MiB, which Lading removes after a failure.
  After a ``kill -9``, or if Google cannot be reached then, Google removes them itself after a week, and charges nothing
  for them: you need no lifecycle rule. (Deleted objects stay, and cost, as long as the bucket's soft
  delete policy says: seven days unless you change it.)
- **Limits**: 5 TiB for one object. Each of ``threads`` saves holds 2 MiB of its image in memory, three times while it
  is sent in one request; others wait. A cancelled call, and the end of the service, may wait for ``connect_timeout``
  and ``read_timeout``.
- **Create-only**: Lading creates every object with ``ifGenerationMatch=0``, and with a CRC32C that Google compares.
- **Signed URLs** need a service account. With its key file Lading signs them. With that of a machine or workload Google
  does, which needs ``iam.serviceAccounts.signBlob`` (``roles/iam.serviceAccountTokenCreator`` on itself).
- **Emulators**: set ``endpoint`` and ``anonymous = true``.

The library is google-cloud-storage, in Lading's own threads. gcloud-aio-storage 9.6 needs no threads, but sends a
resumable upload in one request from a stream that blocks: it cannot send a stream in pieces, continue after a lost
answer, or end an abandoned upload. obstore speaks the XML API, which the test server does not.
"""

from typing import ClassVar

from ...plugins.options import PluginOptions
from ..cloud.storage import CloudStorage
from .bucket import GcsBucket
from .options import GcsStorageOptions


class GcsStorage(CloudStorage):
    """Keeps objects in a bucket of Google's. See ``StorageBackend``; the module docstring says what is special."""

    contract_version = 1
    Options: ClassVar[type[PluginOptions]] = GcsStorageOptions

    def __init__(self, options: PluginOptions) -> None:
        if not isinstance(options, GcsStorageOptions):
            raise TypeError(f"GcsStorageOptions expected, not {type(options).__name__}")
        super().__init__(options, GcsBucket(options))
