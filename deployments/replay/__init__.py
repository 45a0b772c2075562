"""The replay: real learner data played day by day through the flows, and what they promise held against it.

One presentation of the Open University Learning Analytics Dataset (Kuzilek, Hlosta, Zdrahal 2017) is imported as its
days come, the campaign's flows run on every one of them, and at the end the messages in the sandbox are compared with
the raw files, which nothing but :mod:`deployments.replay.dataset` has read.
"""

from deployments.replay.playing import run_replay
from deployments.replay.report import Check, ReplayReport
from deployments.replay.showing import main, show

__all__ = ["Check", "ReplayReport", "main", "run_replay", "show"]
