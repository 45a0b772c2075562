"""Figures of groups for those who see groups and never people: a manager's team, a sponsor's campaign (mission P3).

Three rules, one module each, so that whoever puts all pages of all weeks together learns nothing about a single person:

- :mod:`~pushpull.insights.groups.blocks`: every group that has figures is made of whole blocks of five people or more,
  the same blocks for everybody; what one page has more than another is a block, never a person;
- :mod:`~pushpull.insights.groups.blur`: what is counted of a group is blurred by chance before it is rounded, always
  alike for the same people; what one person did moves any figure at most to odds of one to two;
- :mod:`~pushpull.insights.groups.figures`: engagement is not shown of fewer than ten, nothing of fewer than five, and
  no figure of so few people, or of all but so few. Figures are of whole calendar weeks.

Source of the terms: A. Hundepool et al., "Statistical Disclosure Control", 2012, chapters 4 and 5.
"""
