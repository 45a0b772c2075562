"""Requests made from the app's own description, by schemathesis: well-formed ones and broken ones, as somebody who is
let in, because a door that stays shut hides what is behind it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from sqlalchemy import select

from pushpull.db import writing
from pushpull.importers.sources import SourceKind, add_source
from pushpull.learners.shares import make_share
from pushpull.learners.tables import learner
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.links import Claims, LinkSigner, Purpose
from tests.browser.place import Place
from tests.web.sending import SECRET, basic
from web.description import description
from web.session import LENGTH
from web.staff import _serializer

_SOURCES: Final = {"xapi": SourceKind.XAPI, "scim": SourceKind.SCIM, "hooks": SourceKind.WEBHOOK}
_FORM: Final = "application/x-www-form-urlencoded"


class BrokeDownError(AssertionError):
    """A request was answered with 5xx, or not at all."""


@dataclass
class Asker:
    """Asks an app on this machine.

    Args:
        place: the app and its company; what is asked changes both.
        start: of the random numbers; the same requests come of the same.
    """

    place: Place
    start: int = 1
    answers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._choose = random.Random(self.start)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # each request brings its own
        self._until = datetime.now(UTC) + timedelta(hours=1)
        with writing(self.place.engine) as connection:
            self._share = make_share(connection, self.place.learner_id, self.place.untouched, at=datetime.now(UTC))
            self._others = connection.execute(
                select(learner.c.id).where(learner.c.id != self.place.learner_id).order_by(learner.c.id)
            ).scalars().all()  # fmt: skip
            for name, kind in _SOURCES.items():
                preset = "moodle-hook" if kind is SourceKind.WEBHOOK else None
                add_source(connection, name, kind, preset=preset, secret=SECRET, by="tests", at=datetime.now(UTC))
        self._visit = self._a_visit()
        self._staff = _serializer(self.place.settings).dumps(
            {"sub": "u-1", "email": "robin@ops.example", "name": "Robin", "sponsor": True, "ops": True,
             "exp": int(self._until.timestamp())}
        )  # fmt: skip

    def ask_everything(self, times: int) -> None:
        """Ask each operation so many times in each of both ways.

        Raises:
            BrokeDownError: the app broke down.
        """
        schema = schemathesis.openapi.from_dict(description())
        for found in schema.get_all_operations():
            operation: Any = found
            operation = operation.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    self._ask(operation.as_strategy(generation_mode=mode), times)
                except Unsatisfiable:
                    continue  # nothing about it can be wrong

    def _ask(self, strategy: Any, times: int) -> None:
        @seed(self.start)
        @settings(
            max_examples=times, database=None, deadline=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )  # fmt: skip
        @given(strategy)
        def ask(case: Case[Any]) -> None:
            self._one(case)

        ask()

    def _one(self, case: Case[Any]) -> None:
        """One request, and what is right about it: who asks, and mostly the token."""
        if "token" in case.path_parameters and self._choose.random() < 0.8:
            case.path_parameters["token"] = self._token(case.path)
        headers = dict(case.headers or {})
        area = case.path.split("/")[1]
        if area in _SOURCES:
            headers.setdefault("Authorization", basic(area))
        if area == "xapi":
            headers.setdefault("X-Experience-API-Version", "1.0.3")
        cookies = {"pushpull": self._visit, "pushpull-staff": self._staff}
        if case.method == "POST" and area in {"me", "s", "moderation", "sign-out", "l", "p", "a"}:
            body = case.body if isinstance(case.body, dict) else {}
            if area in {"l", "p", "a"}:
                holder = str(case.path_parameters["token"])
            else:
                holder = self._visit if area in {"me", "s"} else self._staff
            case.body = {**body, "form_token": self.place.signer.form_token(holder)}
            case.media_type = _FORM
        try:
            answer = case.call(
                base_url=self.place.base, session=self._session, headers=headers, cookies=cookies,
                allow_redirects=False, timeout=30,
            )  # fmt: skip
        except (requests.ConnectionError, requests.Timeout) as error:
            raise BrokeDownError(f"{case.method} {case.path}: {error}") from error
        except (ValueError, requests.RequestException):
            self.answers["not sent"] += 1  # no client could
            return
        self.answers[f"{answer.status_code // 100}xx"] += 1
        if answer.status_code >= 500:
            raise BrokeDownError(f"{answer.status_code} from {case.as_curl_command()}")

    def _a_visit(self) -> str:
        claims = Claims(
            Purpose.LANDING, self.place.learner_id, "", campaign_id=self.place.campaign_id,
            wave_id=self.place.wave_id, rotation=0,
        )  # fmt: skip
        return self.place.signer.session_token(claims, datetime.now(UTC) + LENGTH)

    def _token(self, path: str) -> str:
        """A token that opens what is asked for; of somebody else, because some of it ends them."""
        signer: LinkSigner = self.place.signer
        who = self._choose.choice(self._others)
        made = {
            "l": lambda: self.place.landing(who=who),
            "t": lambda: self.place.landing(who=who),
            "u": lambda: signer.unsubscribe_url(who, Channel.EMAIL, "learning"),
            "p": lambda: signer.preferences_url(who),
            "s": lambda: signer.share_url(self._share),
            "a": lambda: signer.account_url(who, self._until),
        }
        return made[path.split("/")[1]]().rpartition("/")[2]
