"""Segments: who is meant, as data.

A segment is a small tree, written in YAML as part of a campaign file or given to a flow::

    all:
      - field: department
        prefix: Sales
      - not: {tag: contractor}
      - any:
          - lifecycle: [unaware, aware]
          - inactive_days: {at_least: 14}

``all``, ``any`` and ``not`` join; everything else is a leaf, told apart by its one distinguishing key (see
:mod:`pushpull.learners.segments.nodes`). It is read by :func:`parse_segment`, turned into SQL by
:func:`compile_segment` and into English by :func:`describe`. A condition on something unknown about a learner is
false, never "maybe", so that ``not`` always means everybody else.
"""

from pushpull.learners.segments.compile import SegmentContext, compile_segment
from pushpull.learners.segments.describe import describe
from pushpull.learners.segments.fields import SegmentError
from pushpull.learners.segments.segment import EVERYONE, Segment, parse_segment

__all__ = [
    "EVERYONE",
    "Segment",
    "SegmentContext",
    "SegmentError",
    "compile_segment",
    "describe",
    "parse_segment",
]
