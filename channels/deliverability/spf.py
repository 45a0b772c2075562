"""SPF: which servers may send for a domain (RFC 7208). Read for what it says, without the address of a server.

An evaluation would stop at the first match; here every branch is followed, as for a server that matches last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.deliverability.findings import Finding, cannot_tell, error, warning
from channels.deliverability.resolver import CannotTell, Resolver

#: RFC 7208, section 4.6.4: more terms than these that ask the DNS make every check fail.
MOST_LOOK_UPS = 10

_MECHANISM = re.compile(r"^([+\-~?]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:/](.+))?$", re.IGNORECASE)
_MODIFIER = re.compile(r"^([a-z][a-z0-9_.-]*)=(.*)$", re.IGNORECASE)
_ASKS = frozenset({"include", "a", "mx", "ptr", "exists"})
_NEEDS_A_DOMAIN = frozenset({"include", "exists", "ip4", "ip6"})


@dataclass
class _Reading:
    """What reading a record and all it includes has shown so far."""

    look_ups: int = 0
    names: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    is_complete: bool = True


def check_spf(domain: str, provider: str, resolver: Resolver, *, has_to_carry: bool) -> list[Finding]:
    """What is wrong with the SPF record of a domain.

    Args:
        domain: the domain of the return path where it is known, else that of the From address.
        provider: the domain the provider's own record lives under, e.g. ``sendgrid.net``.
        has_to_carry: whether mail depends on this very record. When it does not, one that is missing or silent about
            the provider is a warning: the provider may use a return path below the domain.
    """
    severity = error if has_to_carry else warning
    hint = "" if has_to_carry else f", unless {provider} sends with a return path below it"
    try:
        records = _records(domain, resolver)
    except CannotTell:
        return [cannot_tell("spf-unknown", domain)]
    if not records:
        return [
            severity("spf-missing", f"{domain} has no SPF record: publish TXT v=spf1 include:{provider} ~all{hint}")
        ]
    reading = _Reading()
    _follow(domain, records, resolver, reading)
    if reading.look_ups > MOST_LOOK_UPS:
        reading.findings.append(
            error(
                "spf-too-many-look-ups",
                f"the SPF record of {domain} needs more than {MOST_LOOK_UPS} look-ups, so that every check of it "
                "fails: take out includes that are no longer used",
            )
        )
    is_broken = any(finding.is_error for finding in reading.findings)
    if reading.is_complete and not is_broken and not any(_is_below(name, provider) for name in reading.names):
        reading.findings.append(
            severity(
                "spf-without-provider", f"the SPF record of {domain} does not name include:{provider}: add it{hint}"
            )
        )
    return reading.findings


def _records(domain: str, resolver: Resolver) -> list[str]:
    """RFC 7208, section 4.5: the version is followed by a space or the end."""
    return [text for text in resolver.txt(domain) if re.match(r"v=spf1( |$)", text, re.IGNORECASE)]


def _follow(domain: str, records: list[str], resolver: Resolver, reading: _Reading) -> None:
    if len(records) > 1:
        reading.findings.append(
            error("spf-several", f"{domain} has {len(records)} SPF records, and then none counts: merge them into one")
        )
        return
    terms = list(_terms(domain, records[0], reading))
    has_all = any(name == "all" for _, name, _ in terms)
    for qualifier, name, target in terms:
        if name == "all":
            _judge_all(domain, qualifier, reading)
            break  # nothing after it is ever looked at
        if name in _ASKS or (name == "redirect" and not has_all):
            reading.look_ups += 1
        if name == "include" or (name == "redirect" and not has_all):
            _descend(domain, target, resolver, reading, is_included=name == "include")
    if not has_all and not any(name == "redirect" for _, name, _ in terms):
        reading.findings.append(
            warning("spf-open-ended", f"the SPF record of {domain} ends without an all: write ~all or -all at its end")
        )


def _judge_all(domain: str, qualifier: str, reading: _Reading) -> None:
    if qualifier in {"", "+"}:
        reading.findings.append(
            error(
                "spf-allows-all", f"the SPF record of {domain} has +all, so that anybody may send: write ~all or -all"
            )
        )
    elif qualifier == "?":
        reading.findings.append(
            warning("spf-neutral", f"the SPF record of {domain} says ?all, which says nothing: write ~all or -all")
        )


def _descend(domain: str, target: str, resolver: Resolver, reading: _Reading, *, is_included: bool) -> None:
    """Follow an include or a redirect."""
    reading.names.add(target)
    if "%" in target:
        reading.is_complete = False  # depends on who sends: cannot be read without a message
        return
    if reading.look_ups > MOST_LOOK_UPS:
        return  # enough is known, and an include of itself ends here
    try:
        records = _records(target, resolver)
    except CannotTell:
        reading.is_complete = False
        reading.findings.append(cannot_tell("spf-unknown", target))
        return
    if not records:
        reading.findings.append(
            error("spf-broken-include", f"the SPF record of {domain} refers to {target}, which has none: take it out")
        )
        return
    before = len(reading.findings)
    _follow(target, records, resolver, reading)
    if is_included:
        # How an included record ends means nothing to the one that includes it, unless it lets everybody in.
        reading.findings[before:] = [
            each for each in reading.findings[before:] if each.code not in {"spf-neutral", "spf-open-ended"}
        ]


def _terms(domain: str, record: str, reading: _Reading) -> Iterator[tuple[str, str, str]]:
    """Qualifier, name and domain of each term; a term nobody understands breaks the whole record (section 4.6)."""
    for term in record.split()[1:]:
        if mechanism := _MECHANISM.match(term):
            qualifier, name, rest = mechanism[1], mechanism[2].lower(), (mechanism[3] or "").rstrip(".").lower()
            if rest or name not in _NEEDS_A_DOMAIN:
                yield qualifier, name, rest
                continue
        elif modifier := _MODIFIER.match(term):
            if modifier[1].lower() == "redirect":
                yield "", "redirect", modifier[2].rstrip(".").lower()
            continue  # other modifiers mean nothing to us, and the rule is to ignore them
        reading.findings.append(
            error("spf-syntax", f"the SPF record of {domain} has a term nobody understands, {term[:60]!r}: correct it")
        )


def _is_below(name: str, parent: str) -> bool:
    return name == parent or name.endswith(f".{parent}")
