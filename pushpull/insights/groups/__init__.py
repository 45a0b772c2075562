"""Figures of groups for those who see groups and never people: a manager's team, a sponsor's campaign (mission P3).

Three rules, one module each:

- :mod:`~pushpull.insights.groups.blocks`: every group that has figures is made of whole blocks of five people or more,
  the same blocks for everybody; what one page has more than another is a block, never a person;
- :mod:`~pushpull.insights.groups.blur`: what is counted of a group is blurred by chance before it is rounded, always
  alike for the same people;
- :mod:`~pushpull.insights.groups.figures`: engagement is not shown of fewer than ten, nothing of fewer than five, and
  no figure of so few people, or of all but so few. Figures are of whole calendar weeks.

Against whom
============
Somebody who has all pages and files of all managers and the sponsor, of all weeks and campaigns, knows who reports to
whom and who came, went and moved, and wants to know of one person, or of fewer than five, what they did.

1. *A team less its sub-team*, and any other sum or difference of pages of one week and campaign: only ever gives sums
   of whole blocks, so five people or more, even if figures were exact.
2. *What is hidden, by what is shown beside it*: there are no totals of hidden parts; a figure is hidden by what would
   be shown, not by what is true, where few did it, and where all but a few did.
3. *Week against week, when somebody came, went or moved*: groups then do differ by one person, so here the blur
   protects: both figures are drawn apart from each other, and each tells at most odds of two to one. Waiting does not
   help, since nothing is drawn twice for the same people and count. Each page above another that counts somebody is a
   draw of its own, so n such pages together multiply the odds n times; the best guess from four of them, by somebody
   who knows all the rest, is right two times in three.
4. *Campaign against campaign*: each campaign's figure is another draw. Whoever repeats one campaign under n keys, with
   the same people and the same courses, multiplies the odds n times; so campaigns are registered, not made by readers.

What this does not hide: that a figure moved means that somebody of at least five who still could have did something.
A person who knows of all of them but one what they did learns it of that one. Drawing anew each week would hide it, but
then waiting would average the noise away and open the third way to everybody; we chose the rarer knowledge.

Sources: A. Hundepool et al., "Statistical Disclosure Control", 2012, chapters 4 and 5 (nested tables, primary and
complementary suppression); I. Dinur and K. Nissim, "Revealing information while preserving privacy", 2003 (why exact
sums do not stay private); C. Dwork and A. Roth, "The algorithmic foundations of differential privacy", 2014, section
3.5 (how the odds of several answers multiply).
"""
