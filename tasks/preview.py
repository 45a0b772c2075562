"""Real learners for the preview gallery: what is known about them now, as their message would use it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from content.campaign import campaign_spec, waves_on
from content.preview import PreviewLearner
from pushpull.db import reading, writing
from pushpull.ledger.campaigns import register
from pushpull.ledger.facts import facts_of
from pushpull.ledger.terms import Terms, campaign_items
from tasks.installation import installation


def preview_learners(campaign_key: str, external_ids: Sequence[str], as_of: datetime) -> list[PreviewLearner]:
    """The learners of a preview: label, language and facts of each.

    Raises:
        LookupError: there is no learner of that external id.
    """
    if not external_ids:
        return []
    here = installation()
    campaign = here.campaign(campaign_key)
    with writing(here.engine) as connection:
        campaign_id = register(connection, campaign_spec(campaign), now=as_of)
    with reading(here.engine) as connection:
        rules = Terms(
            spec=next(iter(waves_on(campaign, campaign.start))),
            campaign_id=campaign_id,
            item_ids=campaign_items(connection, campaign_id),
            as_of=as_of,
        )
        return [
            (external_id, *facts_of(connection, rules, here.links, external_id, default_language=campaign.language))
            for external_id in external_ids
        ]
