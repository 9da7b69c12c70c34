"""The options of ``lading.backends.s3.storage``."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from ..cloud.options import CloudOptions


class S3StorageOptions(CloudOptions):
    """Options of ``S3Storage``."""

    region: str = Field(default="", description="Region of the bucket; empty for that of the environment or profile.")
    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="URL of another server that speaks S3 (MinIO, Ceph, R2); empty for Amazon's.",
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="Where the bucket is named: in the URL's path, in its host (virtual), or auto."
    )
    profile: str = Field(default="", description="Profile of the shared AWS configuration; empty for the usual one.")
    access_key_id: str = Field(default="", description="Access key, where the usual chain of credentials has none.")
    secret_access_key: SecretStr = Field(default=SecretStr(""), description="Secret that belongs to it.")
    storage_class: str = Field(
        default="", pattern=r"^[A-Z0-9_]*$", description="Storage class such as STANDARD_IA; empty for the bucket's."
    )
    encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        default="", description="Server-side encryption; empty for the bucket's."
    )
    kms_key_id: str = Field(default="", description="KMS key for it; empty for the account's own.")
    acl: Literal[
        "",
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ] = Field(default="", description="Canned ACL of each object; empty for none, as buckets without ACLs want it.")
    create_only: bool = Field(
        default=True, description="Whether the server refuses to replace an object (If-None-Match), as Amazon's does."
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key need each other")
        if self.kms_key_id and not self.encryption.startswith("aws:kms"):
            raise ValueError("kms_key_id needs encryption = aws:kms or aws:kms:dsse")
        return self
