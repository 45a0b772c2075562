"""The web app of this installation, for a server to run: ``uvicorn web.asgi:app``."""

from __future__ import annotations

from channels.callbacks.of_accounts import keys_of
from tasks.ingest import fold_news
from tasks.installation import installation
from tasks.mailing import carry_letters
from web.app import create_app
from web.folding import Folding

_here = installation()

app = create_app(
    _here.settings,
    _here.engine,
    callbacks=keys_of(_here.accounts, public_url=_here.settings.base_url),
    letters=carry_letters,
)
app.state.folding = Folding(fold_news)
