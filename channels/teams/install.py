"""Installing our bot's app for a person, through Graph: Teams then tells our endpoint how to reach them."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from urllib.parse import quote

import orjson

from channels.accounts import MicrosoftAccount
from channels.microsoft import Tokens, shared_tokens
from channels.teams.feed import graph_service, raise_if_role_is_missing
from channels.wire import Failure, Wire
from pushpull.ledger.outcomes import ChannelStopped

#: The application permission that installing needs.
_ROLE = "TeamsAppInstallation.ReadWriteSelfForUser.All"


class Installation(StrEnum):
    """What became of installing the app for one person."""

    INSTALLED = "installed"
    THERE_ALREADY = "there_already"
    REFUSED = "refused"  # by a policy of the organisation's, or there is no such person in Teams
    LATER = "later"  # not known or not possible now; to install it again changes nothing


class AppInstaller:
    """Installs the app of the organisation's catalogue for people.

    Args:
        tokens, monotonic, wire: as for :class:`channels.teams.TeamsChannel`.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        *,
        tokens: Tokens | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wire: Callable[[str], Wire] | None = None,
    ) -> None:
        self._app_id = account.teams_app_id
        self._service = graph_service(tokens or shared_tokens(account))
        self._wire = (wire or partial(Wire, monotonic=monotonic))(account.graph_url)
        self._catalogue = f"{account.graph_url.rstrip('/')}/appCatalogs/teamsApps/"

    def install(self, user: str, *, deadline: float) -> Installation:
        """Install the app for one person; as often as one likes.

        Args:
            user: the Entra object id.
            deadline: monotonic seconds by which everything must be over.

        Raises:
            ChannelStopped: no app is named, or ours may not be installed for anybody.
        """
        if not self._app_id:
            raise ChannelStopped(
                "Teams: no app can be installed for people. Put its id in the organisation's catalogue into "
                "PUSHPULL_TEAMS_APP_ID."
            )
        body = orjson.dumps({"teamsApp@odata.bind": self._catalogue + quote(self._app_id, safe="")})
        path = f"/users/{quote(user, safe='')}/teamwork/installedApps"
        try:
            answer = self._service.ask(self._wire, "POST", path, body, deadline=deadline)
        except Failure:
            return Installation.LATER
        if answer.is_success:
            return Installation.INSTALLED
        match answer.status:
            case 409:
                return Installation.THERE_ALREADY
            case 403:
                raise_if_role_is_missing(answer, _ROLE)
                return Installation.REFUSED
            case 400 | 404:
                return Installation.REFUSED
        return Installation.LATER
