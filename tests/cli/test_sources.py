"""`pushpull source`: systems that may send, let in and shut out on the command line."""

from __future__ import annotations

import re

from sqlalchemy import Engine, select

from pushpull.db import reading
from pushpull.importers.sources import SourceKind, digest_of, named_source
from pushpull.importers.tables import ingest_source
from pushpull.ledger.tables import audit
from tests.cli.conftest import Command

WHY = ("--why", "an agreed rule")


def test_a_secret_is_shown_once_and_opens_until_the_source_is_ended(company: Command, ledger: Engine) -> None:
    assert company("source", "list").out.startswith("no system may send")
    said = company("source", "add", "player", "--kind", "xapi", *WHY).out
    secret = re.search(r"secret +([0-9a-f]{64})\n", said)
    assert secret is not None
    assert "/xapi/\n" in said
    assert "signing key" not in said
    listed = company("source", "list").out
    assert "player" in listed
    assert secret.group(1) not in listed
    with reading(ledger) as connection:
        assert named_source(connection, SourceKind.XAPI, "player", secret.group(1)) is not None
        assert secret.group(1) not in str(connection.execute(select(ingest_source)).all())
    assert company("source", "end", "player", *WHY).out == "player may not send any more\n"
    with reading(ledger) as connection:
        assert named_source(connection, SourceKind.XAPI, "player", secret.group(1)) is None
        lines = connection.execute(select(audit.c.who, audit.c.what, audit.c.subject).order_by(audit.c.id)).all()
    assert [tuple(line) for line in lines][-2:] == [
        ("ada", "source added", "source player"),
        ("ada", "source ended", "source player"),
    ]
    assert company("source", "end", "player", *WHY).error == "no source 'player' is open"
    again = company("source", "add", "player", "--kind", "xapi", *WHY).out
    assert secret.group(1) not in again


def test_a_web_hook_is_shown_its_signing_key_and_needs_a_map(company: Command) -> None:
    said = company("source", "add", "moodle", "--kind", "webhook", "--preset", "moodle", *WHY).out
    found = re.search(r"secret +([0-9a-f]{64})\n *signing key +([0-9a-f]{64}) ", said)
    assert found is not None
    assert digest_of(found.group(1)) == found.group(2)
    assert "/hooks/moodle\n" in said
    assert "a webhook needs a --preset" in company("source", "add", "other", "--kind", "webhook", *WHY).error
    unknown = company("source", "add", "other", "--kind", "webhook", "--preset", "x", *WHY)
    assert "there is no map 'x'; there are: canvas, generic, moodle" in unknown.error


def test_what_makes_no_source_is_told(company: Command) -> None:
    assert company("source", "add", "directory", "--kind", "scim", *WHY).code == 0
    assert "already" in company("source", "add", "directory", "--kind", "scim", *WHY).error
    assert "no name for a source" in company("source", "add", "Ada Lovelace", "--kind", "scim", *WHY).error
    senseless = company("source", "add", "x", "--kind", "scim", "--preset", "moodle", *WHY)
    assert "other kinds have none" in senseless.error
    wrong = company("source", "add", "x", "--kind", "ftp", *WHY)
    assert wrong.code == 2
    assert company("source", "list").out.count("scim") == 1
