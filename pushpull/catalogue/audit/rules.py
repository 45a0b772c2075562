"""All rules of the audit in one list: what each is called, how much it matters, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pushpull.catalogue.audit import descriptions, structure, use
from pushpull.catalogue.audit.facts import Catalogue, Item
from pushpull.catalogue.audit.findings import Evidence, Finding, Severity
from pushpull.catalogue.audit.needs import NOT_NEEDED
from pushpull.catalogue.audit.structure import BROKEN_PREREQUISITE
from pushpull.catalogue.audit.twins import DUPLICATE, NEAR_DUPLICATE


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about one item.

    Args:
        check: says why it applies, or None; the catalogue is there for what an item alone does not say.
    """

    id: str
    severity: Severity
    explanation: str
    check: Callable[[Item, Catalogue], Evidence | None]


def _alone(check: Callable[[Item], Evidence | None]) -> Callable[[Item, Catalogue], Evidence | None]:
    return lambda item, _catalogue: check(item)


_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

#: Rules about one item at a time.
RULES: tuple[Rule, ...] = (
    Rule("no-description", _E, "nobody can choose what says nothing of itself", _alone(descriptions.no_summary)),
    Rule("no-outcome", _W, "people choose by what they can do afterwards", _alone(descriptions.no_outcome)),
    Rule("no-duration", _W, "people with ten minutes look for ten minutes", _alone(descriptions.no_duration)),
    Rule("no-level", _N, "beginners and experts look for different things", _alone(descriptions.no_level)),
    Rule("no-language", _W, "an item is offered to those who read its language", _alone(descriptions.no_language)),
    Rule("wrong-language", _E, "it is offered to people who cannot read it", _alone(descriptions.wrong_language)),
    Rule("hard-to-read", _W, "what is hard to read is not read", _alone(descriptions.hard_to_read)),
    Rule("too-long", _W, "what does not fit between two meetings is put off", _alone(structure.too_long)),
    Rule("no-sections", _N, "who is interrupted must find the place again", _alone(structure.no_sections)),
    Rule("stale", _N, "what nobody looks after goes wrong unnoticed", structure.stale),
    Rule("never-used", _W, "what nobody uses hides what people look for", use.never_used),
)

#: What rules over several items are about.
EXPLANATIONS: dict[str, str] = {
    **{rule.id: rule.explanation for rule in RULES},
    DUPLICATE: "two of the same split what is known about both",
    NEAR_DUPLICATE: "who has taken one is offered the other",
    BROKEN_PREREQUISITE: "what requires the impossible is never offered, or to everybody",
    NOT_NEEDED: "what serves no need takes the place of what does",
}


def found_in(item: Item, catalogue: Catalogue) -> Iterator[Finding]:
    """What the rules about single items say of one."""
    for rule in RULES:
        evidence = rule.check(item, catalogue)
        if evidence is not None:
            yield Finding(item.key, rule.id, rule.severity, evidence.words, evidence.figures)
