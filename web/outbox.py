"""The sandbox's outbox in the browser; these routes exist only while the sandbox is the channel set."""

from __future__ import annotations

import threading
from pathlib import Path

from fastapi import APIRouter
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from channels.outbox import build_outbox, is_stale
from pushpull.db import reading
from pushpull.ledger.tables import wave
from web.site import Site, site_of

router = APIRouter()

#: Messages bring their own styles and are shown in frames without scripts; nothing is loaded from elsewhere.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_TYPES = {".html": "text/html", ".eml": "text/plain", ".txt": "text/plain", ".json": "application/json"}
_building = threading.Lock()


def to_index(_: Request) -> Response:
    """The folder has a slash, so that its pages find each other."""
    return RedirectResponse("/outbox/", status_code=308)


def index(request: Request) -> Response:
    """The first page, made anew when messages came since."""
    site = site_of(request)
    folder = site.settings.outbox_dir
    with _building:
        if is_stale(folder):
            build_outbox(folder, wave_names=_wave_names(site))
    return _file(folder / "index.html")


def one_file(request: Request) -> Response:
    """A page or a message."""
    folder = site_of(request).settings.outbox_dir.resolve()
    asked = request.path_params["path"]
    if "\0" in asked:
        raise HTTPException(404)
    path = (folder / asked).resolve()
    is_message = path.is_relative_to(folder / "messages") and not path.name.startswith(".")
    is_page = path.parent == folder and path.suffix == ".html"
    if not (is_message or is_page):
        raise HTTPException(404)
    return _file(path)


router.add_route("/outbox", to_index, methods=["GET"])
router.add_route("/outbox/", index, methods=["GET"])
router.add_route("/outbox/{path:path}", one_file, methods=["GET"])


def _wave_names(site: Site) -> dict[int, str]:
    with reading(site.engine) as connection:
        return {row.id: row.key for row in connection.execute(select(wave.c.id, wave.c.key))}


def _file(path: Path) -> Response:
    try:
        is_there = path.is_file()
    except OSError:  # a name longer than the disk allows
        is_there = False
    if not is_there:
        raise HTTPException(404)
    kind = _TYPES.get(path.suffix, "application/octet-stream")
    return FileResponse(path, media_type=kind, headers={"Content-Security-Policy": _POLICY})
