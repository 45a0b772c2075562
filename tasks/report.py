"""What ops see of a run in the Prefect UI: tables and pages of counts, never of people, and what they are told of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

from pushpull.db import database_now, reading, writing
from pushpull.insights.funnel import funnel
from pushpull.ledger.notices import RECENT, Notice, NoticeKind, is_news, last_told, news
from pushpull.ledger.planning import PlanResult
from pushpull.ledger.results import WaveResult, recent_waves, wave_results
from pushpull.ledger.waiting import Waiting, waiting_for_a_person
from tasks.events import Event, announce
from tasks.installation import installation, log
from tasks.publish import artifact_key, in_a_run, publish_markdown, publish_table
from tasks.step import step
from tasks.wave_page import waits_about, wave_page


def report_plans(stage: str, plans: Sequence[PlanResult]) -> None:
    """Publish what was planned, wave by wave; nothing when nothing was."""
    for each in plans:
        log.info("wave planned", extra={"wave": each.key, "audience": each.audience, "planned": each.planned})
    publish_table(
        key=f"{stage}-plan",
        table=[_plan_row(each) for each in plans],
        description=f"What the {stage} stage planned, by wave.",
    )


def report_no_waves(campaign: str, stage: str, as_of: datetime) -> None:
    """Say that a stage has nothing to plan: somebody asked, and an empty page looks like a mistake.

    Args:
        as_of: aware; which day was asked for.
    """
    asked = f"{as_of:%a %d %b %Y %H:%M %Z}"
    text = f"`{campaign}` has no wave of the {stage} stage on the day of {asked}: nobody would get one."
    publish_markdown(key=f"{stage}-no-wave", markdown=text, description=f"What the {stage} stage would plan: nothing.")


def _plan_row(plan: PlanResult) -> dict[str, object]:
    skipped = ", ".join(f"{count} {reason}" for reason, count in plan.by_reason.items())
    channels = ", ".join(f"{count} {channel}" for channel, count in plan.by_channel.items())
    return {
        "wave": plan.key,
        "audience": plan.audience,
        "planned": plan.planned,
        "channels": channels,
        "skipped": skipped,
        "status": plan.status,
        "new": "no" if plan.was_planned_before else "yes",
    }


#: Questions a log shows; the table has them all.
_TOLD = 5
#: Whether the table of questions has some; noted, so that it is emptied once.
_WAITING, _SOMETHING, _NOTHING = "waits-for-a-person", "something", "nothing"
#: Waves that get a page of their own in one run; the table has them all.
_PAGES = 20


@step("report")
def report_waves(wave_ids: Sequence[int], as_of: datetime | None = None) -> list[WaveResult]:
    """Publish what became of waves: a table of them all, and a page for each whose numbers are new.

    Args:
        as_of: what the campaigns' funnels are counted up to (aware); None: now.
    """
    with reading(installation().engine) as connection:
        results = wave_results(connection, wave_ids=list(wave_ids))
        as_of = as_of or database_now(connection)
    publish_table(
        key="dispatched-waves",
        table=[_result_row(result) for result in results],
        description="What became of the waves this run sent.",
    )
    if in_a_run():
        _publish_pages(results[:_PAGES], as_of)
        for result in results:
            if result.accepted and not result.is_finished:
                about, facts = f"wave.{result.wave_id}", {"campaign": result.campaign_key, **result.counts()}
                announce(Event.WAVE_DISPATCHED, about=about, name=result.key, payload=facts)
    return results


@step("refresh pages")
def refresh_pages(as_of: datetime) -> None:
    """Bring the pages of recent waves up to date with what providers told since, where they would say something else.

    Args:
        as_of: the present (aware).
    """
    if not in_a_run():
        return
    with reading(installation().engine) as connection:
        recent = recent_waves(connection, since=as_of - RECENT)
        results = wave_results(connection, wave_ids=recent)
    _publish_pages(results[-_PAGES:], as_of)


def _publish_pages(results: Sequence[WaveResult], as_of: datetime) -> None:
    """The pages of waves that would say something else than their last one; those not shown are tried again later."""
    here = installation()
    with reading(here.engine) as connection:
        waiting = waiting_for_a_person(connection)
        says = {_page_key(each): _fingerprint(each, waiting) for each in results}
        said = last_told(connection, list(says))
        new = [each for each in results if said.get(_page_key(each)) != says[_page_key(each)]]
        funnels = {key: funnel(connection, key, as_of=as_of) for key in {each.campaign_key for each in new}}
    for result in new:
        so_far = funnels[result.campaign_key]
        is_shown = publish_markdown(
            key=artifact_key("wave", result.campaign_key, result.key),
            markdown=wave_page(result, waiting=waiting, funnel=so_far, settings=here.settings, as_of=as_of),
            description=f"{result.key}: {result.sentence()}",
        )
        if not is_shown:  # nor would the others be, and each try takes its time
            return
        with writing(here.engine) as connection:
            is_news(connection, _page_key(result), says[_page_key(result)], as_of)


def _page_key(result: WaveResult) -> str:
    return f"wave.{result.wave_id}.page"


def _fingerprint(result: WaveResult, waiting: Sequence[Waiting]) -> str:
    """Of what a page says."""
    questions = [(each.kind, each.what, each.why) for each in waits_about(result, waiting)]
    says = repr((result.status, sorted(result.cells.items()), sorted(result.held.items()), questions))
    return hashlib.sha256(says.encode()).hexdigest()[:32]


def _result_row(result: WaveResult) -> dict[str, object]:
    return {
        "campaign": result.campaign_key,
        "wave": result.key,
        "audience": result.audience,
        "accepted": result.accepted,
        "open": result.open,
        "result": result.sentence(),
    }


@step("report what waits")
def report_waiting() -> list[Waiting]:
    """Publish what waits for a person, so that a completed run does not hide it; once that nothing does any more."""
    with reading(installation().engine) as connection:
        waiting = waiting_for_a_person(connection)
        said, now = last_told(connection, [_WAITING]).get(_WAITING, _NOTHING), database_now(connection)
    for each in waiting[:_TOLD]:
        log.warning("a person is needed: %s %s: %s; then: %s", each.kind, each.what, each.why, each.command)
    if len(waiting) > _TOLD:
        log.warning("a person is needed for %d things more", len(waiting) - _TOLD)
    rows = [{"what": f"{each.kind} {each.what}", "why": each.why, "answer": each.command} for each in waiting]
    says = _SOMETHING if waiting else _NOTHING
    if not waiting and says != said:  # or the last table would go on asking what has been answered
        rows = [{"what": "nothing", "why": "all is answered", "answer": ""}]
    publish_table(key="waits-for-a-person", table=rows, description="Goes on only when a person says so.")
    if says != said and in_a_run():
        with writing(installation().engine) as connection:
            is_news(connection, _WAITING, says, now)
    return waiting


_EVENTS: Mapping[NoticeKind, Event] = {
    NoticeKind.WAVE_HELD: Event.WAVE_HELD,
    NoticeKind.WAVE_STOPPED: Event.WAVE_STOPPED,
    NoticeKind.WAVE_FINISHED: Event.WAVE_FINISHED,
    NoticeKind.CAMPAIGN_STOPPED: Event.CAMPAIGN_STOPPED,
    NoticeKind.CHANNEL_STOPPED: Event.CHANNEL_STOPPED,
    NoticeKind.PERSON_NEEDED: Event.PERSON_NEEDED,
}


@step("tell of changes")
def report_changes(as_of: datetime) -> list[Notice]:
    """Announce what has happened since somebody last did, once: whoever caused it, a run, a command or a callback.

    Outside of a flow run there is nobody to tell, so that all stays to be told by the next run.

    Args:
        as_of: the present (aware); what finished more than two days before it is no news.

    Returns:
        What was told.
    """
    if not in_a_run():
        return []
    with writing(installation().engine) as connection:
        notices = news(connection, at=as_of)
    for each in notices:
        log.info("told", extra={"event": each.kind.value, "about": each.about})
        announce(_EVENTS[each.kind], about=each.about, name=each.name, payload=each.facts)
    return notices
