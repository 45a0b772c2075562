"""How fast, measured so that anyone can repeat it: ``python -m benchmarks`` (or ``make bench``).

Everything runs on a PostgreSQL of its own on this machine. Each figure is the median of several runs and comes from a
process of its own, so that the peak memory beside it is that of the measured work alone. What is measured stands in
:mod:`planning`, :mod:`importing` and :mod:`delivery`; the learners it is measured on in :mod:`population`.
"""
