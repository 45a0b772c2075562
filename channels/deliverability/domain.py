"""The domain a brand sends from: SPF, DKIM and DMARC together, for alignment is a matter of all three."""

from __future__ import annotations

from dataclasses import dataclass

from channels.deliverability.dkim import check_dkim, is_delegated
from channels.deliverability.dmarc import check_dmarc
from channels.deliverability.findings import Finding, error, warning
from channels.deliverability.resolver import CannotTell, Resolver
from channels.deliverability.spf import check_spf


@dataclass(frozen=True)
class MailDomain:
    """What mail is sent from, and by whom.

    Args:
        domain: of the From address.
        return_path: the domain bounces go to, where it is known: SendGrid makes one such as ``em123.example.com``.
        provider: the domain the provider's SPF records live under.
        selectors: of the DKIM keys; SendGrid signs with these two in turn.
    """

    domain: str
    return_path: str | None = None
    provider: str = "sendgrid.net"
    selectors: tuple[str, ...] = ("s1", "s2")


def check_domain(sender: MailDomain, resolver: Resolver) -> list[Finding]:
    """What keeps a domain's mail from arriving. What the DNS does not tell now is a warning, never an error.

    Args:
        sender: with a domain as it stands in an address; other scripts are turned into their ASCII form.
    """
    domain = ascii_domain(sender.domain)
    if domain is None:
        return [error("sender-domain", f"{sender.domain[:80]!r} is no domain: correct the brand's sender address")]
    policy = check_dmarc(domain, resolver)
    keys = check_dkim(domain, sender.selectors, resolver)
    signing = list(keys.findings)
    if any(finding.code == "dkim-missing" for finding in signing):
        signing = _signed_above(sender, domain, policy.found_at, policy.signs_strictly, resolver) or signing
    return_path = ascii_domain(sender.return_path) if sender.return_path else None
    if return_path is None and is_delegated(domain, keys.usable, sender.provider, resolver):
        return [*signing, *policy.findings]
    # Without a key SPF has to carry DMARC alone, and then only a record at the From domain is known to be aligned.
    has_to_carry = return_path is not None or not (keys.usable or keys.unknown)
    allowed = check_spf(return_path or domain, sender.provider, resolver, has_to_carry=has_to_carry)
    if return_path and not _are_related(return_path, domain, policy.found_at):
        allowed.append(
            warning(
                "spf-not-aligned",
                f"bounces go to {return_path}, which is not of {domain}: SPF does not count for DMARC, only DKIM does",
            )
        )
    return [*allowed, *signing, *policy.findings]


def ascii_domain(name: str) -> str | None:
    """A domain as the DNS knows it; None when it is none."""
    try:
        ascii_name = name.strip().rstrip(".").encode("idna").decode().lower()
    except UnicodeError:
        return None
    labels = ascii_name.split(".")
    return ascii_name if len(labels) > 1 and all(labels) and len(ascii_name) <= 253 else None


def _signed_above(
    sender: MailDomain, domain: str, organisation: str | None, is_strict: bool, resolver: Resolver
) -> list[Finding]:
    """What a key of the organisation's domain is worth to mail from a domain below it."""
    if organisation is None or organisation == domain:
        return []
    try:
        above = check_dkim(organisation, sender.selectors, resolver)
    except CannotTell:
        return []
    if not above.usable:
        return []
    message = f"mail from {domain} can only be signed by {organisation}: authenticate {domain} itself at the provider"
    if is_strict:
        return [error("dkim-not-aligned", f"{message}; adkim=s makes such signatures count for nothing")]
    return [warning("dkim-of-parent", message)]


def _are_related(one: str, other: str, organisation: str | None) -> bool:
    """Relaxed alignment (RFC 7489, section 3.1): both are of one organisation."""
    shared = organisation or ".".join(other.split(".")[-2:])
    return all(name == shared or name.endswith(f".{shared}") for name in (one, other))
