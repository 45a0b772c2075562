"""Preflight: before a wave starts, is everything there that its messages need in order to arrive?

Errors hold the wave, and a person decides; warnings are told. What is checked is in `channels.deliverability`; only
waves whose messages really leave this machine are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock

from channels.deliverability.domain import MailDomain, check_domain
from channels.deliverability.findings import Finding, error
from channels.deliverability.links import Probe, ask, check_links
from channels.deliverability.readiness import (
    check_channels,
    check_group,
    check_link_key,
    check_own_address,
    check_record,
)
from channels.deliverability.resolver import DnsResolver, Impatient, Resolver
from content.brand import load_brand
from content.campaign import Campaign
from content.source import ContentError
from pushpull.db import database_now, reading, writing
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import hold_wave
from pushpull.ledger.due import DueWave
from pushpull.ledger.preflight import (
    HELD_BY_PREFLIGHT,
    Candidate,
    candidates,
    item_links,
    mail_record,
)
from pushpull.ledger.provider_objects import unsubscribe_groups
from pushpull.ledger.vocabulary import HoldReason, MessageClass
from pushpull.settings import names_in
from tasks.approve import as_approved
from tasks.installation import Installation, installation, log
from tasks.publish import publish_table
from tasks.step import step

#: How long what the DNS said about a domain counts; shorter where it did not say everything.
_KNOWN_FOR, _UNSURE_FOR = timedelta(hours=1), timedelta(minutes=5)
_LONGEST_WHY = 2_000


@dataclass(frozen=True, eq=False)
class Outside:
    """The world the checks ask: the DNS, and the pages that links lead to."""

    resolver: Resolver
    probe: Probe
    _domains: dict[MailDomain, tuple[datetime, list[Finding]]] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def domain(self, sender: MailDomain, *, now: datetime) -> list[Finding]:
        """What is wrong with a domain, as of an hour ago at the earliest."""
        with self._lock:
            asked_at, findings = self._domains.get(sender, (None, []))
        is_unsure = any(finding.code.endswith("-unknown") for finding in findings)
        if asked_at is not None and timedelta() <= now - asked_at < (_UNSURE_FOR if is_unsure else _KNOWN_FOR):
            return findings
        findings = check_domain(sender, Impatient(self.resolver))
        with self._lock:
            self._domains[sender] = (now, findings)
        return findings


_outside = Outside(DnsResolver(), ask)


@contextmanager
def asking(other: Outside) -> Iterator[Outside]:
    """Let the checks ask another world for the length of the block, as tests and rehearsals do."""
    global _outside  # noqa: PLW0603  # one per process, by design
    before, _outside = _outside, other
    try:
        yield other
    finally:
        _outside = before


@step("preflight")
def preflight(wave_ids: Sequence[int], as_of: datetime) -> list[int]:
    """Check waves that have not started, and hold those that fail.

    A wave that a person released although it had failed is not checked again.

    Args:
        as_of: the campaigns' clock, UTC.

    Returns:
        Which waves are held now.
    """
    here = installation()
    outward = frozenset(Channel(name) for name in here.settings.outward_channels)
    if not outward or not wave_ids:
        return []
    with reading(here.engine) as connection:
        about_to_start = [each for each in candidates(connection, wave_ids) if outward & each.listed]
    known: dict[Candidate, list[Finding]] = {}
    found: dict[Candidate, list[Finding]] = {}
    for each in about_to_start:
        same = replace(each, wave_id=0, key="")
        if same not in known:
            known[same] = _wave_findings(here, each, outward=outward, now=as_of)
        found[each] = known[same]
    _tell(found)
    return _hold(here, found, at=as_of)


def cleared(waves: Sequence[DueWave], as_of: datetime) -> list[DueWave]:
    """Those of these waves that may be sent: as they were approved, and in order. The others are held now."""
    approved = as_approved(waves, as_of)
    held = set(preflight(sorted({wave.wave_id for wave in approved}), as_of)) if approved else set()
    return [wave for wave in approved if wave.wave_id not in held]


def findings_for(campaign_key: str, as_of: datetime | None = None) -> list[Finding]:
    """Everything the checks find about a campaign, over all its waves, whether or not anything is sent for real yet.

    Args:
        as_of: the campaigns' clock, UTC; the database's where left out.

    Raises:
        content.source.ContentError: its files cannot be used.
    """
    here = installation()
    campaign = here.campaign(campaign_key)
    if as_of is None:
        with reading(here.engine) as connection:
            as_of = database_now(connection)
    waves = [wave for _, wave in campaign.waves()]
    set_up = _set_up(here)
    listed = frozenset(channel for wave in waves for channel in wave.channels)
    helpless = [wave for wave in waves if set_up.isdisjoint(wave.channels)]
    needed = frozenset(channel for wave in helpless for channel in wave.channels)
    return [
        *check_channels(needed, set_up, listed=listed),
        *_findings(here, campaign, listed, campaign.family, campaign.message_class, now=as_of),
    ]


def _wave_findings(here: Installation, wave: Candidate, *, outward: frozenset[Channel], now: datetime) -> list[Finding]:
    """What is wrong with a wave; a channel played by a stand-in is as good as any."""
    try:
        campaign = here.campaign(wave.campaign_key)
        return [
            *check_channels(wave.used, _set_up(here)),
            *_findings(here, campaign, wave.listed & outward, wave.family, wave.message_class, now=now),
        ]
    except ContentError:
        why = f"the files of campaign {wave.campaign_key!r} cannot be used: `pushpull lint` says where"
        return [error("content-unusable", why)]


def _findings(
    here: Installation,
    campaign: Campaign,
    channels: frozenset[Channel],
    family: str,
    message_class: MessageClass,
    *,
    now: datetime,
) -> list[Finding]:
    own = here.settings
    with reading(here.engine) as connection:
        links = item_links(connection, campaign.items)
        groups = unsubscribe_groups(connection)
        record = mail_record(connection, now=now)
    findings = [
        *check_own_address(own.base_url),
        *check_link_key(is_public=own.link_key_is_public),
    ]
    if Channel.EMAIL in channels:
        address = load_brand(campaign.brand, own.content_dir).sender.address
        selectors = names_in(own.sendgrid_dkim_selectors)
        sender = MailDomain(address.rpartition("@")[2], selectors=selectors)
        findings += _outside.domain(sender, now=now)
        if message_class is not MessageClass.MANDATORY:
            findings += check_group(family, groups)
        findings += check_record(record)
    return findings + check_links(links, _outside.probe)


def _set_up(here: Installation) -> frozenset[Channel]:
    own = here.settings
    listed = here.adapters if own.is_sandbox else {Channel(name) for name in own.real_channels}
    return frozenset(channel for channel in listed if channel in here.adapters)


def _hold(here: Installation, found: Mapping[Candidate, Sequence[Finding]], *, at: datetime) -> list[int]:
    held = []
    with writing(here.engine) as connection:
        for wave, findings in found.items():
            errors = [finding.message for finding in findings if finding.is_error]
            if errors:
                why = (HELD_BY_PREFLIGHT + "; ".join(errors))[:_LONGEST_WHY]
                hold_wave(connection, wave.wave_id, HoldReason.PREFLIGHT, why=why, at=at)
                held.append(wave.wave_id)
    return held


def _tell(found: Mapping[Candidate, Sequence[Finding]]) -> None:
    """Publish what was found, wave by wave; nothing when nothing was."""
    rows: list[dict[str, object]] = []
    for wave, findings in found.items():
        for finding in findings:
            where = {"campaign": wave.campaign_key, "wave": wave.key, "finding": finding.code}
            log.warning("preflight", extra={**where, "severity": finding.severity.value})
            rows.append({**where, "severity": finding.severity.value, "what": finding.message})
    publish_table(
        key="preflight", table=rows, description="What the checks before sending found. Waves with an error are held."
    )
