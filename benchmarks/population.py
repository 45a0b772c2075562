"""An organisation of any size, made in the database itself: the learners the benchmarks are measured on.

Seven of eight departments are in the campaign's audience, so that its segment has something to do. Six zones, four
languages, two variants, a tenth held out; 5 % have said something about consent, 30 % have begun, 40 % got messages in
the last weeks. Everything is computed from the learner's number: two runs measure the same organisation.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

from sqlalchemy import Connection, text

from content.campaign import Campaign, campaign_spec, load_campaign, stage_waves
from pushpull.catalogue.items import CatalogueItem, save_items
from pushpull.db import open_database, writing
from pushpull.learners.segments import parse_segment
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import register
from pushpull.ledger.specs import Caps, SendWindow, WaveSpec
from pushpull.migrations import upgrade

CAMPAIGN = "two-minutes-a-day"
CONTENT = Path(__file__).resolve().parent.parent / "content"
#: The first day of the example campaign, in the night, when waves are planned.
DAY = date(2026, 1, 12)
AS_OF = datetime.combine(DAY, time(1), tzinfo=UTC)

_DEPARTMENTS = ("operations", "sales", "finance", "support", "legal", "engineering", "logistics", "field")
_ZONES = ("Europe/London", "Europe/Berlin", "Europe/Helsinki", "Africa/Nairobi", "Asia/Kolkata", "America/Sao_Paulo")
_LANGUAGES = ("en", "de", "fr", "es")
_AUDIENCE = {"field": "department", "in": list(_DEPARTMENTS[:7])}
#: High enough that three runs on three days after one another are not what is measured.
_CAPS = Caps(per_day=5, per_week=50, per_month=200)

_LEARNERS = text(
    """
    INSERT INTO learner (external_id, given_name, family_name, email, teams_id, preferred_language, timezone,
                         department, active, draw, created_at, updated_at)
    SELECT 'p' || n, 'Given' || n % 1000, 'Family' || n % 7919, 'p' || n || '@learners.invalid',
           CASE WHEN n % 2 = 0 THEN '29:p' || n END,
           (CAST(:languages AS text[]))[1 + n / 3 % 4], (CAST(:zones AS text[]))[1 + n / 7 % 6],
           (CAST(:departments AS text[]))[1 + n % 8], n % 50 <> 49, n * 2654435761 % 2147483647, :at, :at
    FROM generate_series(CAST(0 AS bigint), CAST(:many AS bigint) - 1) AS n
    """
)
_HISTORY = (
    # 5 % have said something: most of them no to the family's e-mails, some yes.
    """
    INSERT INTO consent (learner_id, channel, family, granted, source, recorded_at)
    SELECT id, 'email', CASE WHEN id % 3 = 0 THEN '*' ELSE 'learning' END, id % 4 = 0, 'preferences', :at
    FROM learner WHERE id % 20 = 7
    """,
    """
    INSERT INTO suppression (learner_id, channel, family, reason, source, recorded_at)
    SELECT id, 'email', '*', 'bounced', 'provider', :at FROM learner WHERE id % 500 = 3
    """,
    """
    INSERT INTO progress (learner_id, item_id, status, assigned_at, started_at, completed_at, withdrawn_at,
                          last_activity_at, place_key, place_title)
    SELECT learner.id, item.id,
           CASE WHEN learner.id % 100 = 1 THEN 'withdrawn' WHEN learner.id % 3 = 0 THEN 'completed' ELSE 'started' END,
           :at, :at, CASE WHEN learner.id % 3 = 0 THEN CAST(:at AS timestamptz) END,
           CASE WHEN learner.id % 100 = 1 THEN CAST(:at AS timestamptz) END, :at, 's1', 'The first page'
    FROM learner CROSS JOIN (SELECT min(id) AS id FROM item) AS item WHERE learner.id % 10 < 3
    """,
    """
    INSERT INTO lifecycle (campaign_id, learner_id, state, since, reached_at, activated_at, last_active_at,
                           active_days, failed_tries, folded_to)
    SELECT campaign.id, learner.id, 'active', :at, :at, :at, :at, 2, 0, :at
    FROM learner CROSS JOIN campaign WHERE learner.id % 10 < 3
    """,
    """
    INSERT INTO contact (learner_id, local_day, handover_id, lane)
    SELECT id, :today - (3 + id % 25), gen_random_uuid(), 'nudge' FROM learner WHERE id % 10 >= 6
    """,
)


def populate(url: str, audience: int) -> None:
    """Fill a database with an organisation whose campaign has an audience of so many learners."""
    engine = open_database(url)
    upgrade(engine)
    at = datetime.combine(date(2026, 1, 5), time(9), tzinfo=UTC)
    with writing(engine) as connection:
        campaign = the_campaign()
        save_items(
            connection,
            [CatalogueItem(key=key, title=key.replace("-", " ").title(), minutes=2.0) for key in campaign.items],
            at=at,
        )
        register(connection, campaign_spec(campaign), now=at)
        _insert(connection, audience, at)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))  # what autovacuum has long done in a database that is in use
    engine.dispose()


def _insert(connection: Connection, audience: int, at: datetime) -> None:
    connection.execute(
        _LEARNERS,
        {
            "many": -(-audience * 8 // 7),
            "languages": list(_LANGUAGES),
            "zones": list(_ZONES),
            "departments": list(_DEPARTMENTS),
            "at": at,
        },
    )
    for statement in _HISTORY:
        connection.execute(text(statement), {"at": at, "today": DAY.toordinal()})


def the_campaign() -> Campaign:
    """The example campaign."""
    return load_campaign(CAMPAIGN, CONTENT)


def a_wave(number: int, *, channels: tuple[Channel, ...], on: date = DAY) -> WaveSpec:
    """The announcement of the example campaign to the benchmark's audience.

    Args:
        number: makes it a wave of its own.
        on: its day.
    """
    campaign = the_campaign()
    spec = stage_waves(campaign, "launch", campaign.start)[0]
    return spec.model_copy(
        update={
            "key": f"launch.bench-{number}@{on}",
            "series": f"launch.bench-{number}",
            "audience": parse_segment(_AUDIENCE),
            "channels": channels,
            "variants": (("standard", 1), ("again", 1)) if len(channels) > 1 else (),
            "caps": _CAPS,
            "window": SendWindow(),
            "on": on,
            "approval_threshold": None,
        }
    )
