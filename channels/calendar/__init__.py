"""Time to learn in people's calendars: holds by Graph, free gaps, and .ics files for those without Graph."""

from channels.calendar.gaps import Busy, Gap, free_gaps
from channels.calendar.graph import Calendar, CannotTell
from channels.calendar.ics import write_hold
from channels.calendar.office import offers, office_hours, usual_times
from channels.calendar.texts import entry_texts

__all__ = [
    "Busy",
    "Calendar",
    "CannotTell",
    "Gap",
    "entry_texts",
    "free_gaps",
    "offers",
    "office_hours",
    "usual_times",
    "write_hold",
]
