"""What ops do with providers beside sending: make an account ready, and ask whether accounts work."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select

from channels.accounts import Accounts, accounts_of
from channels.checking import check
from channels.wire import Wire
from content.campaign import campaign_keys
from pushpull.db import reading, writing
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.provider_objects import ASM_GROUP, SENDGRID, keep, unsubscribe_groups
from pushpull.ledger.tables import conversation
from pushpull.settings import CREDENTIALS, is_this_machine
from tasks.installation import Installation

#: So many people in a row for whom Graph had no time: the next run goes on.
_PATIENCE = 5


class SetUpImpossible(ValueError):
    """A provider's account cannot be made ready from here."""


@dataclass(frozen=True)
class SendGridSetUp:
    """What setting up an account at SendGrid came to.

    Args:
        groups: number of the unsubscribe group, by message family.
        made: families whose group was not there before; of a dry run those whose group is not known here.
        webhook_url: where SendGrid's events go; empty: the event webhook was left alone.
        webhook_key: what its events are verified with; public.
    """

    groups: Mapping[str, int]
    made: tuple[str, ...]
    webhook_url: str = ""
    webhook_key: str = ""


def families_in_use(here: Installation) -> tuple[str, ...]:
    """The message families of all campaigns, in alphabetical order.

    Raises:
        content.source.ContentError: a campaign cannot be used.
    """
    return tuple(sorted({here.campaign(key).family for key in campaign_keys(here.settings.content_dir)}))


def account_for(here: Installation, channel: Channel) -> Accounts:
    """The accounts with the one of a channel, whether or not the channel is listed.

    Raises:
        channels.credentials.CredentialsMissing: it should be in a block, and is not.
    """
    chosen = here.settings
    if chosen.credentials_block and channel not in chosen.real_channels:
        from channels.credentials import with_blocks

        chosen = with_blocks(chosen, [channel])
    with reading(here.engine) as connection:
        return accounts_of(chosen, groups=unsubscribe_groups(connection))


def troubles(here: Installation, channel: Channel, *, seconds: float = 15.0) -> list[str]:
    """What keeps a channel from sending, each with what to do; empty: its provider says that it works.

    Args:
        seconds: how long one answer may take.
    """
    accounts = account_for(here, channel)
    families = families_in_use(here) if channel is Channel.EMAIL else ()
    return check(channel, accounts, families=families, seconds=seconds)


def set_up_sendgrid(
    here: Installation, *, at: datetime, with_webhook: bool = False, dry_run: bool = False
) -> SendGridSetUp:
    """Make one unsubscribe group per message family in use, and keep their numbers. Repeating it changes nothing.

    Args:
        with_webhook: point the signed event webhook at this installation's public address too.
        dry_run: say what is missing, and ask and make nothing.

    Raises:
        SetUpImpossible: there are no credentials, or no public address for the webhook.
        channels.email.setup.SetUpFailed: SendGrid refused.
    """
    account = account_for(here, Channel.EMAIL).sendgrid
    if account is None:
        names = ", ".join(f"PUSHPULL_{name.upper()}" for name in CREDENTIALS[Channel.EMAIL])
        raise SetUpImpossible(f"there are no credentials for SendGrid: set {names}; see docs/channels.md")
    own_url = here.settings.base_url
    if with_webhook and not own_url.startswith("https://") and not is_this_machine(account.base_url):
        raise SetUpImpossible("SendGrid must be able to call us: set PUSHPULL_BASE_URL to a public https address")
    families = families_in_use(here)
    if dry_run:
        return SendGridSetUp(account.groups, tuple(family for family in families if family not in account.groups))
    from channels.email.setup import set_up
    from channels.email.transport import sdk

    wire = Wire(account.base_url)
    try:
        done = set_up(sdk(account, wire).client, families, own_url if with_webhook else "")
    finally:
        wire.close()
    with writing(here.engine) as connection:
        for family, number in done.groups.items():
            keep(connection, SENDGRID, ASM_GROUP, key=family, value=str(number), at=at)
    webhook = done.webhook
    return SendGridSetUp(
        groups=done.groups,
        made=done.made,
        webhook_url=webhook.url if webhook else "",
        webhook_key=webhook.public_key if webhook else "",
    )


def people_without_the_bot(here: Installation) -> list[str]:
    """The Entra ids of active learners whose Teams the bot cannot reach yet, in alphabetical order."""
    known = exists(
        select(conversation.c.address).where(
            conversation.c.channel == Channel.TEAMS.value,
            conversation.c.address == func.lower(learner.c.teams_id),
            conversation.c.is_installed,
        )
    )
    wanted = select(learner.c.teams_id).where(learner.c.active, func.coalesce(learner.c.teams_id, "") != "", ~known)
    with reading(here.engine) as connection:
        return list(connection.execute(wanted.order_by(learner.c.teams_id)).scalars())


def install_for(
    here: Installation, people: Sequence[str], *, told: Callable[[str], None] = lambda _what: None
) -> Mapping[str, int]:
    """Install the bot's app for people, one after the other; it may be repeated as often as one likes.

    Teams then tells our endpoint how to reach each of them.

    Args:
        people: Entra ids.
        told: of what became of each.

    Returns:
        How many, by what became of them.

    Raises:
        SetUpImpossible: there are no credentials.
        ChannelStopped: the app may not be installed for anybody.
    """
    account = account_for(here, Channel.TEAMS).microsoft
    if account is None:
        names = ", ".join(f"PUSHPULL_{name.upper()}" for name in CREDENTIALS[Channel.TEAMS])
        raise SetUpImpossible(f"there are no credentials for Teams: set {names}; see docs/channels.md")
    from channels.teams.install import AppInstaller
    from channels.teams.install import Installation as Installed

    installer = AppInstaller(account)
    counts: Counter[str] = Counter()
    in_a_row = 0
    for person in people:
        became = installer.install(person, deadline=time.monotonic() + here.settings.call_deadline_seconds)
        counts[became.value] += 1
        told(became.value)
        in_a_row = in_a_row + 1 if became is Installed.LATER else 0
        if in_a_row == _PATIENCE:
            break
    return counts
