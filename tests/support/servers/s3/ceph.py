"""A real Ceph on one machine, without persistence: a monitor, an OSD in memory, and the S3 gateway (radosgw).

From Debian's packages ``ceph-mon``, ``ceph-osd``, ``ceph-common`` and ``radosgw``: installed, or unpacked by
``dpkg -x`` with all that they depend on into the folder that ``LADING_TEST_CEPH`` names. Without them a test is
skipped, unless ``LADING_REQUIRE`` names ``ceph``.
"""

import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.servers.programs import located, started
from tests.support.servers.programs.ports import free_port
from tests.support.servers.s3.real import RealEndpoint

_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/ceph", "usr/lib/ceph", "lib/x86_64-linux-gnu")
_CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_data_avail_crit = 1
osd_objectstore = memstore
memstore_device_bytes = 4294967296
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
run_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
pid_file =
erasure_code_dir = {libraries}/ceph/erasure-code
plugin_dir = {libraries}/ceph
osd_class_dir = {libraries}/rados-classes
"""


class _Cluster:
    """The files of a cluster, and its programs."""

    def __init__(self, folder: Path) -> None:
        root = Path(os.environ.get("LADING_TEST_CEPH", "/"))
        self._bin, self._folder = root / "usr" / "bin", folder
        remedy = "install Debian's ceph-mon, ceph-osd, ceph-common and radosgw, or see LADING_TEST_CEPH"
        for program in ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin"):
            located(program, "ceph", str(self._bin), remedy)
        self.environ: Mapping[str, str] = {
            "LD_LIBRARY_PATH": os.pathsep.join(str(root / name) for name in _LIBRARIES),
            "PYTHONPATH": str(root / "usr" / "lib" / "python3" / "dist-packages"),
        }
        self.fsid, self.monitor = str(uuid.uuid4()), free_port()
        (folder / "osd").mkdir()
        (folder / "rgw").mkdir()
        given = {"fsid": self.fsid, "monitor": self.monitor, "folder": folder, "libraries": root / _LIBRARIES[0]}
        (folder / "ceph.conf").write_text(_CONFIGURATION.format(**given), encoding="ascii")

    def command(self, program: str, *arguments: str) -> tuple[str, ...]:
        return (str(self._bin / program), "-c", str(self._folder / "ceph.conf"), *arguments)

    def run(self, *command: str) -> None:
        environ = {**os.environ, **self.environ}
        done = subprocess.run(command, cwd=self._folder, env=environ, capture_output=True, check=False, timeout=90)
        assert done.returncode == 0, (command, done.stderr.decode(errors="replace")[-2000:])

    @contextmanager
    def daemon(self, program: str, name: str) -> Iterator[None]:
        """Run a daemon, which is killed at the end: nothing of it is to stay."""
        environ = {**os.environ, **self.environ}
        with (self._folder / f"{program}.out").open("wb") as output:
            command = self.command(program, "-i", name, "-f")
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ) as one:
                try:
                    yield
                finally:
                    one.kill()


@contextmanager
def ceph(folder: Path) -> Iterator[RealEndpoint]:
    """Run a cluster and its gateway until the block is left. Blocks; it takes 15 seconds to start."""
    cluster = _Cluster(folder)
    tool = str(Path(cluster.command("monmaptool")[0]))
    address = f"[v2:127.0.0.1:{cluster.monitor}]"
    cluster.run(tool, "--create", "--addv", "a", address, "--fsid", cluster.fsid, str(folder / "monmap"))
    cluster.run(*cluster.command("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(folder / "monmap")))
    with ExitStack() as stack:
        stack.enter_context(cluster.daemon("ceph-mon", "a"))
        disk = str(uuid.uuid4())
        cluster.run(*cluster.command("ceph", "osd", "new", disk))
        cluster.run(*cluster.command("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk))
        stack.enter_context(cluster.daemon("ceph-osd", "0"))
        keys = ("--access-key", RealEndpoint.access_key_id, "--secret-key", RealEndpoint.secret_access_key)
        user = ("--uid", "lading", "--display-name", "lading", *keys)
        cluster.run(*cluster.command("radosgw-admin", "-n", "client.rgw", "user", "create", *user))
        url = f"http://127.0.0.1:{free_port()}"
        # Its own defaults come before the section [global].
        own = ("--auth_client_required", "none", "--ms_mon_client_mode", "crc")
        frontend = ("--rgw_frontends", f"beast endpoint={url.removeprefix('http://')}")
        command = cluster.command("radosgw", "-n", "client.rgw", "-f", *own, *frontend)
        process = stack.enter_context(started(command, folder / "radosgw.log", url, cluster.environ))
        yield RealEndpoint(url, process)
