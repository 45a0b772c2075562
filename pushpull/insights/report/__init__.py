"""The campaign report: one HTML page that needs nothing but itself, and a page per explained path.

It shows aggregates only. Numbers come from :mod:`.figures` and the funnel; how they look is decided here.
"""

from pushpull.insights.report.page import write_report
from pushpull.insights.report.path_page import write_explanation
from pushpull.insights.report.samples import sample_learners

__all__ = ["sample_learners", "write_explanation", "write_report"]
