"""DMARC: what receivers do with mail that only claims to come from a domain (RFC 7489).

RFC 7489 finds the organisational domain in a list of public suffixes; its successor walks up the names instead
(DMARCbis, "DNS tree walk"), which needs no list, and so does this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from channels.deliverability.findings import Finding, cannot_tell, error, warning
from channels.deliverability.resolver import CannotTell, Resolver
from channels.deliverability.tags import tags_of

_POLICIES = {"none", "quarantine", "reject"}
#: The tree walk asks for at most eight names.
_MOST_STEPS = 8


@dataclass(frozen=True)
class Policy:
    """What a domain asks of receivers.

    Args:
        found_at: the domain whose record counts; None when there is none, or nobody can tell.
        signs_strictly: signatures must be of the very domain of the From address (``adkim=s``).
    """

    found_at: str | None
    signs_strictly: bool
    findings: tuple[Finding, ...]


def check_dmarc(domain: str, resolver: Resolver) -> Policy:
    """What is wrong with the DMARC record that holds for a domain.

    Google and Yahoo want one, at least ``p=none``, from everybody who sends in bulk (Google's "Email sender
    guidelines", Yahoo's "Sender requirements", both since February 2024).
    """
    try:
        found_at, records = _walk(domain, resolver)
    except CannotTell as unknown:
        return Policy(None, False, (cannot_tell("dmarc-unknown", unknown.name),))
    if found_at is None:
        message = f"{domain} has no DMARC record: publish TXT v=DMARC1; p=none at _dmarc.{domain}, at the least"
        return Policy(None, False, (error("dmarc-missing", message),))
    name = f"_dmarc.{found_at}"
    if len(records) > 1:
        return _broken(found_at, f"{name} has {len(records)} DMARC records, and then none of them counts: keep one")
    tags = tags_of(records[0])
    if tags is None:
        return _broken(found_at, f"the DMARC record at {name} is no list of tags: write v=DMARC1; p=none")
    return _judge(domain, found_at, {key.lower(): value for key, value in tags.items()})


def _judge(domain: str, found_at: str, tags: dict[str, str]) -> Policy:
    name = f"_dmarc.{found_at}"
    policy = tags.get("p", "").lower()
    if policy not in _POLICIES:
        # Section 6.6.3: such a record counts as p=none where it names an address for reports, and as none elsewhere.
        return _broken(found_at, f"the DMARC record at {name} has no p= of none, quarantine or reject: add p=none")
    findings = []
    subdomain = tags.get("sp", policy).lower()
    if domain != found_at and subdomain not in _POLICIES:
        findings.append(warning("dmarc-subdomains", f"the sp= of the DMARC record at {name} is no policy: correct it"))
    share = tags.get("pct", "100")
    if not (share.isascii() and share.isdecimal() and int(share) <= 100):
        findings.append(warning("dmarc-share", f"the pct= of the DMARC record at {name} is no percentage: take it out"))
    return Policy(found_at, tags.get("adkim", "r").lower() == "s", tuple(findings))


def _broken(found_at: str, message: str) -> Policy:
    return Policy(found_at, False, (error("dmarc-broken", message),))


def _walk(domain: str, resolver: Resolver) -> tuple[str | None, list[str]]:
    """The nearest domain at or above this one that has records, and these."""
    labels = domain.split(".")
    names = [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]
    for above in [names[0], *names[1:][-(_MOST_STEPS - 1) :]]:
        records = [text for text in resolver.txt(f"_dmarc.{above}") if _is_dmarc(text)]
        if above != domain:
            # A registry's record speaks for the registry, not for those who registered below it.
            records = [text for text in records if (tags_of(text) or {}).get("psd", "n").lower() != "y"]
        if records:
            return above, records
    return None, []


def _is_dmarc(text: str) -> bool:
    """Section 6.3: the version is the first tag, and in capitals."""
    return re.match(r"v\s*=\s*DMARC1\s*(;|$)", text) is not None
