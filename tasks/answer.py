"""What a person answered in the form of an approval run, taken: recorded, tried out, or put to them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from content.source import ContentError
from pushpull.db import reading
from pushpull.ledger import timing
from pushpull.ledger.approvals import AlreadyApprovedError, ApprovalError, BadDecisionError, Question
from pushpull.ledger.campaigns import CancelledError, UnknownCampaignError, UnknownWaveError, wave_id_of
from pushpull.ledger.vocabulary import Decision
from tasks.approve import asked_about, decide
from tasks.installation import installation
from tasks.plan import date_goals, load_stage, plan_wave
from tasks.state import move_lifecycles
from tasks.step import step
from tasks.trial import send_test


class WaveKeyError(ValueError):
    """A text is no key of a wave."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} is no wave; write it like launch.announcement@2026-01-12")


class NothingToApproveError(ValueError):
    """There is nobody to be asked about."""


@dataclass(frozen=True)
class Answer:
    """What a person answered.

    Args:
        at_most: send to no more learners than this; 0: all that are planned.
        test_recipients: external ids.
        key: the same for the same answer, however often its run starts again.
    """

    decision: Literal["approve", "reject", "send a test first"]
    who: str
    why: str
    at_most: int = 0
    test_recipients: tuple[str, ...] = ()
    key: str = ""

    @property
    def wants_a_test(self) -> bool:
        """Whether a test comes first: whoever names recipients wants one, whatever else they chose."""
        return self.decision == "send a test first" or bool(self.test_recipients)


@dataclass(frozen=True)
class Answered:
    """What came of an answer.

    Args:
        said: in words, for the person.
        is_over: nothing is left to be asked.
        is_released: the wave is to be sent.
    """

    said: str
    is_over: bool = False
    is_released: bool = False


def wave_to_approve(campaign_key: str, wave_key: str, as_of: datetime) -> int:
    """The wave of that key, planned now if it is not yet.

    Args:
        as_of: the campaign's clock, UTC.

    Raises:
        WaveKeyError: that is no key of a wave.
        UnknownWaveError: the campaign has no such wave on that day.
        NothingToApproveError: the wave reaches nobody, or its day is over.
    """
    here = installation()
    try:
        with reading(here.engine) as connection:
            return wave_id_of(connection, campaign_key, wave_key)
    except (UnknownCampaignError, UnknownWaveError):
        pass
    stage, name, day = _parts(wave_key)
    days_ahead = (day - timing.local_day(as_of, here.campaign(campaign_key).timezone)).days
    if days_ahead < 0:
        raise NothingToApproveError(f"wave {wave_key} was not planned, and its day is over")
    if stage == "launch":
        date_goals(campaign_key, as_of, days_ahead)
    else:
        load_stage(campaign_key, stage, as_of, name, days_ahead)  # it may be the campaign's first
        move_lifecycles(campaign_key, as_of)
    for spec in load_stage(campaign_key, stage, as_of, name, days_ahead):
        planned = plan_wave(spec, as_of).wave_id
        if planned is None:
            raise NothingToApproveError(f"wave {wave_key} reaches nobody")
        return planned
    raise UnknownWaveError(campaign_key, wave_key)


def _parts(wave_key: str) -> tuple[str, str, date]:
    series, _, on = wave_key.partition("@")
    stage, _, name = series.partition(".")
    try:
        day = date.fromisoformat(on)
    except ValueError:
        raise WaveKeyError(wave_key) from None
    if not stage or not name:
        raise WaveKeyError(wave_key)
    return stage, name, day


def what_is_asked(wave_id: int, as_of: datetime) -> Question | str:
    """What a wave asks now; in words, why nothing, where that is so."""
    try:
        asked = asked_about(wave_id, as_of)
    except (ApprovalError, CancelledError) as error:
        return str(error)
    except ContentError:
        return "the campaign's files cannot be used: `pushpull lint` says where; it asks anew once they can"
    if asked.is_rejected:
        return f"wave {asked.key} was rejected: it asks again when its content is another"
    return asked


@step("take the answer")
def take_answer(wave_id: int, answer: Answer, *, shown: str, as_of: datetime) -> Answered:
    """Do what a person answered. An answer that cannot be taken is put to them again, with what is wrong about it.

    Args:
        shown: the hash of what they were shown.
        as_of: the campaign's clock, UTC.
    """
    asked = what_is_asked(wave_id, as_of)
    if isinstance(asked, str):
        return Answered(asked, is_over=True)
    if asked.content_hash != shown:  # another run asks about what it is now
        return Answered(f"wave {asked.key} has been changed since you were asked: it asks anew", is_over=True)
    wrong = _wrong(answer)
    if wrong:
        return Answered(f"{wrong} Nothing was recorded.")
    try:
        return _tried(asked, answer, as_of=as_of) if answer.wants_a_test else _decided(asked, answer, as_of=as_of)
    except (AlreadyApprovedError, BadDecisionError) as error:  # what can be put right in the same form
        return Answered(f"{error}.")
    except (ApprovalError, CancelledError, ContentError) as error:
        return Answered(str(error), is_over=True)


def _wrong(answer: Answer) -> str:
    """What is wrong about an answer, in words; empty when nothing is."""
    if not answer.who.strip():
        return "Your name is missing: it is kept in the audit log."
    if answer.at_most < 0:
        return f"At most {answer.at_most} is no number of learners: 0 is everybody."
    if answer.wants_a_test:
        return "" if any(map(str.strip, answer.test_recipients)) else "A test needs recipients: name some external ids."
    return "" if answer.why.strip() else "The reason is missing: an auditor will read it."


def _tried(asked: Question, answer: Answer, *, as_of: datetime) -> Answered:
    tried = send_test(asked.wave_id, answer.test_recipients, who=answer.who.strip(), key=answer.key, as_of=as_of)
    return Answered(f"{tried.sentence()} What do you decide?")


def _decided(asked: Question, answer: Answer, *, as_of: datetime) -> Answered:
    decision = Decision.REJECTED if answer.decision == "reject" else Decision.APPROVED
    decided = decide(
        asked.wave_id,
        decision,
        who=answer.who,
        why=answer.why,
        shown=asked.content_hash,
        cap=answer.at_most or None,
        as_of=as_of,
    )
    if decision is Decision.REJECTED:
        return Answered(f"wave {asked.key} was rejected: it asks again when its content is another", is_over=True)
    if not decided.is_released:
        return Answered("Your approval is recorded; somebody else must approve it too.")
    left_out = f", {decided.not_approved} learners left out" if decided.not_approved else ""
    return Answered(f"wave {asked.key} was approved{left_out}, and is sent", is_over=True, is_released=True)
