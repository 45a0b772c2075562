"""The catalogue audit: how it is described, built and used, and whether anybody needs it (mission D8).

``findings``    what it comes to, as values
"""

from pushpull.catalogue.audit.findings import Audit, Finding, FindingState, Severity, UnservedNeed, Usage, Utilisation

__all__ = ["Audit", "Finding", "FindingState", "Severity", "UnservedNeed", "Usage", "Utilisation"]
