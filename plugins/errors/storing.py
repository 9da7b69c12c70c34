"""What a storage backend raises."""

from .base import PluginError


class StorageError(PluginError):
    """Base of what a storage backend raises."""

    code = "storage_error"
    public_text = "The image could not be stored."


class KeyInvalid(StorageError):
    code = "storage_key_invalid"
    public_text = "The storage key is not valid."


class ObjectExists(StorageError):
    """The key already has an object. Saves are create-only: ``save`` changed nothing."""

    code = "storage_object_exists"
    public_text = "Storage already holds an object for this import."


class ObjectNotFound(StorageError):
    code = "storage_object_not_found"
    public_text = "Storage holds no such object."


class StorageUnavailable(StorageError):
    code = "storage_unavailable"
    retryable = True
    public_text = "Storage is currently unavailable."


class StorageFull(StorageError):
    code = "storage_full"
    retryable = True
    public_text = "Storage has no space left."


class StorageDenied(StorageError):
    code = "storage_denied"
    public_text = "Storage refused access."


class ContentMismatch(StorageError):
    """The bytes streamed into ``save``, or read back, differ from the announced bytes."""

    code = "storage_content_mismatch"
    retryable = True
    public_text = "Storage received different bytes than announced."
