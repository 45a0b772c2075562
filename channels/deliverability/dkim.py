"""DKIM: the keys a domain's mail is signed with (RFC 6376)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from channels.deliverability.findings import Finding, cannot_tell, error, warning
from channels.deliverability.resolver import CannotTell, Resolver
from channels.deliverability.tags import tags_of

#: RFC 8301, section 3.2: shorter RSA keys count for nothing, and 2048 bits are what signers should use.
_SHORTEST_BITS, _GOOD_BITS = 1024, 2048
_ED25519_BYTES = 32


@dataclass(frozen=True)
class Keys:
    """What was found about a domain's keys.

    Args:
        usable: selectors with a key that signs.
        unknown: selectors the DNS gave no answer for.
    """

    usable: tuple[str, ...]
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]


def check_dkim(domain: str, selectors: Sequence[str], resolver: Resolver) -> Keys:
    """What is wrong with the keys of a domain.

    Args:
        domain: of the From address: a signature of another one does not count for DMARC.
        selectors: names the provider signs with; one key that works is enough to send, but a provider that changes
            to the other one without it sends unsigned mail.
    """
    usable: list[str] = []
    unknown: list[str] = []
    missing: list[str] = []
    findings: list[Finding] = []
    for selector in selectors:
        name = _name(selector, domain)
        try:
            found = _judge(name, resolver)
        except CannotTell:
            unknown.append(selector)
            findings.append(cannot_tell("dkim-unknown", name))
            continue
        if found is None:
            missing.append(selector)
            continue
        findings += found
        if not any(each.is_error for each in found):
            usable.append(selector)
    if len(missing) == len(selectors):
        names = " and ".join(_name(selector, domain) for selector in selectors)
        message = f"there is no DKIM key at {names}: authenticate the domain at the provider and publish its records"
        return Keys((), (), (error("dkim-missing", message),))
    if usable or unknown:  # the provider signs with one of them, and perhaps not with a bad one
        findings = [warning(each.code, each.message) for each in findings]
    findings += [
        warning("dkim-selector-missing", f"there is no DKIM key at {_name(selector, domain)}: publish it too")
        for selector in missing
    ]
    return Keys(tuple(usable), tuple(unknown), tuple(findings))


def is_delegated(domain: str, selectors: Sequence[str], provider: str, resolver: Resolver) -> bool:
    """Whether the keys are the provider's own, which it then has under a return path of its own too.

    Source: SendGrid, "Automated Security": the records are aliases, and SPF is looked up at a subdomain it serves.
    """
    for selector in selectors:
        with suppress(CannotTell):
            target = resolver.cname(_name(selector, domain))
            if target is not None and target.endswith(f".{provider}"):
                return True
    return False


def _name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def _judge(name: str, resolver: Resolver) -> list[Finding] | None:
    """What is wrong with the key of one name: errors when it cannot be used; None where there is no record."""
    texts = resolver.txt(name)
    if not texts:
        target = resolver.cname(name)
        if target is None:
            return None
        return [error("dkim-dangling", f"{name} points to {target}, where there is no key: ask the provider why")]
    records = [tags for text in texts if (tags := tags_of(text)) is not None and "p" in tags]
    if len(records) != 1:
        what = "several DKIM keys, of which a receiver takes any" if records else "a record that is no DKIM key"
        return [error("dkim-broken", f"{name} has {what}: publish exactly what the provider gave you")]
    return _judge_key(name, records[0])


def _judge_key(name: str, tags: dict[str, str]) -> list[Finding]:
    key = "".join(tags["p"].split())
    problem = _why_unusable(tags, key)
    if problem:
        return [error("dkim-broken", f"the DKIM key at {name} {problem}: publish it anew from the provider")]
    findings = []
    if tags.get("k", "rsa") == "rsa" and _rsa_bits(key) < _GOOD_BITS:
        findings.append(
            warning("dkim-short", f"the DKIM key at {name} has {_rsa_bits(key)} bits: change to {_GOOD_BITS}")
        )
    if "y" in tags.get("t", "").split(":"):
        findings.append(
            warning("dkim-testing", f"the DKIM key at {name} is marked as a test (t=y), which takes its worth: end it")
        )
    return findings


def _why_unusable(tags: dict[str, str], key: str) -> str | None:
    """Why no signature by this key will hold (RFC 6376, section 3.6.1); None when it will."""
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        return "does not begin with v=DKIM1"
    if not key:
        return "is empty, which means it was revoked"
    if "h" in tags and "sha256" not in [each.strip() for each in tags["h"].split(":")]:
        return "does not allow SHA-256"
    if not {"*", "email"} & {each.strip() for each in tags.get("s", "*").split(":")}:
        return "is not for e-mail"
    return _why_unreadable(tags.get("k", "rsa"), key)


def _why_unreadable(kind: str, key: str) -> str | None:
    if kind == "rsa":
        bits = _rsa_bits(key)
        if 0 < bits < _SHORTEST_BITS:
            return f"has {bits} bits, too few to count"
        return None if bits else "cannot be read"
    if kind == "ed25519":
        return None if len(_decoded(key)) == _ED25519_BYTES else "cannot be read"
    return "is of a kind receivers do not know"


def _rsa_bits(key: str) -> int:
    """Length of the modulus; 0 when it is no RSA key."""
    try:
        loaded = load_der_public_key(_decoded(key))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return 0
    return loaded.key_size if isinstance(loaded, RSAPublicKey) else 0


def _decoded(key: str) -> bytes:
    try:
        return b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return b""
