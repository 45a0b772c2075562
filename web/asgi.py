"""The web app of this installation, for a server to run: ``uvicorn web.asgi:app``."""

from __future__ import annotations

from tasks.installation import installation
from web.app import create_app

app = create_app(installation().settings, installation().engine)
