"""Who is logged in to, and as whom."""

import socket
from pathlib import Path

import asyncssh
import pytest

from lading.plugins import Source
from lading.plugins.errors import ConnectionLost, FetchError
from lading.plugins.testing import Body
from lading_sftp.errors import (
    CredentialsUnusable,
    HandshakeFailed,
    HostKeyRefused,
    LoginRefused,
    UserNotAllowed,
)
from lading_sftp.fetcher import SftpFetcher
from lading_sftp.harness import USERNAME, SftpHarness
from lading_sftp.server import LOOPBACK

BODY = Body(100_000)


class LoginHarness(SftpHarness):
    async def fetched(self, source: Source | None = None, **changes: object) -> bytes:
        """The file, with these options; what is done here is no case's concern."""
        fetcher = self.made(SftpFetcher(self.options(**changes)))
        try:
            async with fetcher.open(source or await self.serve(BODY)) as opened:
                return b"".join([chunk async for chunk in opened.chunks])
        finally:
            await fetcher.close()

    async def refusal(self, error: type[FetchError] | tuple[type[FetchError], ...], **changes: object) -> FetchError:
        with pytest.raises(error) as raised:
            await self.fetched(None, **changes)
        assert type(raised.value) in (error if isinstance(error, tuple) else (error,))
        assert self.server.password not in f"{raised.value}{raised.value.__cause__}"
        return raised.value

    def written(self, name: str, content: str | bytes) -> Path:
        """A file of the operator's."""
        self.place.mkdir(exist_ok=True)
        path = self.place / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def home(self, **files: str | bytes) -> Path:
        """A home folder with these files for ssh."""
        (self.place / ".ssh").mkdir(parents=True)
        for name, content in files.items():
            self.written(f".ssh/{name}", content)
        return self.place

    def vanish(self, path: Path) -> None:
        path.unlink()

    def key_file(self, key: asyncssh.SSHKey, passphrase: str | None = None) -> Path:
        return self.written("id_ed25519", key.export_private_key(passphrase=passphrase))

    def known_hosts(self, *lines: str) -> Path:
        return self.written("known_hosts", "".join(line + "\n" for line in lines))


class TestLogin(LoginHarness):
    async def test_a_password_logs_in(self) -> None:
        assert await self.fetched() == BODY.whole()

    async def test_a_key_logs_in(self) -> None:
        path = self.key_file(self.server.client_key)
        assert await self.fetched(private_key=path, password="") == BODY.whole()

    async def test_an_encrypted_key_logs_in(self) -> None:
        path = self.key_file(self.server.client_key, "open sesame")
        assert await self.fetched(private_key=path, passphrase="open sesame", password="") == BODY.whole()

    async def test_a_key_that_the_server_does_not_know_leaves_the_password(self) -> None:
        path = self.key_file(asyncssh.generate_private_key("ssh-ed25519"))
        assert await self.fetched(private_key=path) == BODY.whole()

    async def test_a_wrong_password_is_refused(self) -> None:
        error = await self.refusal(LoginRefused, password="wrong")
        assert not error.retryable

    async def test_an_unknown_user_is_refused(self) -> None:
        await self.refusal(LoginRefused, username="somebody")

    async def test_an_unknown_key_is_refused(self) -> None:
        path = self.key_file(asyncssh.generate_private_key("ssh-ed25519"))
        await self.refusal(LoginRefused, private_key=path, password="")

    async def test_the_user_of_the_url_logs_in_where_that_is_allowed(self) -> None:
        source = await self.serve(BODY)
        named = Source(source.url.replace("sftp://", f"sftp://{USERNAME}@"))
        assert await self.fetched(named, username="somebody", allow_users=(USERNAME,)) == BODY.whole()
        with pytest.raises(UserNotAllowed):
            await self.fetched(named, username="somebody")

    @pytest.mark.parametrize("content", ["", "no key"])
    async def test_a_file_that_holds_no_key_is_the_operators_concern(self, content: str) -> None:
        path = self.written("id_ed25519", content)
        error = await self.refusal(CredentialsUnusable, private_key=path)
        assert error.retryable
        assert "private_key" in error.internal

    async def test_a_wrong_passphrase_is_the_operators_concern(self) -> None:
        path = self.key_file(self.server.client_key, "open sesame")
        error = await self.refusal(CredentialsUnusable, private_key=path, passphrase="closed")
        assert "closed" not in f"{error}{error.__cause__}"

    async def test_a_key_is_read_anew_for_each_fetch(self) -> None:
        path = self.key_file(asyncssh.generate_private_key("ssh-ed25519"))
        fetcher = SftpFetcher(self.options(private_key=path, password=""))
        source = await self.serve(BODY)
        with pytest.raises(LoginRefused):
            async with fetcher.open(source):
                pass
        self.key_file(self.server.client_key)
        async with fetcher.open(source) as opened:
            assert opened.content_length == BODY.size
        self.vanish(path)
        with pytest.raises(CredentialsUnusable):
            async with fetcher.open(source):
                pass
        await fetcher.close()


class TestHostKeys(LoginHarness):
    """A server that does not prove itself is given no password."""

    async def test_a_file_of_known_hosts_is_read(self) -> None:
        path = self.known_hosts("# ours", f"[{LOOPBACK}]:{self.server.facts.port} {self.server.facts.host_key}")
        assert await self.fetched(known_hosts=path, host_keys=()) == BODY.whole()

    async def test_both_places_count(self) -> None:
        path = self.known_hosts(f"elsewhere.example {_other_key()}")
        assert await self.fetched(known_hosts=path) == BODY.whole()

    async def test_an_unknown_server_is_refused(self) -> None:
        error = await self.refusal(HostKeyRefused, host_keys=(f"elsewhere.example {self.server.facts.host_key}",))
        assert not error.retryable

    async def test_another_key_is_refused(self) -> None:
        await self.refusal(HostKeyRefused, host_keys=(f"{LOOPBACK} {_other_key()}",))

    async def test_a_key_of_another_algorithm_is_refused(self) -> None:
        key = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
        # The server finds no common algorithm either and hangs up, which may be seen first: that is worth another try.
        for _ in range(5):
            error = await self.refusal((HandshakeFailed, ConnectionLost), host_keys=(f"{LOOPBACK} {key}",))
            if not error.retryable:
                break
        assert isinstance(error, HandshakeFailed)

    async def test_a_revoked_key_is_refused(self) -> None:
        path = self.known_hosts(f"@revoked {LOOPBACK} {self.server.facts.host_key}")
        await self.refusal(HostKeyRefused, known_hosts=path)

    async def test_an_empty_file_trusts_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(self.home(known_hosts=f"{LOOPBACK} {self.server.facts.host_key}\n")))
        await self.refusal(HostKeyRefused, known_hosts=self.known_hosts(), host_keys=())

    async def test_a_damaged_file_is_the_operators_concern(self) -> None:
        error = await self.refusal(CredentialsUnusable, known_hosts=self.known_hosts("@nonsense a b"))
        assert "known_hosts" in error.internal


class TestHome(LoginHarness):
    """What the service's own user has for ssh does not count."""

    async def test_neither_configuration_nor_agent_nor_keys_of_the_user_are_used(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = await self.serve(BODY)
        home = self.home(
            id_ed25519=self.server.client_key.export_private_key(),
            config="Host *\n  Port 1\n  ProxyCommand false\n  User nobody\n",
        )
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(home)
        with socket.socket(socket.AF_UNIX) as agent:
            agent.bind("agent")
            agent.listen()
            agent.setblocking(False)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "agent"))
            assert await self.fetched(source) == BODY.whole()
            await self.refusal(LoginRefused, password="wrong")
            with pytest.raises(BlockingIOError):
                agent.accept()


def _other_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
