"""Our bot's messages: the Bot Connector's REST interface (the Bot Framework SDKs are archived).

Opening a conversation shows nobody anything and gives the same one however often it is asked for, so its unknown
outcomes are proof that nothing was sent. Only the activity itself can be uncertain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from urllib.parse import quote

import orjson

from channels.accounts import MicrosoftAccount
from channels.answers import common_outcome, object_in
from channels.microsoft import BOT_SCOPE, Tokens
from channels.teams.addresses import Untrusted, Wires, checked
from channels.teams.service import Service
from channels.wire import Answer, Failure, NothingSent, Wire
from pushpull.learners.vocabulary import SuppressionReason
from pushpull.ledger.messages import Conversation
from pushpull.ledger.outcomes import ChannelStopped, NotSent, Outcome, Rejected, Uncertain

#: What an Adaptive Card is called among attachments.
CARD_TYPE = "application/vnd.microsoft.card.adaptive"

#: Conversations opened by this process that are remembered.
_REMEMBERED = 10_000

#: The codes of a 403 and a 404 (learn.microsoft.com/microsoftteams/platform/bots/build-conversational-capability,
#: status codes from bot APIs), wherever in the answer they stand: Teams nests them differently from case to case.
_CODE = re.compile(
    rb"\b(MessageWritesBlocked|ConversationBlockedByUser|BotDisabledByAdmin|NotEnoughPermissions|InvalidBotApiHost)\b"
)
_BLOCKED = frozenset({b"MessageWritesBlocked", b"ConversationBlockedByUser"})
_STOPPING: Mapping[bytes, str] = {
    b"NotEnoughPermissions": (
        "The Bot Connector says our bot lacks permissions (403): check the bot's registration and its app's "
        "permissions in Teams, then resume the channel."
    ),
    b"InvalidBotApiHost": (
        "The Bot Connector is another one for this tenant (403): set PUSHPULL_BOT_URL and "
        "PUSHPULL_TEAMS_SERVICE_HOSTS to the one of its cloud, then resume the channel."
    ),
}


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """Proof that the bot did not reach a person and will not: another way may.

    Args:
        reason: a short code.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Posted:
    """An activity that Teams took.

    Args:
        activity_id: empty where the answer did not say.
    """

    conversation_id: str
    activity_id: str


class Bot:
    """The bot's side of its conversations.

    Args:
        clock: the present, UTC.
        wire: makes connections to a service address.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        tokens: Tokens,
        *,
        clock: Callable[[], datetime],
        wire: Callable[[str], Wire] = Wire,
    ) -> None:
        self._account, self._clock = account, clock
        self._service = Service(
            tokens,
            name="The Bot Connector",
            scope=BOT_SCOPE,
            advice="register the bot with PUSHPULL_TEAMS_CLIENT_ID as its id and enable its Teams channel",
        )
        self._wires = Wires(wire)
        self._opened: dict[tuple[str, str], str] = {}
        self._lock = Lock()
        self.id = f"28:{account.client_id}"

    def wire_to(self, service_url: str) -> Wire:
        """Connections to a service address, or to the account's own where a person's is not known.

        Raises:
            Untrusted: our tokens are not sent there.
        """
        if not service_url:
            return self._wires.to(self._account.bot_url.rstrip("/"))
        return self._wires.to(checked(service_url, self._account.service_hosts))

    def send(
        self, person: Conversation, activity: Callable[[str], bytes], *, deadline: float
    ) -> Posted | OutOfReach | Outcome:
        """Send one activity to one person.

        Args:
            activity: its JSON, given the conversation's id.

        Raises:
            ChannelStopped: the bot reaches nobody.
            channels.wire.Failure: no answer to the activity itself.
        """
        try:
            wire = self.wire_to(person.service_url)
        except Untrusted:
            return Rejected("untrusted_service")
        conversation_id = person.conversation_id or self._known(person) or self._open(wire, person, deadline=deadline)
        if not isinstance(conversation_id, str):
            return conversation_id
        answer = self._service.ask(
            wire, "POST", activities_path(conversation_id), activity(conversation_id), deadline=deadline
        )
        if answer.is_success:
            return Posted(conversation_id, _id_in(answer))
        meaning = self.meaning(answer)
        if isinstance(meaning, OutOfReach):
            self._forget(person)
        return meaning

    def ask(self, wire: Wire, method: str, path: str, body: bytes, *, deadline: float) -> Answer:
        """Any other request of the bot's.

        Raises:
            ChannelStopped, channels.wire.Failure: as :meth:`send`.
        """
        return self._service.ask(wire, method, path, body, deadline=deadline)

    def meaning(self, answer: Answer) -> OutOfReach | Outcome:
        """What an answer that is no success means for its message.

        Raises:
            ChannelStopped: it is the same for every message.
        """
        common = common_outcome(answer, now=self._clock())
        if common is not None:
            return common
        match answer.status:
            case 403:
                return _forbidden(answer)
            case 404:
                return OutOfReach("conversation_not_found")
            case 409 | 412 | 423:
                return NotSent("busy_conversation")
            case 413:
                return Rejected("too_large")
        return Rejected(f"http_{answer.status}")

    def _known(self, person: Conversation) -> str:
        return self._opened.get((person.service_url, person.user_id), "")

    def _open(self, wire: Wire, person: Conversation, *, deadline: float) -> str | OutOfReach | Outcome:
        """The id of the conversation with a person, opened where there was none."""
        tenant_id = person.tenant_id or self._account.tenant_id
        asked = {
            "isGroup": False,
            "bot": {"id": self.id},
            "members": [{"id": person.user_id}],
            "tenantId": tenant_id,
            "channelData": {"tenant": {"id": tenant_id}},
        }
        try:
            answer = self._service.ask(wire, "POST", "/v3/conversations", orjson.dumps(asked), deadline=deadline)
        except NothingSent as failure:
            return NotSent(failure.code)
        except Failure as failure:
            return NotSent(f"opening_{failure.code}")
        if not answer.is_success:
            meaning = self.meaning(answer)
            return NotSent(f"opening_{meaning.reason}") if isinstance(meaning, Uncertain) else meaning
        conversation_id = _id_in(answer)
        if not conversation_id:
            return NotSent("opening_garbled_answer")
        with self._lock:
            if len(self._opened) >= _REMEMBERED:
                self._opened.clear()
            self._opened[person.service_url, person.user_id] = conversation_id
        return conversation_id

    def _forget(self, person: Conversation) -> None:
        with self._lock:
            self._opened.pop((person.service_url, person.user_id), None)


def activities_path(conversation_id: str) -> str:
    """Where the activities of a conversation are: ``:`` and ``@`` may stand in a path (RFC 3986, section 3.3)."""
    return f"/v3/conversations/{quote(conversation_id, safe=':@')}/activities"


def _id_in(answer: Answer) -> str:
    found = object_in(answer).get("id")
    return found if isinstance(found, str) else ""


def _forbidden(answer: Answer) -> OutOfReach | Rejected:
    found = _CODE.search(answer.body)
    code = found[1] if found else b""
    if code in _BLOCKED:
        return Rejected("blocked", suppress=SuppressionReason.STOPPED)
    if code in _STOPPING:
        raise ChannelStopped(_STOPPING[code])
    # An administrator may have taken the bot away from this person alone; where it was from all, the wave's share of
    # rejections stops the campaign.
    return OutOfReach("disabled_by_admin" if code else "bot_not_installed")
