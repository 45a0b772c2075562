from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select, true, update

from pushpull.catalogue.tables import item
from pushpull.db import reading, writing
from pushpull.learners.choices import pause
from pushpull.learners.consent import opt_out
from pushpull.learners.reviews import decide as decide_review
from pushpull.learners.reviews import rate
from pushpull.learners.segments import EVERYONE, parse_segment
from pushpull.learners.shares import follow, make_share
from pushpull.learners.tables import champion, learner, lifecycle, lifecycle_event
from pushpull.learners.vocabulary import ChampionState, Channel, LearnerState, ReviewState
from pushpull.ledger.campaigns import cancel_campaign, record
from pushpull.ledger.champions import REST, Candidate, WhyNot, candidates, choose
from pushpull.ledger.eligibility import rechecked
from pushpull.ledger.planning import PlanResult, plan, write_rows
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.tables import approval, audit, campaign, delivery
from pushpull.ledger.terms import Terms
from pushpull.ledger.vocabulary import DeliveryState, Reason
from pushpull.ledger.vouching import ANSWER_WITHIN, TERM, NotAskedError, Turned, answer, rotate, vouching_of
from tests.learners.peers import DAY, NOW, company, completed, learned
from tests.ledger.builders import PLENTY, a_wave, rows_of, states_of

TODAY = NOW.date()
PEOPLE = 8


def invitation(on: date = TODAY, *, places: int = 5, **fields: Any) -> WaveSpec:
    return a_wave("champions.invitation", campaign="spring", on=on, champions=places, **fields)


def rules(spec: WaveSpec | None = None, *, at: datetime = NOW) -> Terms:
    return Terms(spec=spec or invitation(), campaign_id=1, item_ids=(1, 2, 3), as_of=at)


def peers(connection: Connection, *, people: int = PEOPLE) -> None:
    """A company in which everybody has an address."""
    company(connection, people=people, zone="UTC")
    connection.execute(update(learner).values(email=learner.c.external_id + "@example.org"))


def vouched(connection: Connection, who: int, what: int = 1, *, at: datetime = NOW - 10 * DAY) -> None:
    """Somebody finished an item and said in words what they think of it: five points."""
    completed(connection, who, what, at)
    rate(connection, who, what, rating=2, words="Too long, and still worth it.", at=at)


def why(engine: Engine, spec: WaveSpec | None = None, *, at: datetime = NOW) -> dict[int, WhyNot | None]:
    with reading(engine) as connection:
        return {each.learner_id: each.why_not for each in candidates(connection, rules(spec, at=at))}


def invite(engine: Engine, spec: WaveSpec | None = None, *, at: datetime = NOW, **more: Any) -> PlanResult:
    return plan(engine, spec or invitation(), as_of=at, **more)


def champions(engine: Engine) -> dict[int, str]:
    with reading(engine) as connection:
        return dict(connection.execute(select(champion.c.learner_id, champion.c.state)).all())


def test_points_are_for_deeds_and_never_for_praise(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        vouched(connection, 1)  # 3 + 2
        completed(connection, 2, 1, NOW - DAY)
        rate(connection, 2, 1, rating=5, at=NOW)  # 3 + 1: five stars are worth what two are
        completed(connection, 3, 2, NOW - DAY)
        link = make_share(connection, 3, 2, at=NOW - 5 * DAY)  # 3 + 1
        for who in (4, 5, 6, 7):  # three of the four count: 9
            follow(connection, link, who, at=NOW - 4 * DAY)
            learned(connection, who, 2, NOW - 3 * DAY)
        completed(connection, 8, 3, NOW - DAY)  # alone: nothing for others
        found = {each.learner_id: each for each in candidates(connection, rules())}
    assert {who: each.points for who, each in found.items()} == {3: 13, 1: 5, 2: 4}
    assert found[3].best_item == 2
    assert found[2].why_not is WhyNot.TOO_FEW_POINTS


def test_everybody_who_is_not_asked_has_a_reason(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection, people=12)
        for who in range(1, 13):
            vouched(connection, who)
        connection.execute(update(learner).where(learner.c.id == 1).values(active=False))
        connection.execute(update(item).where(item.c.id == 3).values(owner_external_id="p-2"))
        decide_review(connection, 3, 1, ReviewState.HIDDEN, who="ada", why="insult", at=NOW)
        completed(connection, 3, 2, NOW - DAY)
        rate(connection, 3, 2, rating=5, words="Fine words, this time.", at=NOW)
        pause(connection, 4, days=20, at=NOW)
        opt_out(connection, 5, channel="*", family="spring", source="page", at=NOW)
        connection.execute(
            insert(champion).values(campaign_id=1, learner_id=6, score=5, state="declined", invited_at=NOW - REST + DAY)
        )
        connection.execute(
            insert(champion).values(campaign_id=1, learner_id=7, score=5, state="accepted", invited_at=NOW - DAY)
        )
        connection.execute(update(learner).where(learner.c.id == 8).values(department="Stores"))
    target = parse_segment({"not": {"field": "department", "is": "Stores"}})
    found = why(engine, invitation(places=3, target=target))
    assert {who: found[who] for who in range(1, 9)} == {
        1: WhyNot.LEFT,
        2: WhyNot.INTEREST,
        3: WhyNot.MODERATED,
        4: WhyNot.PAUSED,
        5: WhyNot.UNREACHABLE,
        6: WhyNot.ASKED_LATELY,
        7: WhyNot.STANDING,
        8: WhyNot.OUTSIDE,
    }
    assert sorted(str(found[who]) for who in range(9, 13)) == ["None", "None", "no_place", "no_place"]


def test_makers_owners_their_managers_deciders_and_whom_the_file_names_have_an_interest(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in range(1, PEOPLE + 1):
            vouched(connection, who)
        stamps = {"created_at": NOW, "updated_at": NOW}
        connection.execute(
            insert(item).values(id=9, key="i-9", title="Quiz", part_of="i-1", owner_external_id="p-1", **stamps)
        )
        connection.execute(update(learner).where(learner.c.id == 1).values(manager_external_id="p-2"))
        record(connection, at=NOW, who="P-3@Example.org", what="wave open", subject="1", why=None)
        connection.execute(
            insert(approval).values(
                wave_id=1, rotation=0, decision="approved", who="p-4", why="", content_hash="", planned=1,
                decided_at=NOW,
            )
        )  # fmt: skip
        connection.execute(update(learner).where(learner.c.id == 5).values(title="Learning designer"))
        connection.execute(update(learner).where(learner.c.id == 6).values(external_id="P-Six"))
        record(connection, at=NOW, who="p-six", what="wave open", subject="1", why=None)
    vested = parse_segment({"field": "title", "prefix": "Learning"})
    found = why(engine, invitation(places=50, vested=vested))
    assert {who for who, reason in found.items() if reason is WhyNot.INTEREST} == {1, 2, 3, 4, 5, 6}
    assert {who for who, reason in found.items() if reason is None} == {7, 8}


def test_an_invitation_is_a_message_like_any_other_and_is_noted_down(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2, 3):
            vouched(connection, who)
            for what in (2, 3):
                completed(connection, who, what, NOW - DAY)  # all is done: there is something to vouch for
    rehearsed = invite(engine, dry_run=True)
    assert (rehearsed.wave_id, rehearsed.planned, champions(engine)) == (None, 3, {})
    planned = invite(engine)
    assert (planned.audience, planned.planned) == (3, 3)
    assert champions(engine) == dict.fromkeys((1, 2, 3), "invited")
    assert invite(engine).was_planned_before
    assert invite(engine, invitation(TODAY + DAY), at=NOW + DAY).audience == 0
    with reading(engine) as connection:
        assert connection.execute(select(champion.c.score).where(champion.c.learner_id == 1)).scalar_one() == 11.0


def test_the_held_out_take_no_place(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection, people=40)
        for who in range(1, 41):
            vouched(connection, who)
    planned = invite(engine, invitation(places=10, holdout=0.5))
    assert (planned.planned, planned.by_reason) == (10, {})


def test_who_may_vouch_is_asked_again_before_an_invitation_leaves(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2, 3):
            vouched(connection, who)
    invite(engine)
    with writing(engine) as connection:
        connection.execute(update(item).where(item.c.id == 2).values(owner_external_id="p-1"))
        answer(connection, 2, 1, is_yes=False, at=NOW)
        asked = rechecked(connection, rules(), is_dense=True)
        batch = {"batch_first": 1, "batch_last": 3}
        reasons = {row.learner_id: row.reason for row in connection.execute(asked, batch)}
    assert {who: reasons.get(who) for who in (1, 2, 3)} == {
        1: Reason.NO_LONGER_IN_SEGMENT,
        2: Reason.NO_LONGER_IN_SEGMENT,
        3: None,
    }


def test_answers_move_people_on_and_a_yes_moves_their_lifecycle(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2, 3):
            vouched(connection, who)
        connection.execute(
            insert(lifecycle).values(
                campaign_id=1, learner_id=1, state=LearnerState.ACTIVE.value, since=NOW, folded_to=NOW
            )
        )
    invite(engine)
    with writing(engine) as connection:
        (asked,) = vouching_of(connection, 1, NOW)
        assert (asked.campaign, asked.state, asked.ends_at) == ("Spring", ChampionState.INVITED, None)
        assert answer(connection, 1, 1, is_yes=True, at=NOW) is ChampionState.ACCEPTED
        assert answer(connection, 1, 1, is_yes=True, at=NOW + DAY) is ChampionState.ACCEPTED
        assert answer(connection, 2, 1, is_yes=False, at=NOW) is ChampionState.DECLINED
        (vouches,) = vouching_of(connection, 1, NOW)
        assert vouches.ends_at == NOW + TERM
        assert vouching_of(connection, 2, NOW) == ()
        for who in (2, 8):
            with pytest.raises(NotAskedError):
                answer(connection, who, 1, is_yes=True, at=NOW)
        assert connection.execute(select(lifecycle_event.c.kind)).scalars().all() == ["became_champion"]
        assert connection.execute(select(lifecycle.c.folded_to)).scalar_one() is None
        assert answer(connection, 1, 1, is_yes=False, at=NOW + DAY) is ChampionState.ROTATED
        assert vouching_of(connection, 1, NOW + DAY) == ()


def test_nobody_says_yes_who_has_an_interest_by_then_or_to_what_is_over(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2, 3):
            vouched(connection, who)
        connection.execute(update(campaign).values(definition={"vested": {"field": "title", "is": "Trainer"}}))
    invite(engine)
    with writing(engine) as connection:
        connection.execute(update(learner).where(learner.c.id == 1).values(title="Trainer"))
        with pytest.raises(NotAskedError):
            answer(connection, 1, 1, is_yes=True, at=NOW)
        assert answer(connection, 1, 1, is_yes=False, at=NOW) is ChampionState.DECLINED
        with pytest.raises(NotAskedError):
            answer(connection, 2, 1, is_yes=True, at=NOW + ANSWER_WITHIN)
        cancel_campaign(connection, "spring", who="ada", why="over", at=NOW)
        assert vouching_of(connection, 3, NOW) == ()


def test_champions_rotate_and_nobody_is_asked_again_before_their_rest_is_over(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2, 3):
            vouched(connection, who)
    invite(engine)
    with writing(engine) as connection:
        answer(connection, 1, 1, is_yes=True, at=NOW)
        answer(connection, 2, 1, is_yes=True, at=NOW)
        assert rotate(connection, 1, NOW) == Turned(0, 0)
        connection.execute(update(learner).where(learner.c.id == 2).values(active=False))
        assert rotate(connection, 1, NOW + ANSWER_WITHIN) == Turned(rotated=1, lapsed=1)
        assert rotate(connection, 1, NOW + TERM) == Turned(rotated=1, lapsed=0)
    assert champions(engine) == {1: "rotated", 2: "rotated", 3: "declined"}
    before, after = NOW + 180 * DAY - timedelta(seconds=1), NOW + 180 * DAY
    assert invite(engine, invitation(before.date()), at=before).audience == 0
    assert invite(engine, invitation(after.date() + DAY), at=after).planned == 2
    assert champions(engine) == {1: "invited", 2: "rotated", 3: "invited"}


def test_a_re_run_for_chosen_people_invites_nobody_with_an_interest_and_nobody_twice(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        for who in (1, 2):
            vouched(connection, who)
        connection.execute(update(item).where(item.c.id == 2).values(owner_external_id="p-3"))
    wave_id = invite(engine).wave_id
    assert wave_id is not None
    with writing(engine) as connection:
        answer(connection, 1, 1, is_yes=True, at=NOW)
        write_rows(connection, rules(), wave_id=wave_id, rotation_number=1, only=true())
    rows = rows_of(engine, wave_id, rotation=1)
    assert {who for who, row in rows.items() if row.state == DeliveryState.PLANNED} == {2, 4, 5, 6, 7, 8}
    assert champions(engine)[1] == "accepted"
    assert states_of(engine, wave_id)[1] == ("planned", None)


_POINTS = st.dictionaries(st.integers(1, 3), st.integers(1, 9), min_size=1)
_REASONS = st.sampled_from([None, None, None, *(each for each in WhyNot if each not in (WhyNot.NO_PLACE,))])


@given(
    people=st.lists(st.tuples(st.sampled_from(["", "A", "B"]), _POINTS, st.integers(0, 5), _REASONS), max_size=15),
    places=st.integers(0, 6),
)
@settings(max_examples=150, deadline=None)
def test_places_are_never_exceeded_and_no_reason_is_overruled(
    people: list[tuple[str, Mapping[int, int], int, WhyNot | None]], places: int
) -> None:
    found = [Candidate(n, *person) for n, person in enumerate(people, start=1)]
    judged = {each.learner_id: each for each in choose(found, places=places)}
    asked = [each for each in judged.values() if each.why_not is None]
    standing = [each for each in found if each.why_not is WhyNot.STANDING]
    assert len(judged) == len(found)
    assert len(asked) <= max(0, places - len(standing))
    for before in found:
        if before.why_not is not None:
            assert judged[before.learner_id].why_not is before.why_not
    waiting = [each for each in judged.values() if each.why_not is WhyNot.NO_PLACE]
    assert not waiting or len(asked) == max(0, places - len(standing))
    if not standing:  # nobody is passed over whose department has nobody while another has two
        for each in waiting:
            mine = sum(one.department == each.department for one in asked)
            most = max((sum(one.department == other.department for one in asked) for other in asked), default=0)
            assert most <= mine + 1


_WHO = st.integers(1, 6)


@given(
    owners=st.lists(_WHO | st.none(), min_size=3, max_size=3),
    managers=st.lists(_WHO | st.none(), min_size=6, max_size=6),
    deciders=st.sets(_WHO, max_size=2),
    trainers=st.sets(_WHO, max_size=2),
    everybody=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_with_an_interest_of_their_own_is_ever_invited(
    engine: Engine,
    owners: list[int | None],
    managers: list[int | None],
    deciders: set[int],
    trainers: set[int],
    everybody: bool,
) -> None:
    owning = {who for who in owners if who}
    interest = owning | {boss for who in owning if (boss := managers[who - 1])} | deciders | trainers
    vested = parse_segment({"field": "title", "is": "Trainer"})
    with engine.connect() as connection, connection.begin() as company_of_this_example:
        peers(connection, people=6)
        for n, owner in enumerate(owners, start=1):
            connection.execute(
                update(item).where(item.c.id == n).values(owner_external_id=f"p-{owner}" if owner else None)
            )
        for n, boss in enumerate(managers, start=1):
            connection.execute(
                update(learner).where(learner.c.id == n).values(
                    manager_external_id=f"p-{boss}" if boss else None, title="Trainer" if n in trainers else None
                )
            )  # fmt: skip
        for n in deciders:
            connection.execute(insert(audit).values(at=NOW, who=f"P-{n}", what="campaign paused", subject="spring"))
        for n in range(1, 7):
            vouched(connection, n)
        write_rows(
            connection, rules(invitation(places=6, vested=vested, audience=EVERYONE, caps=PLENTY)),
            wave_id=1, rotation_number=0, only=true() if everybody else None,
        )  # fmt: skip
        invited = set(
            connection.execute(
                select(delivery.c.learner_id).where(delivery.c.state == DeliveryState.PLANNED.value)
            ).scalars()
        )
        noted = set(connection.execute(select(champion.c.learner_id)).scalars())
        company_of_this_example.rollback()
    assert invited == noted == set(range(1, 7)) - interest


def test_channels_of_an_invitation_are_those_of_its_wave(engine: Engine) -> None:
    with writing(engine) as connection:
        peers(connection)
        vouched(connection, 1)
    assert why(engine, invitation(channels=(Channel.SLACK,))) == {1: WhyNot.UNREACHABLE}
    with pytest.raises(ValueError, match="champions stage"):
        a_wave("launch.hello", campaign="spring", champions=3)
