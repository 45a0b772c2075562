"""What a campaign, or all of them together, changed: the people who got messages against those held out (mission D3).

`assigning` and `people` ask the ledger who was assigned to what and what they did, `estimates` and `sequences` reckon,
`power` says what can be shown at all, `measure` puts it together. Everything is by intention to treat: whoever was
assigned to a side counts on it, whatever became of their messages.
"""

from pushpull.insights.uplift.measure import Measured, Said, Side, Uplift, uplift, uplift_of_all
from pushpull.insights.uplift.people import Outcome

__all__ = ["Measured", "Outcome", "Said", "Side", "Uplift", "uplift", "uplift_of_all"]
