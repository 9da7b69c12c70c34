"""The files that a connection string names, and what keeps the driver from using them."""

import ssl
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

CA = "tlsCAFile"
KEY = "tlsCertificateKeyFile"
KEY_PASSWORD = "tlsCertificateKeyFilePassword"  # noqa: S105 - the name of an option


def fault_of_files(uri: str) -> str | None:
    """What is wrong with a file that the URI names; None if the driver can use all of them. Blocks.

    The text repeats nothing else of the URI.
    """
    try:
        given = {name.lower(): value for name, value in parse_qsl(urlsplit(uri).query)}
    except ValueError:
        return None
    password = given.get(KEY_PASSWORD.lower(), "")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    loaders: tuple[tuple[str, str, Callable[[str], None]], ...] = (
        (CA, "has no certificate in PEM", context.load_verify_locations),
        (
            KEY,
            "has no certificate with its key in PEM, or another password",
            # A function, since the library would otherwise ask for it at the terminal.
            lambda path: context.load_cert_chain(path, password=lambda: password),
        ),
    )
    for option, problem, load in loaders:
        path = given.get(option.lower())
        if path is None:
            continue
        try:
            load(path)
        except ssl.SSLError:
            return f"{option}={path}: the file {problem}"
        except OSError as error:
            return f"{option}={path}: the file cannot be read: {error.strerror}"
    return None
