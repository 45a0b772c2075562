"""Where people leave: sections that more of them leave from than kind, place and item explain (mission O2).

``findings``    what it comes to, as values
"""

from pushpull.insights.dropoff.findings import DropOff, HotSpot, Remedy, SectionFigures

__all__ = ["DropOff", "HotSpot", "Remedy", "SectionFigures"]
