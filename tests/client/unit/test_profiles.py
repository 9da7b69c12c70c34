"""Where the url and the token come from."""

import stat
from pathlib import Path

import pytest

from lading.client import Client, Profile, ProfileError, config_path, load_profiles, resolve, save_profile

TOKEN = "a-secret-token"


def test_profiles_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "lading" / "client.toml"
    assert load_profiles(path) == ({}, "default")
    work = Profile("https://work.example", TOKEN)
    odd = Profile("http://127.0.0.1:8080", '"\\\n\x00\x7fü')
    assert save_profile("work", work, path=path) == path
    save_profile("odd_1", odd, path=path)
    assert load_profiles(path) == ({"work": work, "odd_1": odd}, "work")
    save_profile("odd_1", work, path=path, is_default=True)
    assert load_profiles(path) == ({"work": work, "odd_1": work}, "odd_1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["client.toml"]
    assert TOKEN not in repr(work)
    with pytest.raises(ProfileError):
        save_profile("a b", work, path=path)


def test_the_nearest_wins(tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    save_profile("work", Profile("https://work.example", "w"), path=path)
    save_profile("home", Profile("https://home.example/", "h"), path=path)
    environ = {"LADING_URL": "https://env.example", "LADING_TOKEN": "e"}

    def found(*given: str | None, profile: str | None = None, **variables: str) -> tuple[str, str]:
        one = resolve(*given, profile=profile, environ=variables, path=path)
        return one.url, one.token

    assert found("https://a.example", "a", **environ) == ("https://a.example", "a")
    assert found(None, "a", **environ) == ("https://env.example", "a")
    assert found(**environ) == ("https://env.example", "e")
    assert found(profile="home", **environ) == ("https://home.example/", "h")
    assert found(LADING_PROFILE="home") == ("https://home.example/", "h")
    assert found() == ("https://work.example", "w")
    assert found("https://home.example", profile="home") == ("https://home.example", "h")
    # The token of a profile is for the profile's own service.
    assert found("https://evil.example") == ("https://evil.example", "")
    assert found(LADING_URL="https://evil.example") == ("https://evil.example", "")
    assert found(LADING_TOKEN="e") == ("https://work.example", "e")
    with pytest.raises(ProfileError, match="no profile 'none'"):
        found(profile="none")


@pytest.mark.parametrize(
    "text",
    ["x", "profiles = 1", "default = 1", "[profiles.default]", "[profiles.default]\nurl = 'x'\ntoken = 1", "\xff"],
)
def test_a_malformed_file_is_told_without_its_token(text: str, tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    path.write_text(f'{text}\n# {TOKEN}\nx = "{TOKEN}" {TOKEN}' if text == "x" else text, encoding="latin-1")
    with pytest.raises(ProfileError, match=r"client\.toml") as error:
        resolve(environ={}, path=path)
    assert TOKEN not in str(error.value)


def test_the_file_is_where_the_system_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_path({"HOME": "/home/me"}) == Path("/home/me/.config/lading/client.toml")
    assert config_path({"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/me"}) == Path("/etc/me/lading/client.toml")
    assert config_path({"HOME": "/home/me", "XDG_CONFIG_HOME": "relative"}).is_relative_to("/home/me")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("LADING_URL", "LADING_TOKEN", "LADING_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ProfileError, match="No service is named"):
        Client()
    save_profile("default", Profile("https://images.example.org", TOKEN))
    with Client() as client:
        assert repr(client) == "Client('https://images.example.org')"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "images.example.org",
        "ftp://x/",
        "https://",
        "https://me:secret@x/",
        "https://x/?a=secret",
        "https://x:y/",
        "https://[x/",
    ],
)
def test_another_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"http://HOST") as error:
        Client(url, TOKEN)
    assert "secret" not in str(error.value)
