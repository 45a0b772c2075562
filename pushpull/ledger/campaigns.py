"""Campaigns in the ledger: registering one, and what a person or a stop signal decides about it or its waves.

Every decision locks the row it changes. A handover holds a share of that lock while it commits, so nothing is handed
over after a committed pause or cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, time, timedelta

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from pushpull.catalogue.tables import item
from pushpull.db import insert_into, insert_new
from pushpull.ledger import timing
from pushpull.ledger.specs import CampaignSpec
from pushpull.ledger.stopping import figures
from pushpull.ledger.tables import audit, campaign, campaign_item, channel_pause, delivery, wave
from pushpull.ledger.vocabulary import DeliveryState, HoldReason, Reason, WaveStatus

#: States from which a delivery can still be called back.
_RECALLABLE = (DeliveryState.PLANNED.value, DeliveryState.HELD.value, DeliveryState.CLAIMED.value)


class UnknownCampaignError(LookupError):
    """No campaign of that key was registered."""

    def __init__(self, key: str, known: Sequence[str]) -> None:
        there = f"there are {', '.join(known)}" if known else "there is none yet"
        super().__init__(
            f"no campaign {key!r} in the ledger, {there}; `pushpull run launch {key}` brings one in from its file"
        )


class UnknownItemsError(LookupError):
    """A campaign names items the catalogue does not have."""

    def __init__(self, key: str, missing: list[str]) -> None:
        super().__init__(
            f"campaign {key!r} names items the catalogue does not have: {', '.join(missing)}; "
            "import them with `pushpull import catalogue`"
        )


class CancelledError(ValueError):
    """A cancelled campaign or wave was to go on; cancelling is for good."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was cancelled, and that is for good: load it under another key to start it again")


class AwaitsApprovalError(ValueError):
    """A wave that waits for approval was to go on, or to be paused, without one."""

    def __init__(self, campaign_key: str, key: str) -> None:
        super().__init__(
            f"wave {key!r} waits for approval, and nothing of it is sent meanwhile: "
            f"`pushpull wave approve {campaign_key} {key}`, or cancel it"
        )


class UnknownWaveError(LookupError):
    """A campaign has no wave of that key."""

    def __init__(self, campaign_key: str, key: str) -> None:
        super().__init__(f"campaign {campaign_key!r} has no wave {key!r}: `pushpull wave list` shows all it has")


def campaign_id_of(connection: Connection, key: str) -> int:
    """The id of a campaign.

    Raises:
        UnknownCampaignError: there is none of that key.
    """
    found = connection.execute(select(campaign.c.id).where(campaign.c.key == key)).scalar_one_or_none()
    if found is None:
        raise _unknown(connection, key)
    return int(found)


def _unknown(connection: Connection, key: str) -> UnknownCampaignError:
    return UnknownCampaignError(
        key, connection.execute(select(campaign.c.key).order_by(campaign.c.key)).scalars().all()
    )


def wave_id_of(connection: Connection, campaign_key: str, key: str) -> int:
    """The id of a wave.

    Raises:
        UnknownCampaignError, UnknownWaveError: there is none.
    """
    campaign_id = campaign_id_of(connection, campaign_key)
    found = connection.execute(
        select(wave.c.id).where(wave.c.campaign_id == campaign_id, wave.c.key == key)
    ).scalar_one_or_none()
    if found is None:
        raise UnknownWaveError(campaign_key, key)
    return int(found)


def register(connection: Connection, spec: CampaignSpec, *, now: datetime) -> int:
    """Make the ledger know a campaign, or bring it up to date; its status is left as it is.

    Raises:
        UnknownItemsError: the catalogue lacks one of its items.
    """
    values = {
        "name": spec.name,
        "family": spec.family,
        "message_class": spec.message_class.value,
        "priority": spec.priority,
        "starts_at": timing.local_instant(spec.timezone, spec.starts_on, time()),
        "ends_at": timing.local_instant(spec.timezone, spec.ends_on + timedelta(days=1), time()),
        "definition": {**spec.definition, "stop": spec.stop.model_dump(mode="json")},
        "content_hash": spec.content_hash,
        "updated_at": now,
    }
    connection.execute(
        insert_into(connection, campaign)
        .values(key=spec.key, status=WaveStatus.OPEN.value, **values)
        .on_conflict_do_update(index_elements=["key"], set_=values)
    )
    campaign_id = campaign_id_of(connection, spec.key)
    found = dict(connection.execute(select(item.c.key, item.c.id).where(item.c.key.in_(spec.item_keys))).all())
    missing = [key for key in spec.item_keys if key not in found]
    if missing:
        raise UnknownItemsError(spec.key, missing)
    connection.execute(
        delete(campaign_item).where(
            campaign_item.c.campaign_id == campaign_id, campaign_item.c.item_id.not_in(list(found.values()))
        )
    )
    insert_new(
        connection,
        campaign_item,
        [
            {"campaign_id": campaign_id, "item_id": found[key], "position": position}
            for position, key in enumerate(spec.item_keys)
        ],
    )
    return campaign_id


def record(connection: Connection, *, at: datetime, who: str, what: str, subject: str, why: str | None) -> None:
    """Write a line into the audit log."""
    connection.execute(insert(audit).values(at=at, who=who, what=what, subject=subject, why=why))


def pause_campaign(connection: Connection, key: str, *, who: str, why: str, at: datetime) -> None:
    """Nothing of this campaign is handed over until it is resumed.

    One that stopped itself stays as it is: its question to a person goes on being asked.

    Raises:
        CancelledError: it is over.
    """
    if _campaign_status(connection, key) == WaveStatus.HELD:
        record(connection, at=at, who=who, what=f"campaign {WaveStatus.PAUSED.value}", subject=key, why=why)
        return
    _set_campaign_status(connection, key, WaveStatus.PAUSED, who=who, why=why, at=at)


def resume_campaign(connection: Connection, key: str, *, who: str, why: str, at: datetime) -> None:
    """Let a paused or held campaign go on; what came back so far no longer counts as a stop signal.

    Raises:
        CancelledError: it is over.
    """
    _set_campaign_status(connection, key, WaveStatus.OPEN, who=who, why=why, at=at)
    seen = figures(connection, campaign_id_of(connection, key))
    connection.execute(update(campaign).where(campaign.c.key == key).values(stop_baseline=asdict(seen)))


def hold_campaign(connection: Connection, key: str, *, why: str, at: datetime) -> None:
    """A stop signal: the campaign asks a person before it goes on (mission D5).

    A campaign that is not open stays what a person made it, and several workers hold it once.
    """
    if _campaign_status(connection, key) == WaveStatus.OPEN:
        _set_campaign_status(connection, key, WaveStatus.HELD, who="stop signal", why=why, at=at)


def cancel_campaign(connection: Connection, key: str, *, who: str, why: str, at: datetime) -> int:
    """End a campaign for good.

    Returns:
        How many deliveries were called back.
    """
    _set_campaign_status(connection, key, WaveStatus.CANCELLED, who=who, why=why, at=at)
    campaign_id = campaign_id_of(connection, key)
    return _recall(connection, select(wave.c.id).where(wave.c.campaign_id == campaign_id), at=at)


def _set_campaign_status(
    connection: Connection, key: str, status: WaveStatus, *, who: str, why: str, at: datetime
) -> None:
    if _campaign_status(connection, key) == WaveStatus.CANCELLED and status is not WaveStatus.CANCELLED:
        raise CancelledError(f"campaign {key!r}")
    connection.execute(
        update(campaign).where(campaign.c.key == key).values(status=status.value, status_reason=why, updated_at=at)
    )
    record(connection, at=at, who=who, what=f"campaign {status.value}", subject=key, why=why)


def _campaign_status(connection: Connection, key: str) -> str:
    """The status, its row locked until the transaction ends."""
    status = connection.execute(
        select(campaign.c.status).where(campaign.c.key == key).with_for_update()
    ).scalar_one_or_none()
    if status is None:
        raise _unknown(connection, key)
    return str(status)


def release_wave(connection: Connection, wave_id: int, *, who: str, why: str, at: datetime) -> None:
    """A person lets a held or paused wave go, e.g. "send it although it is late"; approving is another thing.

    Raises:
        CancelledError: it is over.
        AwaitsApprovalError: it is held for approval.
    """
    _require_no_approval(connection, wave_id)
    open_wave(connection, wave_id, who=who, why=why, at=at)


def open_wave(connection: Connection, wave_id: int, *, who: str, why: str, at: datetime) -> None:
    """Let a wave go, whatever it waited for.

    Raises:
        CancelledError: it is over.
    """
    _set_wave_status(connection, wave_id, WaveStatus.OPEN, None, who=who, why=why, at=at)
    connection.execute(update(wave).where(wave.c.id == wave_id).values(released_at=at))


def put_question(
    connection: Connection, wave_id: int, reason: HoldReason, *, who: str, what: str, why: str, at: datetime
) -> None:
    """Change what a held wave asks, with its line in the audit log."""
    connection.execute(
        update(wave)
        .where(wave.c.id == wave_id, wave.c.status == WaveStatus.HELD.value)
        .values(status_reason=reason.value)
    )
    record(connection, at=at, who=who, what=what, subject=str(wave_id), why=why)


def hold_wave(connection: Connection, wave_id: int, reason: HoldReason, *, why: str, at: datetime) -> None:
    """Let a wave ask a person before it goes on; one that is not open stays what a person made it."""
    if _wave_status(connection, wave_id) == WaveStatus.OPEN:
        _set_wave_status(connection, wave_id, WaveStatus.HELD, reason.value, who="pushpull", why=why, at=at)


def pause_wave(connection: Connection, wave_id: int, *, who: str, why: str, at: datetime) -> None:
    """Nothing of this wave is handed over until it is released.

    Raises:
        CancelledError: it is over.
        AwaitsApprovalError: it is held for approval already, which releasing a paused wave would pass by.
    """
    _require_no_approval(connection, wave_id)
    _set_wave_status(connection, wave_id, WaveStatus.PAUSED, why, who=who, why=why, at=at)


def cancel_wave(connection: Connection, wave_id: int, *, who: str, why: str, at: datetime) -> int:
    """End a wave for good.

    Returns:
        How many deliveries were called back.
    """
    _set_wave_status(connection, wave_id, WaveStatus.CANCELLED, why, who=who, why=why, at=at)
    return _recall(connection, select(wave.c.id).where(wave.c.id == wave_id), at=at)


def _set_wave_status(
    connection: Connection,
    wave_id: int,
    status: WaveStatus,
    reason: str | None,
    *,
    who: str,
    why: str,
    at: datetime,
) -> None:
    if _wave_status(connection, wave_id) == WaveStatus.CANCELLED and status is not WaveStatus.CANCELLED:
        raise CancelledError(f"wave {wave_id}")
    connection.execute(update(wave).where(wave.c.id == wave_id).values(status=status.value, status_reason=reason))
    record(connection, at=at, who=who, what=f"wave {status.value}", subject=str(wave_id), why=why)


def _require_no_approval(connection: Connection, wave_id: int) -> None:
    asks = wave.c.status_reason.in_([HoldReason.APPROVAL.value, HoldReason.REJECTED.value])
    waits = connection.execute(
        select(campaign.c.key.label("campaign_key"), wave.c.key)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(wave.c.id == wave_id, wave.c.status == WaveStatus.HELD.value, asks)
        .with_for_update(of=wave)
    ).one_or_none()
    if waits is not None:
        raise AwaitsApprovalError(waits.campaign_key, waits.key)


def _wave_status(connection: Connection, wave_id: int) -> str:
    """The status, its row locked until the transaction ends."""
    return str(connection.execute(select(wave.c.status).where(wave.c.id == wave_id).with_for_update()).scalar_one())


def recall_cancelled(connection: Connection, *, at: datetime) -> int:
    """Call back what was on its way when its wave or campaign was cancelled and has been found not to have been sent.

    Returns:
        How many deliveries were called back.
    """
    over = (
        select(wave.c.id)
        .join(campaign, campaign.c.id == wave.c.campaign_id)
        .where(
            wave.c.finished_at.is_(None),
            or_(
                wave.c.status == WaveStatus.CANCELLED.value,
                campaign.c.status == WaveStatus.CANCELLED.value,
            ),
        )
    )
    return _recall(connection, over, at=at)


def _recall(connection: Connection, waves: object, *, at: datetime) -> int:
    recalled = connection.execute(
        update(delivery)
        .where(delivery.c.wave_id.in_(waves), delivery.c.state.in_(_RECALLABLE))  # type: ignore[arg-type]
        .values(
            state=DeliveryState.SKIPPED.value,
            reason=Reason.CANCELLED.value,
            lease_until=None,
            claimed_by=None,
            settled_at=at,
        )
    )
    return recalled.rowcount


def pause_channel(
    connection: Connection, channel: str, *, reason: str, at: datetime, until: datetime | None = None
) -> None:
    """Stop handing over to a channel, for everybody, until an instant or until a person resumes it."""
    values = {"until": until, "reason": reason, "paused_at": at}
    connection.execute(
        insert_into(connection, channel_pause)
        .values(channel=channel, **values)
        .on_conflict_do_update(index_elements=["channel"], set_=values)
    )


def resume_channel(connection: Connection, channel: str) -> None:
    """Let a stopped channel go on."""
    connection.execute(delete(channel_pause).where(channel_pause.c.channel == channel))


def pauses_end(connection: Connection) -> dict[str, datetime]:
    """When channels go on by themselves; those that a person resumes are not there."""
    ends = select(channel_pause.c.channel, channel_pause.c.until).where(channel_pause.c.until.is_not(None))
    return dict(connection.execute(ends).all())


def paused_channels(connection: Connection, *, now: datetime) -> dict[str, str]:
    """Channels that may not be used now, with the reason."""
    rows = connection.execute(
        select(channel_pause.c.channel, channel_pause.c.reason).where(
            func.coalesce(channel_pause.c.until > now, True)  # no end: until a person resumes it
        )
    )
    return dict(rows.all())
