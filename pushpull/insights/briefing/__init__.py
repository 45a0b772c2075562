"""The briefing: what a person should know before a wave is sent (mission X3).

`counts` asks the ledger, `queue` and `cost` reckon, `assembly` puts it together, `text` and `learned`
say it.
"""

from pushpull.insights.briefing.assembly import Briefing, Circumstances, brief, count_wave
from pushpull.insights.briefing.counts import NotPlannedError
from pushpull.insights.briefing.text import Remark, Sample, as_markdown, label

__all__ = [
    "Briefing",
    "Circumstances",
    "NotPlannedError",
    "Remark",
    "Sample",
    "as_markdown",
    "brief",
    "count_wave",
    "label",
]
