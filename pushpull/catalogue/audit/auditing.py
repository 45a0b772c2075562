"""The audit as a whole: read the catalogue, ask all rules, count how it is used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from pushpull.catalogue.audit.facts import FEWEST, Catalogue, read_catalogue
from pushpull.catalogue.audit.findings import Audit
from pushpull.catalogue.audit.needs import match_needs
from pushpull.catalogue.audit.rules import found_in
from pushpull.catalogue.audit.structure import broken_prerequisites
from pushpull.catalogue.audit.twins import twins
from pushpull.catalogue.audit.use import lorenz, utilisation


def audit(connection: Connection, *, as_of: datetime) -> Audit:
    """Look through the catalogue. Nothing is written.

    Args:
        as_of: the instant (aware) until which anything is known.
    """
    return examine(read_catalogue(connection, as_of=as_of))


def examine(catalogue: Catalogue) -> Audit:
    """The same for a catalogue that was read."""
    unserved, not_needed = match_needs(catalogue)
    findings = [finding for each in catalogue.items for finding in found_in(each, catalogue)]
    findings += [*twins(catalogue), *broken_prerequisites(catalogue), *not_needed]
    return Audit(
        as_of=catalogue.as_of,
        findings=tuple(sorted(findings, key=lambda each: (-each.severity.weight, each.item_key, each.rule))),
        utilisation=utilisation(catalogue),
        lorenz=lorenz([each.reach for each in catalogue.items]) if catalogue.starts >= FEWEST else (),
        unserved=unserved,
    )
