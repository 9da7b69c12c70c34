"""The options of ``lading.backends.gcs.storage``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..cloud.options import CloudOptions


class GcsStorageOptions(CloudOptions):
    """Options of ``GcsStorage``."""

    project: str = Field(default="", description="Project that requests are billed to; empty for the bucket's own.")
    endpoint: str = Field(
        default="", pattern=r"^(https?://[^\s?#@]+)?$", description="URL of an emulator; empty for Google's."
    )
    anonymous: bool = Field(default=False, description="Whether to send no credentials, as emulators want it.")
    credentials_file: str = Field(
        default="", description="Key file of a service account, where the usual chain of credentials has none."
    )
    storage_class: str = Field(
        default="", pattern=r"^[A-Z0-9_]*$", description="Storage class such as NEARLINE; empty for the bucket's."
    )
    kms_key: str = Field(
        default="",
        pattern=r"^(projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+)?$",
        description="Cloud KMS key that objects are encrypted with; empty for the bucket's.",
    )
    acl: Literal[
        "",
        "authenticatedRead",
        "bucketOwnerFullControl",
        "bucketOwnerRead",
        "private",
        "projectPrivate",
        "publicRead",
    ] = Field(default="", description="Predefined ACL of each object; empty for none, as uniform access wants it.")

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if self.anonymous and self.credentials_file:
            raise ValueError("anonymous and credentials_file contradict each other")
        return self
