from __future__ import annotations

import json
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, insert, select, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.insights import reasons
from pushpull.insights.explain import EntryKind, Explanation, UnknownLearnerError, explain
from pushpull.insights.explain.audience import Circumstances, misses
from pushpull.insights.explain.story import folded
from pushpull.learners.consent import opt_out, suppress
from pushpull.learners.lifecycle import Rules, fold
from pushpull.learners.segments import SegmentContext, parse_segment
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import LearnerState, SuppressionReason
from pushpull.ledger.campaigns import UnknownCampaignError, campaign_id_of, pause_campaign, pause_channel
from pushpull.ledger.planning import plan
from pushpull.ledger.tables import delivery, delivery_event, pick, wave
from pushpull.ledger.terms import campaign_items
from pushpull.ledger.vocabulary import DeliveryState, EventKind, HoldReason, Reason, WaveStatus
from tests.insights import rehearsal
from tests.insights.conftest import Played
from tests.learners.population import START, a_learner

DAY = timedelta(days=1)


def told(played: Played, external_id: str, **options: object) -> Explanation:
    with reading(played.engine) as conn:
        return explain(conn, external_id, rehearsal.KEY, as_of=played.now, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (reasons.REASON_SENTENCES, Reason),
        (reasons.REASON_LABELS, Reason),
        (reasons.STATE_WORDS, DeliveryState),
        (reasons.EVENT_WORDS, EventKind),
        (reasons.WAVE_WORDS, WaveStatus),
        (reasons.HOLD_WORDS, HoldReason),
        (reasons.LIFECYCLE_WORDS, LearnerState),
    ],
)
def test_everything_the_ledger_may_say_has_plain_words(words: dict[str, str], names: type) -> None:
    assert set(words) == set(names)
    assert all(text.strip() and "_" not in text for text in words.values())
    assert len(set(words.values())) == len(words)


def test_every_reason_is_a_sentence_that_a_wave_can_add_to() -> None:
    spec = rehearsal.a_wave("onboarding.invitation", rehearsal.START, after=("launch.announcement",), min_gap_days=3)
    for reason in Reason:
        sentence = reasons.because(reason.value, spec)
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert "launch.announcement at least 3 days before" in reasons.because("first_step_missing", spec)
    assert "1 a day, 3 a week, 10 a month" in reasons.because("capped", spec)


def test_every_wave_is_told_once_for_everybody(played: Played) -> None:
    with reading(played.engine) as conn:
        waves = set(conn.execute(select(wave.c.key).where(wave.c.planned_at.is_not(None))).scalars())
        rows = conn.execute(
            select(learner.c.external_id, wave.c.key, delivery.c.state)
            .select_from(delivery.join(wave, wave.c.id == delivery.c.wave_id))
            .join(learner, learner.c.id == delivery.c.learner_id)
        ).all()
        active = list(conn.execute(select(learner.c.external_id).where(learner.c.active.is_(True)).limit(25)).scalars())
    has_row = {(row.external_id, row.key): row.state for row in rows}
    about_waves = {EntryKind.SENT, EntryKind.FAILED, EntryKind.SKIPPED, EntryKind.WAITING, EntryKind.NOT_IN_AUDIENCE}
    for external_id in active:
        found = told(played, external_id)
        entries = [each for each in (*found.entries, *found.next) if each.kind in about_waves]
        assert sorted(str(each.wave) for each in entries) == sorted(waves)
        for each in entries:
            state = has_row.get((external_id, str(each.wave)))
            assert (state is None) == (each.kind is EntryKind.NOT_IN_AUDIENCE)
            assert (state == "skipped") == (each.kind is EntryKind.SKIPPED)
            assert (state in ("accepted", "delivered", "bounced")) == (each.kind is EntryKind.SENT)
            assert each.details, each
        assert list(found.entries) == sorted(found.entries, key=lambda each: each.at)


def test_a_path_tells_what_came_back_what_was_learned_and_how_the_state_moved(played: Played) -> None:
    with reading(played.engine) as conn:
        clicked = conn.execute(
            select(learner.c.external_id, delivery_event.c.occurred_at)
            .join(delivery_event, delivery_event.c.learner_id == learner.c.id)
            .where(delivery_event.c.kind == "clicked")
            .order_by(learner.c.external_id)
        ).all()
    seen: set[EntryKind] = set()
    for external_id, at in clicked[:8]:
        found = told(played, external_id)
        kinds = {each.kind for each in found.entries}
        assert {EntryKind.SENT, EntryKind.CAME_BACK, EntryKind.LIFECYCLE} <= kinds
        assert any(each.kind is EntryKind.CAME_BACK and each.at == at for each in found.entries)
        states = [each.data["state"] for each in found.entries if each.kind is EntryKind.LIFECYCLE]
        assert states[0] == "aware"
        assert states[-1] == found.state
        seen |= kinds
    assert EntryKind.ACTIVITY in seen


def test_those_held_out_are_told_so_with_their_bucket(played: Played) -> None:
    with reading(played.engine) as conn:
        external_id = conn.execute(
            select(learner.c.external_id)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .where(delivery.c.arm == "holdout")
            .limit(1)
        ).scalar_one()
    found = told(played, external_id)
    assert found.arm == "holdout"
    assert "below 1500 get nothing" in found.arm_words
    assert reasons.REASON_SENTENCES[Reason.HOLDOUT] in " ".join(found.as_text().split())
    assert EntryKind.SENT not in {each.kind for each in found.entries}


def test_the_text_is_in_the_learners_own_time_and_folds_repetition(played: Played) -> None:
    with reading(played.engine) as conn:
        row = conn.execute(
            select(learner.c.external_id, learner.c.timezone)
            .where(learner.c.timezone == "America/New_York", learner.c.active.is_(True))
            .limit(1)
        ).one()
    found = told(played, row.external_id)
    text = found.as_text()
    assert found.zone == row.timezone
    assert "local times of America/New_York" in text
    first = min(found.entries, key=lambda each: each.at)
    assert f"{first.at.astimezone(ZoneInfo(row.timezone)):%a %d %b %H:%M}" in text
    assert "waves up to" in text
    assert len(folded(found.entries)) < len(found.entries)
    assert max(len(line) for line in text.splitlines()) <= 112


def test_an_unknown_zone_is_told_in_the_campaigns(played: Played) -> None:
    with reading(played.engine) as conn:
        external_id = conn.execute(
            select(learner.c.external_id).where(learner.c.timezone.is_(None)).limit(1)
        ).scalar_one()
    found = told(played, external_id)
    assert (found.zone, found.zone_is_known) == ("Europe/Berlin", False)
    assert "the learner's own is unknown" in found.as_text()


def test_the_data_is_plain_and_says_the_same(played: Played) -> None:
    found = told(played, "lf-0010")
    data = json.loads(json.dumps(found.as_data()))
    assert data["learner"] == "lf-0010"
    assert [each["title"] for each in data["entries"]] == [each.title for each in found.entries]


def test_the_rules_of_absence_agree_with_the_ledger(played: Played) -> None:
    """Whoever has a row broke no rule; whoever has none broke one, unless it is about what was overwritten since."""
    with reading(played.engine) as conn:
        campaign_id = campaign_id_of(conn, rehearsal.KEY)
        items = campaign_items(conn, campaign_id)
        agreed = unexplained = 0
        for external_id in ("lf-0011", "lf-0022", "lf-0033", "lf-0044", "lf-0055", "lf-0066"):
            from pushpull.insights.explain.record import read_dossier

            dossier = read_dossier(conn, external_id, campaign_id, as_of=played.now)
            present = {each.wave_id for each in dossier.messages}
            for each in dossier.waves:
                found = Circumstances(
                    learner_id=dossier.learner.id,
                    at=each.planned_as_of,
                    story=fold(dossier.events, as_of=each.planned_as_of, rules=Rules()),
                    messages=dossier.messages,
                    due=(),
                    zone="UTC",
                    created_at=dossier.learner.created_at,
                )
                broken = misses(conn, each.spec, found, SegmentContext(campaign_id, items, each.planned_as_of))
                about_progress = "progress" in str(each.spec.target and each.spec.target.model_dump())
                if about_progress:
                    unexplained += each.id not in present and not broken
                else:
                    assert (each.id in present) == (not broken), (external_id, each.key, broken)
                    agreed += 1
    assert agreed > 10
    assert unexplained <= 2


def test_waiting_messages_and_coming_waves_are_told_as_what_comes_next(engine: Engine) -> None:
    company = rehearsal.prepare(engine, size=40)
    at = rehearsal.midnight(rehearsal.START) - timedelta(hours=6)
    plan(engine, rehearsal.a_wave("launch.announcement", rehearsal.START, once=True), as_of=at)
    coming = [
        rehearsal.a_wave("launch.announcement", rehearsal.START + DAY, once=True),
        rehearsal.a_wave("launch.more", rehearsal.START + DAY),
        rehearsal.a_wave("launch.few", rehearsal.START + DAY, target=parse_segment({"tag": "nobody"})),
        rehearsal.a_wave("launch.second", rehearsal.START + DAY, after=("launch.more",)),
    ]
    with writing(engine) as conn:
        row = conn.execute(
            select(learner.c.external_id, delivery.c.due_at)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .where(delivery.c.state == "planned", delivery.c.channel == "email", learner.c.timezone.is_not(None))
            .order_by(learner.c.id)
            .limit(1)
        ).one()
        conn.execute(
            update(delivery)
            .where(delivery.c.learner_id == company.learner_ids[row.external_id])
            .values(state="held", reason="quiet_hours")
        )
        pause_campaign(conn, rehearsal.KEY, who="ops", why="a typo", at=at)
        pause_channel(conn, "email", reason="the key was revoked", at=at)
        found = explain(conn, row.external_id, rehearsal.KEY, as_of=at, upcoming=coming)
    by_wave = {each.wave: each for each in found.next}
    waiting = by_wave["launch.announcement@2026-01-12"]
    assert (waiting.kind, waiting.at) == (EntryKind.WAITING, row.due_at)
    assert any("08:00 to 20:00" in detail for detail in waiting.details)
    assert "The channel is paused: the key was revoked" in waiting.details
    assert found.campaign_words == "The campaign is paused: a typo."
    again = by_wave["launch.announcement@2026-01-13"]
    assert again.kind is EntryKind.NOT_IN_AUDIENCE
    assert again.details == ("The series is sent at most once to a learner. It was sent on 12 Jan 2026.",)
    assert "would be sent by email" in by_wave["launch.more@2026-01-13"].title
    assert by_wave["launch.few@2026-01-13"].details == ("It is for “tag nobody”.",)
    assert by_wave["launch.second@2026-01-13"].data == {"reason": "first_step_missing"}


def test_picks_attempts_consent_and_blocks_are_told(engine: Engine) -> None:
    rehearsal.prepare(engine, size=100)
    rehearsal.play(engine, days=1)
    with writing(engine) as conn:
        row = conn.execute(
            select(learner.c.id, learner.c.external_id, delivery.c.wave_id)
            .join(delivery, delivery.c.learner_id == learner.c.id)
            .where(delivery.c.attempt == 2, delivery.c.state.in_(["accepted", "delivered"]))
            .limit(1)
        ).one()
        wanted = conn.execute(select(item.c.id).where(item.c.key == "listen-first")).scalar_one()
        conn.execute(
            insert(pick).values(
                wave_id=row.wave_id,
                rotation=0,
                learner_id=row.id,
                position=0,
                item_id=wanted,
                reason_kind="goal",
                reason_value="understand customers",
                score=1.0,
            )
        )
        now = rehearsal.midnight(rehearsal.START) + DAY
        opt_out(conn, row.id, channel="email", family="learning", source="one_click", at=now)
        suppress(conn, row.id, channel="sms", reason=SuppressionReason.STOPPED, source="keyword", at=now)
        text = explain(conn, row.external_id, rehearsal.KEY, as_of=now).as_text()
    assert "Tried 2 times: not processed (throttled), then accepted." in text
    assert "Recommended “Listen first” for the goal “understand customers”." in text
    assert "Opted out of “learning” messages on email (said in: one_click)" in text
    assert "Blocked for all messages on sms: stopped (keyword)" in text


def test_who_joined_later_was_not_known_then(engine: Engine) -> None:
    rehearsal.prepare(engine, size=40)
    at = rehearsal.midnight(rehearsal.START) - timedelta(hours=6)
    plan(engine, rehearsal.a_wave("launch.announcement", rehearsal.START), as_of=at)
    with writing(engine) as conn:
        a_learner(conn, "newcomer", created_at=at + DAY, email="new@example.org")
        found = explain(conn, "newcomer", rehearsal.KEY, as_of=at + 2 * DAY)
    (entry,) = found.entries
    assert entry.details == ("The learner was not known yet when the wave was planned.",)


def test_unknown_people_and_campaigns_are_errors_that_say_what_to_do(sqlite_engine: Engine) -> None:
    rehearsal.prepare(sqlite_engine, size=20)
    with reading(sqlite_engine) as conn:
        with pytest.raises(UnknownLearnerError, match="external id 'nobody'"):
            explain(conn, "nobody", rehearsal.KEY, as_of=START)
        with pytest.raises(UnknownCampaignError):
            explain(conn, "lf-0001", "nothing", as_of=START)
        assert "Nothing yet." in explain(conn, "lf-0001", rehearsal.KEY, as_of=START).as_text()
