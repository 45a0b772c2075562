"""What an installation decided that reports need: the rules of figures, prices, the currency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pushpull.insights.groups.figures import Rules
from pushpull.insights.groups.rules import rules_of
from pushpull.learners.vocabulary import Channel
from pushpull.settings import Settings


@dataclass(frozen=True, slots=True)
class House:
    """One installation's.

    Args:
        rules: of figures about people.
        prices: of one unit on each channel; 0 or missing: not known.
        currency: ISO 4217.
    """

    rules: Rules
    prices: Mapping[Channel, Decimal] = field(default_factory=dict)
    currency: str = "EUR"


def house_of(settings: Settings) -> House:
    """As the settings have it."""
    prices: dict[Channel, Decimal] = {each: getattr(settings, f"cost_{each.value}") for each in Channel}
    return House(rules_of(settings), prices, settings.currency)
