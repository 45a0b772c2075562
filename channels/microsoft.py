"""Access tokens of Microsoft Entra, for everything of Microsoft's we talk to: Bot Connector and Graph.

`msal` asks for them and keeps them; what is here sees to it that any number of threads make one request, and says what
a refusal means. A request for a token is no message: whatever becomes of it, nothing was sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import msal

from channels.accounts import MicrosoftAccount
from channels.msal_transport import MsalTransport, Refused
from channels.wire import Failure, NothingSent, Wire
from pushpull.ledger.outcomes import ChannelStopped

#: What the Bot Connector wants a token for.
BOT_SCOPE = "https://api.botframework.com/.default"

#: What Graph wants a token for.
GRAPH_SCOPE = "https://graph.microsoft.com/.default"

#: The host `msal` is told where ours is not https: it takes no other, and a test's stand-in has no certificate.
_WORLD_WIDE = "login.microsoftonline.com"

#: How long a token that could not be renewed is used before the next try, in seconds.
_NEXT_TRY = 10.0

#: What to do, by Entra's own error code (learn.microsoft.com/entra/identity-platform/reference-error-codes).
_ADVICE: Mapping[int, str] = {
    7000215: "the client secret is wrong: put its value, not its id, into PUSHPULL_TEAMS_CLIENT_SECRET",
    7000222: "the client secret has expired: make a new one at Entra and put it into PUSHPULL_TEAMS_CLIENT_SECRET",
    700016: "the tenant does not know the app: check PUSHPULL_TEAMS_CLIENT_ID and PUSHPULL_TEAMS_TENANT_ID",
    90002: "there is no such tenant: check PUSHPULL_TEAMS_TENANT_ID",
    900023: "PUSHPULL_TEAMS_TENANT_ID is neither a tenant's id nor one of its domains",
    500011: "the service has no principal in the tenant: an administrator must consent to the app",
    7000112: "the app is disabled at Entra: enable it",
    53003: "a conditional access policy of the tenant refuses the app: let it through",
}

#: Entra's codes for what passes by itself: overload and its own defects.
_PASSING = frozenset({50196, 90033, 90055})


@dataclass(frozen=True, slots=True)
class _Held:
    """A token and, in monotonic seconds, when to look for a newer one and when it ends."""

    value: str
    renew_at: float
    ends_at: float


class Tokens:
    """The tokens of one app registration. Any number of threads may ask.

    One of these per process and account (:func:`shared_tokens`): it holds the token cache.

    Args:
        wire: connections to the login service; None: made from the account.
        monotonic: seconds on a clock that never jumps.
    """

    def __init__(
        self,
        account: MicrosoftAccount,
        *,
        wire: Wire | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._account = account
        self._monotonic = monotonic
        self._transport = MsalTransport(wire or Wire(account.login_url, monotonic=monotonic))
        self._app: msal.ConfidentialClientApplication | None = None
        self._app_lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._flights: dict[str, Future[str]] = {}
        self._lock = threading.Lock()

    def token(self, scope: str, *, deadline: float) -> str:
        """A token that is valid now.

        A new one is asked for before the old one ends, by one thread; the others go on with the old one, and so does
        everybody while the login service cannot be reached.

        Args:
            scope: :data:`BOT_SCOPE` or :data:`GRAPH_SCOPE`.
            deadline: monotonic seconds by which it must be there.

        Raises:
            ChannelStopped: Entra refuses the account.
            channels.wire.NothingSent: no token could be had now.
        """
        held = self._held.get(scope)
        if held is not None and self._monotonic() < held.renew_at:
            return held.value
        return self._next(scope, deadline=deadline)

    def refresh(self, scope: str, stale: str, *, deadline: float) -> str:
        """Another token than ``stale``, which a provider just refused: one request, however many threads saw it.

        Raises:
            ChannelStopped, channels.wire.NothingSent: as :meth:`token`.
        """
        with self._lock:
            held = self._held.get(scope)
            if held is not None and held.value == stale:
                del self._held[scope]
                if self._app is not None:
                    _forget(self._app, stale)
        found = self.token(scope, deadline=deadline)
        # Who joined a renewal that failed just now was given the old one.
        return found if found != stale else self.token(scope, deadline=deadline)

    def _next(self, scope: str, *, deadline: float) -> str:
        """The token after the held one: asked for, or waited for while another thread asks."""
        with self._lock:
            held = self._held.get(scope)
            now = self._monotonic()
            if held is not None and now < held.renew_at:
                return held.value
            usable = held if held is not None and now < held.ends_at else None
            flight = self._flights.get(scope)
            if flight is None:
                mine = self._flights[scope] = Future()
        if flight is None:
            return self._lead(scope, mine, usable, deadline=deadline)
        if usable is not None:
            return usable.value
        try:
            return flight.result(max(0.0, deadline - now))
        except TimeoutError:
            raise NothingSent("login_deadline_passed") from None

    def _lead(self, scope: str, flight: Future[str], usable: _Held | None, *, deadline: float) -> str:
        """Ask, and let everybody who waits have the answer."""
        try:
            value = self._ask_or_keep(scope, usable, deadline=deadline)
        except BaseException as error:
            with self._lock:
                del self._flights[scope]
            flight.set_exception(error)
            raise
        with self._lock:
            del self._flights[scope]
        flight.set_result(value)
        return value

    def _ask_or_keep(self, scope: str, usable: _Held | None, *, deadline: float) -> str:
        asked_at = self._monotonic()
        try:
            value, seconds = self._ask(scope, deadline=deadline)
        except Failure:
            if usable is None:
                raise
            fresh = _Held(usable.value, asked_at + _NEXT_TRY, usable.ends_at)
        else:
            # msal gives the token it has until five minutes before its end, or until Entra's own `refresh_in`, so to
            # ask it again costs little, and half of the time left is soon enough.
            fresh = _Held(value, asked_at + seconds / 2, asked_at + seconds)
        with self._lock:
            # A token refused while its renewal failed is gone; it must not come back.
            if usable is None or fresh.value != usable.value or self._held.get(scope) is usable:
                self._held[scope] = fresh
        return fresh.value

    def _ask(self, scope: str, *, deadline: float) -> tuple[str, float]:
        """A token and how many seconds it lasts.

        Raises:
            ChannelStopped, NothingSent: see :meth:`token`.
        """
        self._transport.deadline.at = deadline
        try:
            result = self._application().acquire_token_for_client([scope], http_exceptions=(Failure,))
        except Failure as failure:
            raise NothingSent(f"login_{failure.code}") from None
        except Refused as refused:
            result = refused.said
        except ChannelStopped:
            raise
        except Exception:  # noqa: BLE001  # whatever msal stumbled over in an answer, nothing was sent
            raise NothingSent("login_garbled_answer") from None
        if isinstance(result, dict) and isinstance(result.get("access_token"), str) and result["access_token"]:
            return result["access_token"], _seconds(result.get("expires_in"))
        raise _meaning(result)

    def _application(self) -> msal.ConfidentialClientApplication:
        """The one app object; making it asks the login service for its addresses."""
        with self._app_lock:
            if self._app is None:
                host = urlsplit(self._account.login_url)
                authority = host.netloc if host.scheme == "https" else _WORLD_WIDE
                try:
                    self._app = msal.ConfidentialClientApplication(
                        self._account.client_id,
                        client_credential=self._account.client_secret.get_secret_value(),
                        authority=f"https://{authority}/{self._account.tenant_id}",
                        instance_discovery=False,
                        http_client=self._transport,
                        http_cache=_KeepsNothing(),
                    )
                except (ValueError, KeyError):
                    # Not an address msal can use, or a description of the tenant without its addresses.
                    raise ChannelStopped(
                        "Microsoft Entra gives no token: no such tenant. "
                        "Check PUSHPULL_TEAMS_TENANT_ID and PUSHPULL_LOGIN_URL, then resume the channel."
                    ) from None
            return self._app


class _KeepsNothing(dict[str, Any]):
    """Where msal would keep errors, to answer with them for a minute: somebody may be putting them right meanwhile."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


@cache
def shared_tokens(account: MicrosoftAccount) -> Tokens:
    """The tokens of an account, one for the whole process."""
    return Tokens(account)


def _forget(app: msal.ConfidentialClientApplication, stale: str) -> None:
    """Take a refused token out of msal's cache."""
    found = app.token_cache.search(msal.TokenCache.CredentialType.ACCESS_TOKEN)
    for entry in [each for each in found if each.get("secret") == stale]:
        app.token_cache.remove_at(entry)


def _seconds(value: object) -> float:
    try:
        return max(0.0, float(value)) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        return 0.0


def _meaning(result: object) -> ChannelStopped | NothingSent:
    """What a refusal means; only codes of it are told on."""
    said: Mapping[str, Any] = result if isinstance(result, dict) else {}
    listed = said.get("error_codes")
    codes = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    error = str(said.get("error") or "no_token")[:40]
    if error in {"temporarily_unavailable", "server_error"} or _PASSING.intersection(codes):
        return NothingSent("login_unavailable")
    if error == "no_token":
        return NothingSent("login_garbled_answer")
    name = f"AADSTS{codes[0]}" if codes else error
    advice = next((_ADVICE[code] for code in codes if code in _ADVICE), None)
    return ChannelStopped(
        f"Microsoft Entra gives no token ({name}): "
        f"{advice or 'check PUSHPULL_TEAMS_TENANT_ID, _CLIENT_ID and _CLIENT_SECRET, and the app at Entra'}. "
        "Then resume the channel."
    )
