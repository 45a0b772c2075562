"""What news from providers do to the ledger: facts, suppressions, consent, conversations, stopped channels.

Every effect is one that stands the same after hearing the news twice, late or in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress as suppress_error
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from pushpull.learners.consent import UnknownLearner, lift, opt_in, opt_out, suppress
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import ANY_FAMILY, Channel, SuppressionReason
from pushpull.ledger.campaigns import pause_channel
from pushpull.ledger.conversations import forget, learn
from pushpull.ledger.events import record_facts
from pushpull.ledger.news import Address, BotInstalled, BotRemoved, ChannelLost, DeliveryName, News, Told, Word
from pushpull.ledger.reach import ADDRESS
from pushpull.ledger.reports import (
    DeliveryFact,
    accepted_messages,
    is_about,
    is_of_a_rehearsal,
    known_deliveries,
)
from pushpull.ledger.tables import handover
from pushpull.ledger.vocabulary import CallbackState, EventKind

#: How long after a message something said about its address can be about it.
WINDOW = timedelta(hours=72)

#: The database's clock, which handovers are timed by, and a provider's may differ by so much.
_SKEW = timedelta(minutes=5)

#: Noted with what a person has to read.
FOR_A_PERSON = {Word.REFUSAL: "reads like a refusal: suppressed until a person decides", Word.REPLY: "reply"}

#: Noted with what came of a message that went to somebody else.
OF_A_REHEARSAL = "of a rehearsal"


@dataclass(frozen=True)
class Target:
    """Whom something told is about.

    Args:
        fact: what is recorded of it; None where it is about no message.
    """

    learner_id: int
    channel: str
    family: str
    fact: DeliveryFact | None = None


@dataclass(frozen=True)
class Located:
    """News with the rows they are about; what is in none of them is about nobody we know.

    Args:
        rehearsed: news of messages that went to somebody else in a rehearsal: about none of our learners.
    """

    targets: dict[Told, list[Target]] = field(default_factory=dict)
    rehearsed: set[Told] = field(default_factory=set)

    @classmethod
    def of(cls, parts: Sequence[Located]) -> Located:
        """What was found for some news at a time."""
        return cls(
            {told: whom for part in parts for told, whom in part.targets.items()},
            {told for part in parts for told in part.rehearsed},
        )

    @property
    def facts(self) -> list[DeliveryFact]:
        """What will be recorded."""
        return [each.fact for targets in self.targets.values() for each in targets if each.fact is not None]

    @property
    def learner_ids(self) -> set[int]:
        """Everybody about whom something will be recorded or said."""
        return {each.learner_id for targets in self.targets.values() for each in targets}


def locate(connection: Connection, news: Sequence[News]) -> Located:
    """Find the deliveries and the people that news are about."""
    told = [each for each in news if isinstance(each, Told)]
    located = _of_deliveries(connection, [each for each in told if isinstance(each.about, DeliveryName)])
    for each in told:
        if isinstance(each.about, Address) and (found := _at_address(connection, each, each.about)):
            located.targets[each] = found
    return located


def hear(
    connection: Connection, events: Sequence[Sequence[News]], located: Located, *, now: datetime
) -> list[tuple[CallbackState, str | None]]:
    """Let the news of some events take effect.

    Returns:
        What became of each event, and a note for a person who looks at it.
    """
    told = [each for news in events for each in news if isinstance(each, Told)]
    targets = [target for each in told for target in located.targets.get(each, [])]
    record_facts(connection, [target.fact for target in targets if target.fact is not None])
    return [_hear(connection, news, located, now=now) for news in events]


def _hear(
    connection: Connection, news: Sequence[News], located: Located, *, now: datetime
) -> tuple[CallbackState, str | None]:
    """All but the facts."""
    if not news:
        return CallbackState.IGNORED, None
    is_known, note = True, None
    for each in news:
        match each:
            case Told() if each in located.rehearsed:
                note = OF_A_REHEARSAL
            case Told():
                targets = located.targets.get(each, [])
                is_known &= bool(targets)
                note = FOR_A_PERSON.get(each.word, note) if each.word else note
                for target in targets:
                    with suppress_error(UnknownLearner):  # erased since: there is nobody to write to
                        _say(connection, each, target)
            case BotInstalled(reference):
                learn(connection, [reference])
            case BotRemoved(address, at):
                forget(connection, address, at=at)
            case ChannelLost(channel, reason, _):
                pause_channel(connection, channel.value, reason=reason, at=now)
    return (CallbackState.FOLDED if is_known else CallbackState.ORPHAN), note


def _say(connection: Connection, told: Told, target: Target) -> None:
    person, scope = target.learner_id, {"channel": target.channel, "family": target.family}
    if told.suppress is not None:
        _stop(connection, told, target, told.suppress)
    match told.word:
        case Word.START:
            # A stop that was said earlier and is heard later must find that it was taken back.
            _stop(connection, told, target, SuppressionReason.STOPPED)
            lift(connection, person, channel=target.channel, reason=SuppressionReason.STOPPED, at=told.at)
        case Word.OPT_OUT:
            opt_out(connection, person, **scope, source="provider", at=told.at)
        case Word.OPT_OUT_ALL:
            opt_out(connection, person, **(scope | {"family": ANY_FAMILY}), source="provider", at=told.at)
        case Word.OPT_IN:
            opt_in(connection, person, **scope, source="provider", at=told.at)
        case _:
            pass


def _stop(connection: Connection, told: Told, target: Target, reason: SuppressionReason) -> None:
    source = f"reply: {told.word.value}" if told.word else "provider"
    suppress(connection, target.learner_id, channel=target.channel, reason=reason, source=source, at=told.at)


def _of_deliveries(connection: Connection, told: Sequence[Told]) -> Located:
    wanted = {each: _fact(each, each.about) for each in told if isinstance(each.about, DeliveryName)}
    known = known_deliveries(connection, list(wanted.values()))
    found = Located()
    for each, fact in wanted.items():
        row = known.get(fact.delivery)
        if row is None or row.channel is None or not is_about(known, fact):
            continue
        if is_of_a_rehearsal(known, fact):
            found.rehearsed.add(each)
        else:
            found.targets[each] = [Target(fact.learner_id, row.channel, row.family, fact if each.kind else None)]
    return found


def _fact(told: Told, name: DeliveryName) -> DeliveryFact:
    return DeliveryFact(
        source="callback",
        source_id=f"{name.wave_id}-{name.rotation}-{name.learner_id}:{told.key}",
        wave_id=name.wave_id,
        rotation=name.rotation,
        learner_id=name.learner_id,
        # A word alone is no fact: the kind only serves to find the delivery.
        kind=told.kind or EventKind.REPLIED,
        occurred_at=told.at,
        detail=told.detail,
        handover_id=name.handover_id,
        suppress=told.suppress,
    )


def _at_address(connection: Connection, told: Told, address: Address) -> list[Target]:
    """Everybody who has the address, with the last message there that the provider surely had."""
    column = ADDRESS[address.channel]
    spellings = {address.value, address.value.lower()} if address.channel is not Channel.SMS else {address.value}
    # Imports write e-mail addresses in small letters, and leave object ids as they find them.
    is_theirs = (func.lower(column) if address.channel is Channel.TEAMS else column).in_(spellings)
    people = connection.execute(select(learner.c.id).where(is_theirs).order_by(learner.c.id)).scalars()
    found = []
    for person in people.all():
        last = _last_message(connection, person, address.channel, told.at)
        if last is not None and told.kind is not None:
            found.append(Target(person, address.channel.value, last.family, _fact(told, last.name)))
        elif told.word is not None or told.suppress is not None:
            found.append(Target(person, address.channel.value, last.family if last else ANY_FAMILY))
    return found


@dataclass(frozen=True)
class _Message:
    name: DeliveryName
    family: str


def _last_message(connection: Connection, learner_id: int, channel: Channel, at: datetime) -> _Message | None:
    row = connection.execute(
        # Accepted ones alone: a guess must not prove that an uncertain message arrived.
        accepted_messages(learner_id, channel)
        .where(handover.c.intended_at.between(at - WINDOW, at + _SKEW))
        .order_by(handover.c.intended_at.desc(), handover.c.wave_id.desc(), handover.c.rotation.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return _Message(DeliveryName(row.wave_id, row.rotation, learner_id), row.family)
