"""What is configured here, what is missing, and how to fix it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from pushpull.db import open_database, reading
from pushpull.learners.vocabulary import Channel
from pushpull.settings import Settings

#: How often a doctor that waits looks again.
_AGAIN_SECONDS = 2.0

#: What an empty database, or one that is not there, is at.
NOTHING = "nothing"


class Health(StrEnum):
    """How a check came out."""

    GOOD = "ok"
    NOTE = "note"
    BAD = "to fix"


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Args:
        fix: what to do about it; empty when nothing is to be done.
    """

    name: str
    health: Health
    found: str
    fix: str = ""


def examine() -> list[Check]:
    """Look at everything an installation needs."""
    checks = [_python()]
    try:
        chosen = Settings()
    except ValidationError as error:
        return [*checks, *_unusable(error)]
    return [*checks, *_database(chosen), *_content(chosen), *_messages(chosen), *_prefect()]


def examine_until_well(seconds: float) -> list[Check]:
    """Look, and look again until nothing is to be fixed.

    Args:
        seconds: how long at the most; 0: once.

    Returns:
        What was found last.
    """
    give_up = time.monotonic() + seconds
    while True:
        checks = examine()
        if all(check.health is not Health.BAD for check in checks) or time.monotonic() + _AGAIN_SECONDS > give_up:
            return checks
        time.sleep(_AGAIN_SECONDS)


def schema() -> tuple[str, bool]:
    """The revision the configured database is at, and whether it is behind this release; nothing is changed.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: it does not answer.
    """
    from pushpull.migrations import current, is_behind

    engine = open_database(Settings().database_url)
    if _is_missing(engine):
        return NOTHING, True
    found = current(engine)
    return found or NOTHING, found is None or is_behind(found)


def _is_missing(engine: Engine) -> bool:
    """Whether it is an SQLite file that is not there: looking into it would make it."""
    name = engine.url.database
    return engine.dialect.name == "sqlite" and bool(name) and not Path(str(name)).exists()


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    good = sys.version_info >= (3, 11)
    return Check("Python", Health.GOOD if good else Health.BAD, version, "" if good else "install Python 3.11 or newer")


def _unusable(error: ValidationError) -> Iterator[Check]:
    for problem in error.errors():
        place = "_".join(str(part) for part in problem["loc"])
        name = f"PUSHPULL_{place.upper()}" if place else "settings"
        found = problem["msg"].removeprefix("Value error, ")
        yield Check(name, Health.BAD, found, "correct it in the environment or in .env; see .env.example")


def _database(chosen: Settings) -> Iterator[Check]:
    kind = chosen.database_url.split(":", 1)[0]
    try:
        engine = open_database(chosen.database_url)
    except (ValueError, SQLAlchemyError) as error:
        fix = "set PUSHPULL_DATABASE_URL to sqlite:///path or postgresql://user:password@host/db"
        yield Check("database", Health.BAD, str(error).splitlines()[0], fix)
        return
    yield from _schema(engine, kind)


def _schema(engine: Engine, kind: str) -> Iterator[Check]:
    from pushpull.learners.tables import learner
    from pushpull.ledger.switches import Switches, switches
    from pushpull.ledger.tables import campaign
    from pushpull.migrations import current, is_behind, newest

    if _is_missing(engine):
        yield Check("database", Health.NOTE, f"{kind}, not there yet", "nothing to do: the first command makes it")
        return
    try:
        found, wanted = current(engine), newest()
    except SQLAlchemyError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        yield Check("database", Health.BAD, f"{kind}: {reason}", "start it, or correct PUSHPULL_DATABASE_URL")
        return
    if found is None or is_behind(found):
        yield Check("schema", Health.NOTE, f"at {found or 'nothing'}, newest is {wanted}", "run: pushpull upgrade")
        return
    if found != wanted:
        fix = "fine while a release is rolled out or taken back; else deploy the newer one here too"
        yield Check("schema", Health.NOTE, f"at {found}, which is newer than this release's {wanted}", fix)
    yield Check("database", Health.GOOD, f"{kind}, schema {found}")
    with reading(engine) as connection:
        people = connection.execute(select(func.count()).select_from(learner)).scalar_one()
        campaigns = connection.execute(select(func.count()).select_from(campaign)).scalar_one()
        now_set = switches(connection)
    if now_set != Switches():
        yield Check("switches", Health.NOTE, now_set.sentence(), "fine if meant so; else: pushpull switch")
    if people:
        yield Check("learners", Health.GOOD, f"{people} learners, {campaigns} campaigns")
    else:
        yield Check("learners", Health.NOTE, "none", "run: pushpull import people FILE")


def _content(chosen: Settings) -> Iterator[Check]:
    from content.campaign import campaign_keys
    from content.lint import Severity, lint_content

    if not chosen.content_dir.is_dir():
        yield Check("content", Health.BAD, f"no folder {chosen.content_dir}", "set PUSHPULL_CONTENT_DIR")
        return
    keys = campaign_keys(chosen.content_dir)
    errors = sum(finding.severity is Severity.ERROR for finding in lint_content(chosen.content_dir))
    if errors:
        yield Check("content", Health.BAD, f"{len(keys)} campaigns, {errors} errors", "run: pushpull lint")
    else:
        yield Check("content", Health.GOOD, f"campaigns: {', '.join(keys) or 'none'}")


def _messages(chosen: Settings) -> Iterator[Check]:
    if chosen.is_sandbox:
        yield Check("channels", Health.GOOD, f"{chosen.channels}: nothing leaves this machine; {chosen.outbox_dir}")
    else:
        yield from _channels(chosen)
    if chosen.link_key_is_public:
        fix = "fine for the sandbox; before real channels, set PUSHPULL_LINK_KEY to 32 random bytes"
        yield Check("link key", Health.NOTE, "the public sandbox key", fix)
    else:
        yield Check("link key", Health.GOOD, "set")
    if chosen.call_deadline_seconds >= chosen.lease_seconds:
        found = f"deadline {chosen.call_deadline_seconds} s, lease {chosen.lease_seconds} s"
        yield Check("lease", Health.BAD, found, "set PUSHPULL_CALL_DEADLINE_SECONDS below PUSHPULL_LEASE_SECONDS")


#: Who carries a channel, and what it can do without, at a price.
_CARRIERS: Mapping[Channel, tuple[str, str, str]] = {
    Channel.EMAIL: ("SendGrid", "sendgrid_webhook_key", "bounces and opt-outs stay unknown"),
    Channel.TEAMS: ("Microsoft", "teams_app_id", "the bot is installed for nobody"),
    Channel.SMS: ("Twilio", "", ""),
    Channel.SLACK: ("Slack", "slack_signing_secret", "replies and opt-outs stay unknown"),
}


def _channels(chosen: Settings) -> Iterator[Check]:
    """A line per channel, from what is set; whether it works is asked by ``pushpull channel check``."""
    for channel, (provider, wanted, price) in _CARRIERS.items():
        if channel not in chosen.real_channels:
            fix = "fine if no campaign uses it; else add it to PUSHPULL_CHANNELS (docs/channels.md)"
            yield Check(channel, Health.NOTE, "not set up: its messages wait", fix)
        elif chosen.credentials_block:
            yield _block(chosen, channel, provider)
        elif wanted and not getattr(chosen, wanted):
            fix = f"set PUSHPULL_{wanted.upper()} (docs/channels.md)"
            yield Check(channel, Health.NOTE, f"{provider}; without PUSHPULL_{wanted.upper()} {price}", fix)
        else:
            found = f"{provider}, credentials in PUSHPULL_ variables"
            yield Check(channel, Health.GOOD, found, f"to ask it: pushpull channel check {channel}")


def _block(chosen: Settings, channel: Channel, provider: str) -> Check:
    from channels.credentials import CredentialsMissing, with_blocks

    found = f"{provider}, credentials in the Prefect block {chosen.credentials_block!r}"
    try:
        with_blocks(chosen, [channel])
    except CredentialsMissing as error:
        return Check(channel, Health.BAD, found, str(error))
    return Check(channel, Health.GOOD, found, f"to ask it: pushpull channel check {channel}")


def _prefect() -> Iterator[Check]:
    import httpx

    release, where = version("prefect"), os.environ.get("PREFECT_API_URL", "")
    if not where:
        yield Check("Prefect", Health.NOTE, f"{release}, no server", "run: make serve")
        return
    try:
        httpx.get(f"{where}/ready", timeout=3, trust_env=False).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fix = "start it with `pushpull serve`, or correct PREFECT_API_URL"
        yield Check("Prefect", Health.BAD, f"{release}, no answer from {where} ({type(error).__name__})", fix)
        return
    from deployments.prefect_checks import examine_server

    yield from examine_server(release, where)


def env_example() -> str:
    """The text of ``.env.example``: every setting with its description and default."""
    lines = ["# Settings of Pushpull. Copy to .env and change what you need; a variable in the environment wins.", ""]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        if name == "content_dir":
            default = "content"
        shown = "" if default in (None, PydanticUndefined) else default
        lines += [f"# {field.description}", f"# PUSHPULL_{name.upper()}={shown}", ""]
    return "\n".join(lines)
