"""A sample company: invented people and a catalogue, for rehearsals, demonstrations and tests.

What lives here makes data that looks like a company's. How its people behave is :mod:`pushpull.insights.simulate`.
"""

from pushpull.insights.sample.company import CORE_ITEMS, Company, make_company, strangers

__all__ = ["CORE_ITEMS", "Company", "make_company", "strangers"]
