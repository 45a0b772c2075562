"""Campaign files (`campaigns/*.yaml`): who is told what, when, over which channel, within which limits.

`model` (with `when`) says what a file may hold, `loading` reads one, `review` checks that it fits together,
`calendar` turns it into waves, and `timetable` says when each is planned.
What the messages say is in `templates/messages`.
"""

from content.campaign.calendar import UnknownWaveError, campaign_spec, goal_due_dates, series_of, stage_waves, waves_on
from content.campaign.loading import campaign_keys, load_campaign
from content.campaign.model import STAGES, Campaign, Goal, Stage, Wave
from content.campaign.timetable import Recurrence, is_safe, rule_in_words, timetable
from content.campaign.when import When

__all__ = [
    "STAGES",
    "Campaign",
    "Goal",
    "Recurrence",
    "Stage",
    "UnknownWaveError",
    "Wave",
    "When",
    "campaign_keys",
    "campaign_spec",
    "goal_due_dates",
    "is_safe",
    "load_campaign",
    "rule_in_words",
    "series_of",
    "stage_waves",
    "timetable",
    "waves_on",
]
