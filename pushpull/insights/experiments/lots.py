"""With which chances the next wave of an experiment is drawn; the wave's spec keeps them, and so the ledger does.

Where the file asks for it, chances follow success: Thompson sampling (W. R. Thompson, "On the likelihood that one
unknown probability exceeds another in view of the evidence of two samples", 1933; O. Chapelle, L. Li, "An empirical
evaluation of Thompson sampling", 2011, for draws in batches; D. Russo et al., "A tutorial on Thompson sampling", 2018).
A variant that broke a guardrail is not sent again, whatever the allocation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from pushpull.insights.experiments.look import breached
from pushpull.insights.experiments.plan import Allocation, ExperimentPlan, experiments_of
from pushpull.insights.experiments.tally import shown, waves_of
from pushpull.ledger.campaigns import campaign_id_of
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import MessageClass

#: No variant gets less: what is never sent is never known.
FLOOR = 0.05
#: Weights are whole numbers that add up to this.
_PARTS = 1000
_DRAWS = 10_000


def drawn(connection: Connection, spec: WaveSpec, *, as_of: datetime) -> WaveSpec:
    """A wave with the chances its experiment asks for, as of now; the wave itself where there is no experiment.

    The same ledger gives the same chances: the draws are seeded by campaign, series and day.

    Raises:
        UnknownCampaignError: the wave's campaign was never registered.
    """
    if not spec.lot or not spec.variants:
        return spec
    campaign_id = campaign_id_of(connection, spec.campaign_key)
    key = spec.lot.partition("@")[0]
    plan = next((each for each in experiments_of(connection, campaign_id) if each.key == key), None)
    if plan is None or {name for name, _ in spec.variants} != set(plan.variants):
        return spec
    if breached(connection, campaign_id, plan, until=as_of):
        return spec.model_copy(update={"variants": ((plan.control, 1),)})
    if plan.allocation is not Allocation.THOMPSON or spec.message_class is MessageClass.MANDATORY:
        return spec
    weights = _weights(connection, campaign_id, plan, spec, as_of=as_of)
    return spec.model_copy(update={"variants": tuple(weights.items())})


def _weights(
    connection: Connection, campaign_id: int, plan: ExperimentPlan, spec: WaveSpec, *, as_of: datetime
) -> Mapping[str, int]:
    waves = waves_of(connection, campaign_id, plan, until=as_of)
    messages = shown(connection, plan, waves, until=as_of) if waves else ()
    tallies = {
        variant: (
            sum(each.succeeded for each in messages if each.variant == variant),
            sum(not each.succeeded for each in messages if each.variant == variant),
        )
        for variant in plan.variants
    }
    return thompson(tallies, seed=f"{spec.campaign_key}:{spec.series}:{spec.on.isoformat()}")


def thompson(tallies: Mapping[str, tuple[int, int]], *, seed: str) -> dict[str, int]:
    """Weights that follow the probability of being the best, in thousandths, none below the floor.

    Args:
        tallies: successes and failures by variant. What is thought of each share is a beta distribution, even before
            anything was seen.
        seed: the same one gives the same weights.
    """
    import numpy as np

    digest = hashlib.sha256(seed.encode()).digest()
    chance = np.random.default_rng(int.from_bytes(digest[:8], "big"))
    draws = np.column_stack([chance.beta(1 + won, 1 + lost, size=_DRAWS) for won, lost in tallies.values()])
    best = np.bincount(draws.argmax(axis=1), minlength=len(tallies)) / _DRAWS
    shares = FLOOR + (1 - FLOOR * len(tallies)) * best
    weights = {name: int(share * _PARTS + 1e-9) for name, share in zip(tallies, shares, strict=True)}
    weights[max(weights, key=lambda name: weights[name])] += _PARTS - sum(weights.values())
    return weights
