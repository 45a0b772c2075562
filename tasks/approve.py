"""Asking a person: one run of the `approval` deployment for every wave that waits for one, and what comes of it.

What may be decided, and by how many, is in :mod:`pushpull.ledger.approvals`; here it meets the content, which is what a
person approves, and Prefect, where they are asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from content.source import ContentError
from pushpull.db import reading, writing
from pushpull.ledger.approvals import (
    ApprovalError,
    Decided,
    OldContentError,
    Question,
    WaveOverError,
    agreed,
    approve,
    ask_again,
    give_up_stale,
    has_begun,
    hold_again,
    question,
    reaches,
    reject,
    settle,
    waves_that_ask,
)
from pushpull.ledger.campaigns import CancelledError
from pushpull.ledger.due import DueWave
from pushpull.ledger.tables import campaign, wave
from pushpull.ledger.vocabulary import Decision
from tasks.asking import end_what_asks_in_vain, see_that_one_asks
from tasks.events import Event, announce
from tasks.installation import installation, log
from tasks.publish import in_a_run
from tasks.step import step


def content_hash_of(campaign_key: str, spec: Mapping[str, object]) -> str:
    """SHA-256 over everything that decides what a planned wave says: what is stored with it, and the content of now.

    Args:
        spec: the wave's, as it is stored.

    Raises:
        ContentError: the campaign's files cannot be used.
    """
    live = installation().campaign(campaign_key)
    trend = live.references.trends.get(str(spec.get("trend")))
    parts = [
        json.dumps(spec, sort_keys=True),
        live.references.hashes.get(str(spec["message_key"]), "no message"),  # words, layouts, locales, brand
        trend.model_dump_json() if trend is not None else "",
        live.name,
        live.language,
        live.message_class.value,
        # Reasons name any of the campaign's trends by their titles.
        *(each.model_dump_json() for _, each in sorted(live.references.trends.items()) if spec.get("item_count")),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def asked_about(wave_id: int, as_of: datetime) -> Question:
    """What a wave asks, with the content of now.

    Args:
        as_of: the campaign's clock, UTC.

    Raises:
        ApprovalError, CancelledError: it asks nothing, or no more.
        ContentError: the campaign's files cannot be used.
    """
    with reading(installation().engine) as connection:
        return question(connection, wave_id, _content(connection, wave_id), at=as_of)


def decide(
    wave_id: int, decision: Decision, *, who: str, why: str, shown: str, cap: int | None = None, as_of: datetime
) -> Decided:
    """Record what a person decided about what they were shown; release the wave when nothing more is needed.

    Args:
        shown: the hash of it (:attr:`Question.content_hash`).
        cap: at most so many learners; None: all that are planned.
        as_of: the campaign's clock, UTC.

    Raises:
        ApprovalError, CancelledError: that cannot be decided; each subclass says why.
        ContentError: the campaign's files cannot be used.
    """
    with writing(installation().engine) as connection:
        now = question(connection, wave_id, _content(connection, wave_id), at=as_of)
        if now.content_hash != shown:
            raise OldContentError(f"wave {now.key} is not what it was when you looked at it: look again, then decide")
        if decision is Decision.REJECTED:
            decided = reject(connection, wave_id, who=who, why=why, content_hash=shown, at=as_of)
        else:
            decided = approve(connection, wave_id, who=who, why=why, content_hash=shown, cap=cap, at=as_of)
    if decision is Decision.REJECTED or decided.is_released:
        event = Event.WAVE_REJECTED if decision is Decision.REJECTED else Event.WAVE_APPROVED
        _announce(event, decided)
    return decided


@step("ask for approvals")
def ask_for_approvals(as_of: datetime) -> int:
    """See to it that every wave held for approval has a run that asks.

    A rejected wave asks again when its content is another; one that is held although it is just as it was approved goes
    on; of one that nobody decided about in time, all is skipped as expired. The same question is asked by one run, and
    by another when that one ended without an answer.

    Args:
        as_of: the campaign's clock, UTC.

    Returns:
        How many questions wait for a person in runs.
    """
    asked = []
    with reading(installation().engine) as connection:
        waves = waves_that_ask(connection)
    for wave_id in waves:
        try:
            about = _brought_up_to_date(wave_id, as_of)
        except WaveOverError:
            with writing(installation().engine) as connection:
                give_up_stale(connection, wave_id, at=as_of)
            continue
        except (ApprovalError, CancelledError):  # it was decided this very moment
            continue
        except ContentError:
            log.warning("wave %d cannot be asked about: its campaign's files cannot be used", wave_id)
            continue
        if about is not None:
            asked.append(about)
    end_what_asks_in_vain(asked)
    return sum(see_that_one_asks(about) for about in asked) if in_a_run() else 0


def _brought_up_to_date(wave_id: int, as_of: datetime) -> Question | None:
    """What a wave asks; None where that has been answered."""
    with writing(installation().engine) as connection:
        about = question(connection, wave_id, _content(connection, wave_id), at=as_of)
        if about.is_rejected:
            return None
        if about.is_settled:
            why = "it is again just as it was approved"
            settle(connection, wave_id, about.content_hash, who="pushpull", why=why, at=as_of)
            return None
        ask_again(connection, wave_id, at=as_of)
    return about


def as_approved(waves: Sequence[DueWave], as_of: datetime) -> list[DueWave]:
    """Those of these waves that are as they were approved, or needed no approval; the others are held now.

    A wave that has begun is compared by its content alone: sending changes how many are left.
    """
    if not waves:
        return []
    with reading(installation().engine) as connection:
        known = agreed(connection, sorted({each.wave_id for each in waves}))
        changed: dict[int, str] = {}
        contents: dict[int, str] = {}
        for wave_id, rotation in sorted({(each.wave_id, each.rotation) for each in waves} & known.keys()):
            before = known[wave_id, rotation]
            try:
                if wave_id not in contents:
                    contents[wave_id] = content_hash_of(before.campaign_key, before.spec)
            except ContentError:
                changed[wave_id] = "the campaign's files cannot be used: `pushpull lint` says where"
                continue
            planned = reaches(connection, wave_id, rotation)
            most = before.most(contents[wave_id], planned=planned)
            if most is None:
                changed[wave_id] = "its content has been changed since"
            elif planned > most and not has_begun(connection, wave_id, rotation):
                changed[wave_id] = "it would reach more learners now"
    if changed:
        with writing(installation().engine) as connection:
            for wave_id, why in changed.items():
                hold_again(connection, wave_id, why=why, at=as_of)
                log.warning("wave %d asks for approval again: %s", wave_id, why)
    return [each for each in waves if each.wave_id not in changed]


def _content(connection: Connection, wave_id: int) -> str:
    row = connection.execute(
        select(wave.c.spec, campaign.c.key)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(wave.c.id == wave_id)
    ).one()
    return content_hash_of(row.key, row.spec)


def _announce(event: Event, decided: Decided) -> None:
    about = decided.question
    announce(
        event,
        about=f"wave.{about.wave_id}",
        name=about.key,
        payload={
            "campaign": about.campaign_key,
            "rotation": about.rotation,
            "planned": about.planned,
            "not_approved": decided.not_approved,
            "approvers": len(about.approved_by),
        },
    )
