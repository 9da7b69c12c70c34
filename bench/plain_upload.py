"""Downloads images and puts them into a bucket with requests and botocore in threads: the plain script of the section
``large``.

    python -m bench.plain_upload URLS BUCKET ENDPOINT THREADS

The credentials come from the environment.
"""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import SpooledTemporaryFile

import requests
from botocore.config import Config
from botocore.session import Session

PIECE = 1 << 20

local = threading.local()


def copy(number: int, url: str, bucket: str, endpoint: str) -> None:
    """Download one image into a file, and send that."""
    if not hasattr(local, "session"):
        local.session = requests.Session()
        local.client = Session().create_client(
            "s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"})
        )
    with SpooledTemporaryFile(PIECE) as spool:
        with local.session.get(url, stream=True, timeout=60) as answer:
            answer.raise_for_status()
            for piece in answer.iter_content(PIECE):
                spool.write(piece)
        spool.seek(0)
        local.client.put_object(Bucket=bucket, Key=f"{number}", Body=spool, ContentType="image/png")


def main() -> None:
    """Copy all."""
    listed, bucket, endpoint, threads = sys.argv[1:5]
    urls = Path(listed).read_text(encoding="utf-8").split()
    with ThreadPoolExecutor(int(threads)) as pool:
        for future in [pool.submit(copy, number, url, bucket, endpoint) for number, url in enumerate(urls)]:
            future.result()


if __name__ == "__main__":
    main()
