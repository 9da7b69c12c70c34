"""The typed model of ``[issuer.<id>]``."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from ...models.issuers import Algorithm
from ...secrets.keys import usable_key
from ..fields import Section, none_if_empty, refused

# A public key is declared as a secret: a message must not show a private key that was confused with it.
Key = Annotated[SecretStr | None, BeforeValidator(none_if_empty)]


class IssuerSection(Section):
    """``[issuer.<id>]``: an API key; see ``lading.service.models.issuers.Issuer``. It has secrets or else public
    keys.
    """

    organization_id: str = Field(
        min_length=1, max_length=255, description="Organisation that owns the issuer's imports."
    )
    algorithm: Algorithm = Field(
        Algorithm.HS256,
        description=(
            "The only algorithm that Lading accepts from the issuer: HS256, HS384 or HS512 with a secret;"
            " RS256, ES256 or EdDSA with a public key."
        ),
    )
    secret: Key = Field(
        None,
        description=(
            "HMAC key: at least 32 bytes for HS256, 48 for HS384, 64 for HS512 (RFC 7518 section 3.2). These"
            " algorithms require it."
        ),
    )
    previous_secret: Key = Field(
        None, description="Previous HMAC key. Lading accepts it as well as secret, so that you can rotate the key."
    )
    public_key: Key = Field(
        None,
        description=(
            "Public key in PEM, such as $file:partner.pem: RSA with 2048 to 8192 bits for RS256, P-256 for"
            " ES256, Ed25519 for EdDSA. These algorithms require it."
        ),
    )
    previous_public_key: Key = Field(
        None,
        description="Previous public key. Lading accepts it as well as public_key, so that you can rotate the key.",
    )
    enabled: bool = Field(True, description="Whether Lading accepts the issuer's tokens.")
    require_exp: bool = Field(True, description="Whether the issuer's tokens must have an expiry time (exp).")

    @field_validator("secret", "previous_secret", "public_key", "previous_public_key")
    @classmethod
    def _usable(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """The key; each option is checked by itself, so that all faults are found at once."""
        algorithm = info.data.get("algorithm")
        if not isinstance(algorithm, Algorithm):  # refused itself
            return key
        name = info.field_name or ""
        if name.endswith("secret") is not algorithm.uses_secret:
            if key is not None:
                other = "secret" if algorithm.uses_secret else "public_key"
                raise refused(f"is not for {algorithm}, which needs '{other}'")
            return None
        if key is None:
            if not name.startswith("previous_"):
                raise refused("is required")
            return None
        try:
            return SecretStr(usable_key(algorithm, key.get_secret_value()))
        except ValueError as error:
            raise refused(str(error)) from None

    @property
    def keys(self) -> tuple[str, str | None]:
        """The key, and the previous key or None."""
        key, previous = self.secret, self.previous_secret
        if key is None:
            key, previous = self.public_key, self.previous_public_key
        if key is None:
            raise AssertionError("a section without a key is refused")
        return key.get_secret_value(), None if previous is None else previous.get_secret_value()
