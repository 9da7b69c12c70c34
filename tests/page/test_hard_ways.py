"""The long form: links of which some fail, and files while the service is killed and the page loaded again."""

import hashlib
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lading.plugins.testing.images import jpeg, noise_jpeg
from lading.plugins.testing.origin import answer
from tests.page.browsing import free_of_token, opened_tab
from tests.page.conftest import OpenTab, Site
from tests.page.test_adding import rows, submit
from tests.support.servers.processes import HttpClient, ServiceProcess, wait_until
from tests.support.servers.programs.ports import free_port
from tests.support.servers.service import CONF, environment, token

pytestmark = [pytest.mark.long_form, pytest.mark.timeout(600)]


def test_two_hundred_links_of_which_twenty_fail_at_first(open_tab: OpenTab, site: Site) -> None:
    image = {"Content-Type": "image/jpeg"}
    paths = [f"/many/{number}.jpg" for number in range(200)]
    broken = paths[::10]
    bodies = {path: jpeg(20 + number, 20, seed=number) for number, path in enumerate(paths)}
    site.origin.routes |= {path: answer(bodies[path], headers=image) for path in paths if path not in broken}
    credentials = token(album="many", abilities=("image_upload", "image_list"))
    with open_tab() as tab:
        tab.sign_in(credentials)
        tab.page.get_by_label("Links", exact=True).fill(" and ".join(map(site.origin.url, paths)))
        submit(tab, "Import 200 links")
        lead = tab.page.locator("main > div .lead")
        expect(lead).to_have_text("180 done, 20 failed", timeout=300_000)
        tab.page.get_by_role("button", name="Failed 20").click()
        expect(rows(tab)).to_have_count(20)
        site.origin.routes |= {path: answer(bodies[path], headers=image) for path in broken}
        tab.page.get_by_role("button", name="Try all 20 failed again").click()
        expect(lead).to_have_text("200 done", timeout=300_000)
        free_of_token(tab, credentials)
    stored = {hashlib.sha256(found.read_bytes()).digest() for found in site.images.rglob("*") if found.is_file()}
    assert {hashlib.sha256(body).digest() for body in bodies.values()} <= stored


def test_thirty_files_while_the_service_dies_twice(browser: Browser, tmp_path: Path) -> None:
    port = free_port()
    conf = tmp_path / "service.conf"
    conf.write_text(CONF.replace("port = 0", f"port = {port}"), encoding="utf-8")
    environ = environment(
        tmp_path, LADING_SERVICE__LOG_FORMAT="json", LADING_UPLOADS__DIRECTORY=str(tmp_path / "uploads")
    )
    command = ("serve", "--config", str(conf))
    files = tmp_path / "files"
    files.mkdir()
    for number in range(30):
        (files / f"{number:02}.jpg").write_bytes(noise_jpeg(1500, seed=number))
    client = HttpClient(f"http://127.0.0.1:{port}", token(admin=True))

    def done() -> int:
        imports = client.get("/api/v1/imports?album_id=killed&status=done&limit=200")[1]["imports"]
        return len(imports)

    with opened_tab(browser, client.base) as tab:
        tab.expected += ["ERR_", "status of 409", "status of 423", "status of 503"]
        with ServiceProcess(command, environ, tmp_path) as first:
            first.wait_for("listening")
            tab.sign_in(token(album="killed", abilities=("image_upload", "image_list")))
            tab.page.locator("input[webkitdirectory]").set_input_files(files)
            submit(tab, "Import 30 files")
            wait_until(lambda: done() >= 4, 120)
            first.kill()
        tab.page.wait_for_timeout(1000)
        with ServiceProcess(command, environ, tmp_path) as second:
            second.wait_for("listening")
            wait_until(lambda: done() >= 10, 120)
            tab.page.reload()
            wait_until(lambda: done() >= 15, 120)
            second.kill()
        with ServiceProcess(command, environ, tmp_path) as third:
            third.wait_for("listening")
            expect(tab.page.locator("main > div .lead")).to_have_text("30 done", timeout=240_000)
            imports = client.get("/api/v1/imports?album_id=killed&limit=200")[1]["imports"]
    assert sorted((one["params"]["filename"], one["status"]) for one in imports) == [
        (path.name, "done") for path in sorted(files.iterdir())
    ]
    stored = sorted(path.read_bytes() for path in (tmp_path / "images").rglob("*") if path.is_file())
    assert stored == sorted(path.read_bytes() for path in files.iterdir())
