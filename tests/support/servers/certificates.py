"""Certificates for TLS servers of tests, made when they are needed and trusted by nobody else."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@cache
def key() -> ec.EllipticCurvePrivateKey:
    """One key for all of them: nobody but the tests trusts it."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Certificate:
    """A certificate and what it is signed by, itself if that is None."""

    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def trusted_in(self, folder: Path) -> Path:
        """A file that makes it the only authority, for ``SSL_CERT_FILE``."""
        path = folder / "trusted.pem"
        path.write_bytes(self.pem)
        return path

    def server(self, folder: Path, *chain: "Certificate") -> ssl.SSLContext:
        """The context of a server that shows it, and the others behind it."""
        private = key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = folder / "server.pem"
        path.write_bytes(private + self.pem + b"".join(other.pem for other in chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def issue(
    name: str,
    issuer: Certificate | None = None,
    *,
    is_authority: bool = False,
    begins: timedelta = -DAY,
    ends: timedelta = DAY,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Certificate:
    """A certificate for a host, an address or an authority of this name.

    Args:
        name: of the subject.
        issuer: who signs it; itself if that is None.
        is_authority: whether it may sign others.
        begins, ends: when it is valid, from now.
        purpose: what it is for, unless it is an authority's.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names: list[x509.GeneralName]
        names = [x509.IPAddress(ip_address(name))] if name[0].isdigit() else [x509.DNSName(name)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return Certificate(builder.sign(key(), hashes.SHA256()))
