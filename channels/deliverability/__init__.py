"""Whether mail will arrive: checks of a sender's domain, of links, and of what an installation needs to really send.

Each check returns findings. Nothing here sends, stores or decides: `tasks.preflight` does.
"""

from channels.deliverability.domain import MailDomain, check_domain
from channels.deliverability.findings import Finding, Severity
from channels.deliverability.links import Probe, ask, check_links
from channels.deliverability.resolver import CannotTell, DnsResolver, Resolver

__all__ = [
    "CannotTell",
    "DnsResolver",
    "Finding",
    "MailDomain",
    "Probe",
    "Resolver",
    "Severity",
    "ask",
    "check_domain",
    "check_links",
]
