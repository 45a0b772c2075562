"""Where people leave: sections that more of them leave from than kind, place and item explain (mission O2).

``findings``    what it comes to, as values
``visits``      who was seen where, and how it ended: SQL
``navigation``  pages that only lead to others: never blamed
``exposure``    person-period data: who was at risk where, and who left
``hazard``      the model, the comparison, the control of false alarms
``tails``       how likely so many leavers are
``proposals``   what may be done about a section, in words
``search``      all of it, for a campaign or an item
"""

from pushpull.insights.dropoff.findings import DropOff, HotSpot, Remedy, SectionFigures
from pushpull.insights.dropoff.search import drop_off, item_drop_off

__all__ = ["DropOff", "HotSpot", "Remedy", "SectionFigures", "drop_off", "item_drop_off"]
