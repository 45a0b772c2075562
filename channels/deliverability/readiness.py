"""What an installation needs before real messages may leave: its own address, its key, its channels, its groups.

And what came back of earlier mail: how much of it was complained about, and how much bounced.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from channels.deliverability.findings import Finding, error, warning
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.preflight import MailRecord
from pushpull.settings import is_this_machine

#: Google, "Email sender guidelines": keep spam rates below 0.10 %, and never let them reach 0.30 %.
COMPLAINTS_WARN, COMPLAINTS_REFUSE = 0.001, 0.003
#: Fewer delivered e-mails than these say little about a rate so small: one person more would be over it.
COMPLAINTS_MEAN_SOMETHING_FROM = 1_000
#: Amazon SES, "Reputation metrics messages": reviewed from 5 % of bounces, paused from 10 %.
BOUNCES_WARN, BOUNCES_REFUSE = 0.05, 0.10
BOUNCES_MEAN_SOMETHING_FROM = 100


def check_own_address(base_url: str) -> list[Finding]:
    """What is wrong with the address that the links in messages begin with."""
    parts = urlsplit(base_url)
    if is_this_machine(base_url):
        why = f"PUSHPULL_BASE_URL is {base_url}, which only this machine can open: set the public address of the pages"
        return [error("base-url-private", why)]
    if parts.scheme != "https" or not parts.hostname:
        return [error("base-url-not-https", f"PUSHPULL_BASE_URL is {base_url}: it must begin with https://")]
    return []


def check_link_key(*, is_public: bool) -> list[Finding]:
    """What is wrong with the key that links are signed with."""
    if not is_public:
        return []
    why = "PUSHPULL_LINK_KEY is the sandbox's, which everybody knows: set 32 random bytes"
    return [error("link-key-public", why)]


def check_channels(
    needed: Collection[Channel], set_up: Collection[Channel], *, listed: Collection[Channel] = ()
) -> list[Finding]:
    """Which channels this installation lacks.

    Args:
        needed: those without which messages go nowhere.
        listed: those that are only one of several ways.
    """
    add = "add it to PUSHPULL_CHANNELS, or take it out of the campaign"
    findings = []
    for channel in Channel:
        if channel in set_up:
            continue
        if channel in needed:
            findings.append(error("channel-missing", f"messages are to go by {channel}, which is not set up: {add}"))
        elif channel in listed:
            message = f"the campaign names {channel}, which is not set up, so that nobody is reached by it: {add}"
            findings.append(warning("channel-unused", message))
    return findings


def check_group(family: str, groups: Collection[str]) -> list[Finding]:
    """Whether learners can unsubscribe from a family of e-mails at the provider."""
    if family in groups:
        return []
    why = f"the family {family!r} has no unsubscribe group at SendGrid: run `pushpull setup sendgrid`"
    return [error("unsubscribe-group-missing", why)]


def check_record(record: MailRecord) -> list[Finding]:
    """What earlier e-mails say about sending more."""
    findings = []
    complaints = record.complaints / record.delivered if record.delivered else 0.0
    if complaints >= COMPLAINTS_WARN:
        refuses = complaints >= COMPLAINTS_REFUSE and record.delivered >= COMPLAINTS_MEAN_SOMETHING_FROM
        message = (
            f"{record.complaints} of {record.delivered} e-mails of the last {record.days} days were reported as spam, "
            f"{complaints:.2%}; mailbox providers refuse mail from {COMPLAINTS_REFUSE:.1%} on: send less, to fewer"
        )
        findings.append((error if refuses else warning)("complaints", message))
    bounces = record.bounced / record.accepted if record.accepted else 0.0
    if bounces >= BOUNCES_WARN:
        refuses = bounces >= BOUNCES_REFUSE and record.accepted >= BOUNCES_MEAN_SOMETHING_FROM
        message = (
            f"{record.bounced} of {record.accepted} e-mails of the last {record.days} days bounced, {bounces:.1%}; "
            f"providers stop accounts from {BOUNCES_REFUSE:.0%} on: correct the addresses in the people data"
        )
        findings.append((error if refuses else warning)("bounces", message))
    return findings
