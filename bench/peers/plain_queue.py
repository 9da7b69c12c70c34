"""What many write themselves: Flask accepts a URL, Celery on Redis fetches it, Pillow looks at it, SQLite keeps a row.

It runs in ``.venv-peers``. ``QUEUE_FOLDER`` has the database and the images, ``QUEUE_BROKER`` is the URL of Redis.
"""

import os
import sqlite3
import threading
import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import requests
from celery import Celery
from flask import Flask, Response, jsonify, request
from PIL import Image

FOLDER = Path(os.environ["QUEUE_FOLDER"])

local = threading.local()
queue = Celery("plain_queue", broker=os.environ["QUEUE_BROKER"])
queue.conf.task_ignore_result = True
queue.conf.broker_connection_retry_on_startup = True
service = Flask("plain_queue")


def database() -> sqlite3.Connection:
    """The connection of the thread. Nothing is synced to the disk before an answer."""
    if not hasattr(local, "database"):
        local.database = sqlite3.connect(FOLDER / "imports.sqlite3", timeout=60, isolation_level=None)
        local.database.execute("PRAGMA journal_mode = WAL")
        local.database.execute("PRAGMA synchronous = NORMAL")
        local.database.execute("CREATE TABLE IF NOT EXISTS imports (id TEXT PRIMARY KEY, url TEXT, status TEXT)")
    found: sqlite3.Connection = local.database
    return found


def accept() -> Response:
    """Keep a row, and tell Celery."""
    import_id = uuid.uuid4().hex
    url = request.form["url"]
    database().execute("INSERT INTO imports VALUES (?, ?, 'queued')", (import_id, url))
    queue.send_task("fetch", (import_id, url))
    return jsonify(id=import_id, status="queued")


def show(import_id: str) -> Response:
    """Tell what a row says."""
    ((status,),) = database().execute("SELECT status FROM imports WHERE id = ?", (import_id,))
    return jsonify(id=import_id, status=status)


def fetch(import_id: str, url: str) -> None:
    """Download an image, look at it, write it."""
    status: Any = "failed"
    try:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        answer = local.session.get(url, timeout=30)
        answer.raise_for_status()
        with Image.open(BytesIO(answer.content)) as image:
            image.verify()
        (FOLDER / "images" / import_id).write_bytes(answer.content)
        status = "done"
    finally:
        database().execute("UPDATE imports SET status = ? WHERE id = ?", (status, import_id))


queue.task(name="fetch")(fetch)
service.post("/imports")(accept)
service.get("/imports/<import_id>")(show)
