"""Where the service is, and the token: arguments, the environment, or ``~/.config/lading/client.toml``.

    default = "work"

    [profiles.work]
    url = "https://images.example.org"
    token = "..."

``LADING_URL`` and ``LADING_TOKEN`` take precedence over the file, ``LADING_PROFILE`` chooses a profile of it. Nothing
here imports httpx, so that commands start quickly.
"""

import json
import os
import re
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

DEFAULT: Final = "default"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ProfileError(ValueError):
    """There is no such profile, or the file is malformed. The message holds no token."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A service and a token for it.

    Attributes:
        url: of the service, such as ``https://images.example.org``.
        token: a JWT; empty where there is none yet.
    """

    url: str
    token: str = field(default="", repr=False)


def config_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The file with the profiles: below ``XDG_CONFIG_HOME``, if that is an absolute path, else ``~/.config``."""
    base = environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return folder / "lading" / "client.toml"


def load_profiles(path: Path | None = None) -> tuple[Mapping[str, Profile], str]:
    """The profiles of a file by their names, and the name of the default one. None if there is no file.

    Raises:
        ProfileError: it is malformed, or not readable.
    """
    path = path or config_path()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, DEFAULT
    except (OSError, ValueError) as error:
        # A fault of TOML names its place, and never quotes what is there.
        raise ProfileError(f"{path} cannot be read: {error}") from None
    profiles = content.get("profiles", {})
    default = content.get("default", DEFAULT)
    if not isinstance(profiles, dict) or not isinstance(default, str):
        raise ProfileError(f"{path}: 'profiles' must be a table, and 'default' a string.")
    return {name: _profile(path, name, one) for name, one in profiles.items()}, default


def resolve(
    url: str | None = None,
    token: str | None = None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
    path: Path | None = None,
) -> Profile:
    """The service and the token: what is given, then the environment, then the profile.

    A profile that is named explicitly takes precedence over ``LADING_URL`` and ``LADING_TOKEN``. A token of a profile
    is only for the profile's own service: with another url it is not used.

    Raises:
        ProfileError: there is no url, no such profile, or the file is malformed.
    """
    if profile is None:
        url = url or environ.get("LADING_URL")
        token = token or environ.get("LADING_TOKEN")
    if url and token:
        return Profile(url, token)
    profiles, default = load_profiles(path or config_path(environ))
    name = profile or environ.get("LADING_PROFILE")
    if name and name not in profiles:
        raise ProfileError(f"There is no profile {name!r}. 'lading login' makes one.")
    found = profiles.get(name or default)
    if found is None:
        if url:
            return Profile(url, token or "")
        raise ProfileError("No service is named: give its url, set LADING_URL, or run 'lading login'.")
    is_its_own = not url or url.rstrip("/") == found.url.rstrip("/")
    return Profile(url or found.url, token or (found.token if is_its_own else ""))


def save_profile(name: str, profile: Profile, *, path: Path | None = None, is_default: bool = False) -> Path:
    """Write a profile, beside the others, into a file that only its owner may read; the path of the file.

    The first profile becomes the default one. Comments in the file are lost.

    Raises:
        ProfileError: the name is malformed, or the file is.
        OSError: the file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ProfileError("The name of a profile has 1 to 64 letters, digits, '-' and '_'.")
    path = path or config_path()
    profiles, default = load_profiles(path)
    chosen = name if is_default or not profiles else default
    lines = [f"default = {_quoted(chosen)}"]
    for each, one in sorted({**profiles, name: profile}.items()):
        lines += ["", f"[profiles.{_quoted(each)}]", f"url = {_quoted(one.url)}", f"token = {_quoted(one.token)}"]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return path


def _profile(path: Path, name: str, table: Any) -> Profile:
    url, token = (table.get("url"), table.get("token", "")) if isinstance(table, dict) else (None, None)
    if not isinstance(url, str) or not url or not isinstance(token, str):
        raise ProfileError(f"{path}: the profile {name!r} needs 'url' and 'token', both strings.")
    return Profile(url, token)


def _quoted(text: str) -> str:
    """A basic string of TOML: its escapes are those of JSON, and DEL has one too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
