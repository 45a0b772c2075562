"""What is wrong with the content before anybody gets it: structure, copy, brand (mission L1, L3, H2, D10).

`findings` says what a finding is, `copywriting` judges words, `rules` applies that to messages, brands, trends and
campaigns.
"""

from content.lint.findings import Finding, Severity
from content.lint.rules import lint_content

__all__ = ["Finding", "Severity", "lint_content"]
