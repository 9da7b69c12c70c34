"""The options of ``lading.backends.s3.storage``."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from ..cloud.options import CloudOptions


class S3StorageOptions(CloudOptions):
    """Options of ``S3Storage``."""

    region: str = Field(
        default="", description="Region of the bucket. Empty takes the region of the environment or profile."
    )
    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^\s?#@]+)?$",
        description="URL of another server that speaks S3 (MinIO, Ceph, R2). Empty picks Amazon's.",
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="Place of the bucket's name in a URL: path, virtual (in the host name) or auto."
    )
    profile: str = Field(
        default="", description="Profile of the shared AWS configuration. Empty takes the default profile."
    )
    access_key_id: str = Field(
        default="",
        description=(
            "Access key, for when the default credential chain (environment, profile, machine role) has no credentials."
        ),
    )
    secret_access_key: SecretStr = Field(
        default=SecretStr(""),
        description="Secret of the access key. Use $env:NAME or $file:PATH to keep it out of this file.",
    )
    storage_class: str = Field(
        default="",
        pattern=r"^[A-Z0-9_]*$",
        description="Storage class of new objects, such as STANDARD_IA. Empty takes the bucket's default.",
    )
    encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        default="",
        description="Server-side encryption: AES256, aws:kms or aws:kms:dsse. Empty takes the bucket's default.",
    )
    kms_key_id: str = Field(
        default="", description="KMS key for the encryption. Empty takes the account's default key."
    )
    acl: Literal[
        "",
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    ] = Field(
        default="",
        description=(
            "Canned ACL of each object, such as public-read. Empty sends no ACL, as buckets without ACLs require."
        ),
    )
    create_only: bool = Field(
        default=True,
        description=(
            "Whether the server must refuse to replace an object (If-None-Match), as Amazon's does. If false, Lading"
            " looks for the object first in each kind of request where the server ignores that."
        ),
    )

    verify: Literal["answers", "read_back"] = Field(
        default="answers",
        description=(
            "Proof that an object is intact: answers (digests and size, where the server reports them) or read_back"
            " (Lading reads each new object)."
        ),
    )

    @model_validator(mode="after")
    def _what_belongs_together(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key need each other")
        if self.kms_key_id and not self.encryption.startswith("aws:kms"):
            raise ValueError("kms_key_id needs encryption = aws:kms or aws:kms:dsse")
        return self
