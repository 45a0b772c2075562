"""Time to learn in people's calendars: holds by Graph, free gaps, and .ics files for those without Graph."""

from channels.calendar.gaps import Busy, Gap, free_gaps
from channels.calendar.graph import Calendar
from channels.calendar.ics import write_hold

__all__ = ["Busy", "Calendar", "Gap", "free_gaps", "write_hold"]
