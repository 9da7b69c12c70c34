"""What many would write first: requests and Pillow, in a pool of threads. The plain script of ``bench.sections``.

    python plain_script.py URLS FOLDER
    python plain_script.py - FOLDER

The second reads numbers and URLs from standard input, and answers each line when its image is there.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import requests
from PIL import Image

THREADS = 64

local = threading.local()


def fetch(number: int, url: str, folder: Path) -> None:
    """Download one image, look at it, write it."""
    if not hasattr(local, "session"):
        local.session = requests.Session()
    answer = local.session.get(url, timeout=30)
    answer.raise_for_status()
    with Image.open(BytesIO(answer.content)) as image:
        image.verify()
    (folder / str(number)).write_bytes(answer.content)


def main() -> None:
    """Download all."""
    folder = Path(sys.argv[2])
    if sys.argv[1] == "-":
        for line in sys.stdin:
            number, url = line.split()
            fetch(int(number), url, folder)
            print(number, flush=True)
        return
    urls = Path(sys.argv[1]).read_text(encoding="utf-8").split()
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(fetch, number, url, folder) for number, url in enumerate(urls)]:
            future.result()


if __name__ == "__main__":
    main()
