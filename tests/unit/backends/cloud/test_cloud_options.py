from typing import Any

import pytest
from pydantic import ValidationError

from lading.backends.gcs.options import GcsStorageOptions
from lading.backends.gcs.storage import GcsStorage
from lading.backends.s3.options import S3StorageOptions
from lading.backends.s3.storage import S3Storage
from lading.plugins.options import PluginOptions

MODELS = [S3StorageOptions, GcsStorageOptions]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "required"),
        ({"bucket": ""}, "at least 1"),
        ({"prefix": "/a"}, "slash"),
        ({"prefix": "a//b"}, "two in a row"),
        ({"prefix": "a/../b"}, "'..'"),
        ({"prefix": "a b"}, "letters"),
        ({"prefix": "a\r\n"}, "letters"),
        ({"prefix": "{key}"}, "once"),
        ({"key_template": "a"}, "once"),
        ({"key_template": "{key}{key}"}, "once"),
        ({"key_template": "{id}"}, "letters"),
        ({"threads": 0}, "greater"),
        ({"attempts": 0}, "greater"),
        ({"read_timeout": 1000}, "less"),
        ({"buckets": "x"}, "Extra"),
    ],
)
def test_options_that_no_cloud_takes(model: type[PluginOptions], options: dict[str, Any], word: str) -> None:
    bucket = {"bucket": "my-images"} if options else {}
    with pytest.raises(ValidationError, match=word):
        model.model_validate({**bucket, **options})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("prefix", "template"), [("", "{key}"), ("a/b-", "c/{key}/d.bin"), ("a", "{key}.x")])
def test_places_that_every_cloud_takes(model: type[PluginOptions], prefix: str, template: str) -> None:
    model.model_validate({"bucket": "my-images", "prefix": prefix, "key_template": template})


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "minio:9000"},
        {"endpoint": "ftp://minio"},
        {"endpoint": "http://user:password@minio"},
        {"access_key_id": "a"},
        {"secret_access_key": "b"},
        {"encryption": "rot13"},
        {"kms_key_id": "k"},
        {"kms_key_id": "k", "encryption": "AES256"},
        {"acl": "everybody"},
        {"addressing": "guess"},
        {"storage_class": "glacier\r\n"},
    ],
)
def test_options_that_s3_does_not_take(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        S3StorageOptions.model_validate({"bucket": "my-images", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"anonymous": True, "credentials_file": "key.json"},
        {"kms_key": "my-key"},
        {"acl": "public-read"},
        {"endpoint": "localhost"},
    ],
)
def test_options_that_google_does_not_take(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GcsStorageOptions.model_validate({"bucket": "my-images", **options})


def test_secrets_print_redacted() -> None:
    options = S3StorageOptions.model_validate({"bucket": "b", "access_key_id": "a", "secret_access_key": "hunter2"})
    assert "hunter2" not in repr(options) + str(options)


@pytest.mark.parametrize("storage", [S3Storage, GcsStorage])
def test_options_of_another_storage(storage: type[S3Storage | GcsStorage]) -> None:
    with pytest.raises(TypeError, match="expected"):
        storage(PluginOptions())
