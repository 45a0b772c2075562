"""Over which channel a learner can be reached, and why over none: addresses, consent and suppressions as SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, and_, case, false, func, literal, null, or_

from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.arms import share_of
from pushpull.ledger.specs import WaveSpec
from pushpull.ledger.vocabulary import MessageClass, Reason

ADDRESS: dict[Channel, ColumnElement[str]] = {
    Channel.EMAIL: learner.c.email,
    Channel.TEAMS: learner.c.teams_id,
    Channel.SLACK: learner.c.slack_id,
    Channel.SMS: learner.c.phone,
}

#: Channels that need an explicit yes (security: private phones only with opt-in).
OPT_IN_CHANNELS = frozenset({Channel.SMS})


def usable(channel: Channel, blocked: FromClause, spec: WaveSpec) -> ColumnElement[bool]:
    """Whether a channel may be used for a learner: an address, and nothing that speaks against it.

    Args:
        blocked: :func:`pushpull.learners.consent.blocked_channels`, outer-joined.
    """
    allowed = [_has_address(channel), ~_flag(blocked, "suppressed", channel)]
    if spec.message_class is not MessageClass.MANDATORY:
        allowed.append(~_flag(blocked, "opted_out", channel))
    if channel in OPT_IN_CHANNELS:
        allowed.append(_flag(blocked, "granted", channel))
    return and_(*allowed)


def _has_address(channel: Channel) -> ColumnElement[bool]:
    return and_(ADDRESS[channel].is_not(None), ADDRESS[channel] != "")


def _flag(blocked: FromClause, name: str, channel: Channel) -> ColumnElement[bool]:
    return func.coalesce(blocked.c[f"{name}_{channel.value}"], false())


def usable_channel(spec: WaveSpec, blocked: FromClause) -> ColumnElement[str | None]:
    """The first of the wave's channels that may be used; null when there is none.

    Where the wave says so, the one over which the learner responds comes first (mission R6), or the one that was drawn
    for them (mission D4). Where that one may not be used, the others follow as written.

    Args:
        blocked: :func:`pushpull.learners.consent.blocked_channels`, outer-joined.
    """
    can = {channel: usable(channel, blocked, spec) for channel in spec.channels}
    own = spec.channels[1:] if spec.prefer_learner_channel else ()  # the first comes first as it is
    ways = [(and_(learner.c.preferred_channel == each.value, can[each]), literal(each.value)) for each in own]
    first = drawn_first(spec)
    ways += [(and_(theirs, can[each]), literal(each.value)) for each, theirs in first.items()]
    ways += [(can[each], literal(each.value)) for each in spec.channels]
    return case(*ways, else_=null())


def drawn_first(spec: WaveSpec) -> dict[Channel, ColumnElement[bool]]:
    """Whether a channel is the one drawn for a learner, per channel; empty where the wave draws none.

    The lot is a function of the learner's stored draw, the wave's key and the chances in its spec: it comes out the
    same before sending as in planning, and is drawn anew for the next wave.
    """
    found: dict[Channel, ColumnElement[bool]] = {}
    if not spec.channel_weights:
        return found
    bucket = share_of(f"channel:{spec.campaign_key}:{spec.key}", sum(weight for _, weight in spec.channel_weights))
    low = 0
    for channel, weight in spec.channel_weights:
        found[channel] = and_(bucket >= low, bucket < low + weight)
        low += weight
    return found


def unreachable(
    spec: WaveSpec, blocked: FromClause, channel: ColumnElement[str | None]
) -> list[tuple[ColumnElement[bool], Reason]]:
    """Why no channel was left, the most telling reason first."""

    def somewhere(name: str) -> ColumnElement[bool]:
        return or_(*(and_(_has_address(each), _flag(blocked, name, each)) for each in spec.channels))

    none_left = channel.is_(None)
    reasons = [(and_(none_left, ~or_(*(_has_address(each) for each in spec.channels))), Reason.NO_ADDRESS)]
    if spec.message_class is not MessageClass.MANDATORY:
        reasons.append((and_(none_left, somewhere("opted_out")), Reason.OPTED_OUT))
    reasons.append((and_(none_left, somewhere("suppressed")), Reason.SUPPRESSED))
    reasons.append((none_left, Reason.NO_CONSENT))
    return reasons
