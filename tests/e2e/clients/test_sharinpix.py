"""The npm package ``sharinpix``, a client that was written for this API, works as it is published."""

import asyncio
import json
from pathlib import Path

import pytest

from lading.plugins.testing.images import jpeg
from lading.plugins.testing.origin import Origin, answer
from tests.support.servers import npm
from tests.support.servers.service import OTHER_ISSUER, OTHER_ORGANIZATION, SECRET, running_service

SCRIPT = """
const Sharinpix = require('sharinpix');
const {ENDPOINT, ISSUER, SECRET, IMAGE} = process.env;
Sharinpix.configure({endpoint: ENDPOINT, id: ISSUER, secret: SECRET});
const client = Sharinpix.get_instance();

async function imported(document) {
  while (!document.image_id) {
    if (document.error) throw new Error(JSON.stringify(document));
    await new Promise((resolve) => setTimeout(resolve, 50));
    document = await client.get(`/imports/${document.id}`);
  }
  return document;
}

async function main() {
  const accepted = await Sharinpix.import(IMAGE, 'album-1', {attachmentId: '00P24000003vSXsEAM'});
  const tagged = await client.post('/imports', {
    import_type: 'url', album_id: 'album-1', url: IMAGE, tags: ['a tag'], metadatas: {import_id: 7},
  });
  const csv = `${IMAGE},album-2\\n`;
  const uploads = await new Promise((resolve) => Sharinpix.multiupload(csv, (_, all) => resolve(all)));
  const documents = await Promise.all([accepted, tagged, uploads[0].value].map(imported));
  console.log(JSON.stringify({accepted, tagged, documents}));
}
main().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.mark.gen_test(timeout=120)
async def test_it_imports_and_polls_to_the_end(tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    folder = await asyncio.to_thread(npm.install, tmp_path / "client", "sharinpix@0.0.9")
    data = jpeg()
    # Its tokens never expire: the issuer has to allow that.
    async with Origin({"/a.jpg": answer(data)}) as origin, running_service(tmp_path) as service:
        environ = {
            "ENDPOINT": f"{service.url}/api/v1",
            "ISSUER": OTHER_ISSUER,
            "SECRET": SECRET + SECRET,
            "IMAGE": origin.url("/a.jpg"),
        }
        said = json.loads(await asyncio.to_thread(npm.run_node, folder, SCRIPT, **environ))
        params = said["accepted"]["params"]
        assert list(said["accepted"]) == [
            *("id", "organization_id", "image_id", "import_type", "album_id", "params", "created_at", "updated_at")
        ]
        assert said["accepted"]["organization_id"] == OTHER_ORGANIZATION
        assert params == {
            "import_type": "url",
            "album_id": "album-1",
            "url": origin.url("/a.jpg"),
            "metadatas": {"attachmentId": "00P24000003vSXsEAM"},
            "controller": "api/v1/imports",
            "action": "create",
        }
        assert said["tagged"]["params"]["tags"] == ["a tag"]
        for document in said["documents"]:
            assert (document["status"], document["import_type"]) == ("done", "url")
            assert document["image"]["byte_size"] == len(data)
        stored = [path.read_bytes() for path in (tmp_path / "images").rglob("*") if path.is_file()]
        assert stored == [data] * 3
