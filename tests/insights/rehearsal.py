"""A campaign played day by day with simulated learners, by the ledger alone: no flows, no templates, no channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, Engine

from pushpull.db import reading, writing
from pushpull.insights.sample import CORE_ITEMS, Company, make_company
from pushpull.insights.simulate import SimulatedLearners
from pushpull.learners.lifecycle import Rules, derive_events, refold
from pushpull.learners.progress import fold_activity
from pushpull.learners.segments import parse_segment
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.budget import OrganisationCaps
from pushpull.ledger.campaigns import campaign_id_of, register
from pushpull.ledger.claims import Batch
from pushpull.ledger.drain import DrainOptions, drain
from pushpull.ledger.due import due_waves, next_due
from pushpull.ledger.events import record_reached
from pushpull.ledger.handovers import Handover
from pushpull.ledger.outcomes import Accepted, NotSent, Outcome, Rejected
from pushpull.ledger.planning import plan
from pushpull.ledger.results import close_finished
from pushpull.ledger.shards import Shard
from pushpull.ledger.specs import CampaignSpec, Caps, WaveSpec
from pushpull.ledger.vocabulary import MessageClass, Touch
from tests.ledger.builders import PlainCourier

KEY = "two-minutes"
START = date(2026, 1, 12)
CAPS = OrganisationCaps(Caps(per_day=2, per_week=5, per_month=12), Caps(per_day=2, per_week=6, per_month=16))
_DAY = timedelta(days=1)

CAMPAIGN = CampaignSpec(
    key=KEY,
    name="Two minutes <a> day",
    family="learning",
    message_class=MessageClass.NUDGE,
    timezone="Europe/Berlin",
    starts_on=START,
    ends_on=START + 41 * _DAY,
    item_keys=CORE_ITEMS,
    definition={
        "holdout": 0.15,
        "stages": {"launch": {"mix": {"push": 100, "pull": 0}}, "onboarding": {"mix": {"push": 20, "pull": 80}}},
    },
)


class Postman(PlainCourier):
    """Takes every message; every 40th is refused for good and every 25th is not processed the first time."""

    def __init__(self) -> None:
        self._tried: set[tuple[int, int]] = set()

    def request_size(self, channel: str) -> int:
        return 50

    def write(self, connection: Connection, batch: Batch) -> Mapping[int, object]:
        return {row.learner_id: (batch.wave_id, row.learner_id) for row in batch.rows}

    def carry(
        self, channel: str, handover: Handover, messages: Sequence[object], *, deadline: float, **_when: object
    ) -> Sequence[Outcome]:
        return [self._outcome(message) for message in messages]

    def _outcome(self, message: object) -> Outcome:
        assert isinstance(message, tuple)
        wave_id, learner_id = message
        if (wave_id + learner_id) % 40 == 0:
            return Rejected("mailbox_full")
        if (wave_id + learner_id) % 25 == 0 and message not in self._tried:
            self._tried.add(message)
            return NotSent("throttled")
        return Accepted()


def a_wave(series: str, on: date, **fields: object) -> WaveSpec:
    values: dict[str, object] = {
        "campaign_key": KEY,
        "key": f"{series}@{on.isoformat()}",
        "series": series,
        "stage": series.split(".", maxsplit=1)[0],
        "message_key": series.split(".")[1],
        "touch": Touch.PUSH,
        "message_class": MessageClass.NUDGE,
        "family": "learning",
        "audience": parse_segment({"field": "active", "is": True}),
        "on": on,
        "timezone": "Europe/Berlin",
        "channels": (Channel.EMAIL, Channel.TEAMS, Channel.SLACK, Channel.SMS),
        "languages": ("en", "de", "es", "fr"),
        "holdout": 0.15,
        "caps": Caps(per_day=1, per_week=3, per_month=10),
        **fields,
    }
    return WaveSpec.model_validate(values)


def waves_on(day: date) -> list[WaveSpec]:
    """A small campaign: an announcement, invitations on Thursdays, a nudge to resume, and three picks."""
    waves = []
    if day == START:
        waves.append(a_wave("launch.announcement", day, once=True))
    if day.weekday() == 3:
        waves.append(
            a_wave(
                "onboarding.invitation",
                day,
                touch=Touch.PULL,
                target=parse_segment({"all": [{"lifecycle": ["aware"]}, {"not": {"tag": "frontline"}}]}),
                channels=(Channel.TEAMS, Channel.SLACK, Channel.EMAIL, Channel.SMS),
                variants=(("standard", 1), ("question", 1)),
                after=("launch.announcement",),
                min_gap_days=2,
                prefer_learner_hour=True,
            )
        )
    if day > START and day.weekday() < 5:
        waves.append(
            a_wave(
                "onboarding.resume",
                day,
                touch=Touch.PULL,
                target=parse_segment({"progress": {"status": ["started"]}}),
                inactive_days=3,
                once_per_absence=True,
                stop_when_active=True,
                expires_after=_DAY,
            )
        )
    if day == START + 8 * _DAY:
        waves.append(a_wave("recommendations.picks", day, touch=Touch.PULL, item_count=3, once=True, hour=10))
    return waves


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def prepare(
    engine: Engine, *, seed: int = 7, size: int = 120, campaign: CampaignSpec = CAMPAIGN, start: date = START
) -> Company:
    """The sample company, and the campaign in the ledger."""
    now = midnight(start) - timedelta(hours=6)
    with writing(engine) as connection:
        company = make_company(connection, seed=seed, size=size, now=now)
        register(connection, campaign, now=now)
    return company


def play(
    engine: Engine,
    *,
    days: int,
    seed: int = 7,
    key: str = KEY,
    start: date = START,
    waves: Callable[[date], Sequence[WaveSpec]] = waves_on,
    on_day: Callable[[datetime], None] = lambda _now: None,
) -> Counter[str]:
    """Play a campaign; returns what the simulated learners did."""
    people, postman, done = SimulatedLearners(seed), Postman(), Counter[str]()
    options = DrainOptions(worker="rehearsal", caps=CAPS)
    for offset in range(days):
        day = start + offset * _DAY
        # Planned in the evening before, when it is not yet nine in the morning anywhere.
        at, end = midnight(day) - timedelta(hours=6), midnight(day) + timedelta(hours=18)
        on_day(at)
        for spec in waves(day):
            plan(engine, spec, as_of=at)
        moment: datetime | None = at
        while moment is not None:
            with reading(engine) as connection:
                due = due_waves(connection, now=moment, global_holdout=0.0)
            for each in due:
                drain(engine, Shard(each.wave_id, each.rotation), each.rules, postman, options=options)
            with reading(engine) as connection:
                moment = next_due(connection, after=moment, before=end)
        with writing(engine) as connection:
            close_finished(connection, now=end)
            done += people.act(connection, since=at, until=end)
            sync(connection, key, end)
    return done


def sync(connection: Connection, key: str, now: datetime) -> None:
    """Fold what happened into progress and lifecycles."""
    fold_activity(connection, after_activity_id=0, as_of=now)
    campaign_id = campaign_id_of(connection, key)
    record_reached(connection, key, now=now)
    derive_events(connection, campaign_id)
    refold(connection, campaign_id, as_of=now, rules=Rules())
