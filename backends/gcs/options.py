"""The options of ``lading.backends.gcs.storage``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..cloud.options import CloudOptions


class GcsStorageOptions(CloudOptions):
    """Options of ``GcsStorage``."""

    project: str = Field(default="", description="Project that pays for requests. Empty takes the bucket's project.")
    endpoint: str = Field(
        default="", pattern=r"^(https?://[^\s?#@]+)?$", description="URL of an emulator. Empty picks Google's."
    )
    anonymous: bool = Field(
        default=False, description="Whether to send requests without credentials, as emulators require."
    )
    credentials_file: str = Field(
        default="",
        description=(
            "Key file of a service account, for when the default credential chain (environment, gcloud,"
            " machine, workload) has no credentials."
        ),
    )
    storage_class: str = Field(
        default="",
        pattern=r"^[A-Z0-9_]*$",
        description="Storage class of new objects, such as NEARLINE. Empty takes the bucket's default.",
    )
    kms_key: str = Field(
        default="",
        pattern=r"^(projects/[^/\s]+/locations/[^/\s]+/keyRings/[^/\s]+/cryptoKeys/[^/\s]+)?$",
        description=(
            "Cloud KMS key that encrypts objects, as projects/P/locations/L/keyRings/R/cryptoKeys/K. Empty"
            " takes the bucket's default."
        ),
    )
    acl: Literal[
        "",
        "authenticatedRead",
        "bucketOwnerFullControl",
        "bucketOwnerRead",
        "private",
        "projectPrivate",
        "publicRead",
    ] = Field(
        default="",
        description=(
            "Predefined ACL of each object, such as publicRead. Empty sends no ACL, as uniform bucket-level"
            " access requires."
        ),
    )

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if self.anonymous and self.credentials_file:
            raise ValueError("anonymous and credentials_file contradict each other")
        return self
