"""Reports: one HTML page per campaign that needs nothing but itself, one page for those who decide, and a page per
explained path.

They show aggregates of at least five people only: every count passes the gate (:mod:`.gate`). Numbers come from
:mod:`.figures`, the funnel and other looks (:mod:`.looks`); how they look is decided here: bars by the style sheet,
charts by matplotlib (:mod:`.drawing`).
"""

from pushpull.insights.report.executive import executive_page, write_executive
from pushpull.insights.report.house import House, house_of
from pushpull.insights.report.page import Links, report_page, write_report
from pushpull.insights.report.path_page import write_explanation
from pushpull.insights.report.samples import sample_learners

__all__ = [
    "House",
    "Links",
    "executive_page",
    "house_of",
    "report_page",
    "sample_learners",
    "write_executive",
    "write_explanation",
    "write_report",
]
