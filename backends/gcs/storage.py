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
  account of the machine. ``credentials_file`` names a service account's key file where that finds none.
- **Permissions** on the bucket: ``storage.objects.create``, ``get``, ``delete`` and ``list``, as the role
  ``roles/storage.objectUser`` has them. ``create`` alone does not allow to replace an object, and nothing here does.
  Readiness probes ask which of them there are, and name those that are missing. With ``kms_key`` the bucket's service
  agent needs ``roles/cloudkms.cryptoKeyEncrypterDecrypter`` on the key.
- **Objects**: ``PREFIX`` and ``key_template`` with the storage key in it, such as ``lading/f6/0a/f60ae96b-...``. Each
  has the detected ``Content-Type``, a ``Content-Disposition`` with the given file name, and as metadata ``import-id``,
  ``sha256`` and ``lading-save`` (which attempt it came by). Probes create nothing.
- **Unfinished uploads**: what is longer than 2 MiB goes up in pieces of 2 MiB, which are removed on any failure. After
  a ``kill -9``, or where Google cannot be reached then, Google removes them itself after a week, and charges nothing
  for them: no lifecycle rule is needed. (Objects that are deleted stay, and cost, for as long as the bucket's soft
  delete policy says: seven days unless you change it.)
- **Limits**: 5 TiB for one object. Each of ``threads`` saves holds 2 MiB of its image in memory, three times while it
  is sent in one request; others wait. A cancelled call, and the end of the service, may wait for ``connect_timeout``
  and ``read_timeout``.
- **Never replaced**: every object is created with ``ifGenerationMatch=0``, and with a CRC32C that Google compares.
- **Signed URLs** need a service account: with its key file they are signed here; with that of a machine or workload by
  Google, which needs ``iam.serviceAccounts.signBlob`` (``roles/iam.serviceAccountTokenCreator`` on itself).
- **An emulator** is named by ``endpoint`` and wants ``anonymous = true``.

The library is google-cloud-storage, in threads of ours. gcloud-aio-storage 9.6 needs none, but sends a resumable upload
in one request from a stream that blocks: it cannot send what is still to come in pieces, go on after a piece whose
answer was lost, or end an upload that is given up. obstore speaks the XML API, which the test server does not.
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
