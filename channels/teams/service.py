"""Requests to a service of Microsoft's, with the token it wants: a refused token is exchanged once.

What the answers mean is decided by those who ask: :mod:`channels.teams.bot`, :mod:`channels.teams.feed`.
"""

from __future__ import annotations

from channels.microsoft import Tokens
from channels.wire import Answer, Wire
from pushpull.ledger.outcomes import ChannelStopped


class Service:
    """What is asked with tokens of one scope.

    Args:
        name: the service's, as ops know it.
        scope: what its tokens are for.
        advice: what to do when it refuses even a fresh token.
    """

    def __init__(self, tokens: Tokens, *, name: str, scope: str, advice: str) -> None:
        self._tokens = tokens
        self._name, self._scope, self._advice = name, scope, advice

    def ask(self, wire: Wire, method: str, path: str, body: bytes, *, deadline: float) -> Answer:
        """Make a request, once more with a fresh token where the first was refused: 401 is proof that nothing was done.

        Args:
            body: JSON.
            deadline: monotonic seconds by which everything must be over.

        Raises:
            ChannelStopped: no token can be had, or a fresh one is refused too.
            channels.wire.Failure: there was no answer.
        """
        token = self._tokens.token(self._scope, deadline=deadline)
        answer = _asked(wire, method, path, body, token, deadline)
        if answer.status != 401:
            return answer
        fresh = self._tokens.refresh(self._scope, token, deadline=deadline)
        answer = _asked(wire, method, path, body, fresh, deadline)
        if answer.status == 401:
            raise ChannelStopped(f"{self._name} refuses a fresh token (401): {self._advice}. Then resume the channel.")
        return answer


def _asked(wire: Wire, method: str, path: str, body: bytes, token: str, deadline: float) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
    return wire.request(method, path, headers=headers, body=body, deadline=deadline)
