"""Campaign files (`campaigns/*.yaml`): who is told what, when, over which channel, within which limits.

`model` (with `when`) says what a file may hold, `loading` reads one, `review` checks that it fits together, and
`calendar` turns it into waves.
What the messages say is in `templates/messages`.
"""

from content.campaign.calendar import UnknownWaveError, campaign_spec, goal_due_dates, series_of, stage_waves, waves_on
from content.campaign.loading import campaign_keys, load_campaign
from content.campaign.model import STAGES, Campaign, Goal, Stage, Wave
from content.campaign.when import When

__all__ = [
    "STAGES",
    "Campaign",
    "Goal",
    "Stage",
    "UnknownWaveError",
    "Wave",
    "When",
    "campaign_keys",
    "campaign_spec",
    "goal_due_dates",
    "load_campaign",
    "series_of",
    "stage_waves",
    "waves_on",
]
