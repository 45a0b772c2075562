"""Pictures of the pages for the docs: ``python -m tests.browser.page_screenshots``.

An invented company, its campaign a week old; colleagues who rated and passed things on.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select

from pushpull.db import writing
from pushpull.learners.choices import choose_recognition
from pushpull.learners.progress import fold_activity
from pushpull.learners.reviews import rate
from pushpull.learners.tables import activity, learner
from tests.browser.chromium import browser
from tests.browser.place import Place, open_place
from tests.browser.staff import be, everything_arrived, manager_of_most
from tests.browser.walking import DESKTOP, PHONE, Device, Walker, walking
from tests.orchestra.processes import ROOT
from tests.standin.issuer import CLIENT, SECRET, Issuer

_SAID = (
    (5, "The example with the late report is exactly how it goes in our team."),
    (4, "Short, and I could try it the same day."),
    (5, "Made me say it to my boss."),
    (3, ""),
    (4, "Good on the bus."),
    (5, ""),
    (4, ""),
)


def _furnish(place: Place) -> None:
    """Colleagues used an item and say what they think; the learner has learned today and on days before."""
    now = datetime.now(UTC)
    with writing(place.engine) as connection:
        others = connection.execute(
            select(learner.c.id).where(learner.c.id != place.learner_id).order_by(learner.c.id).limit(len(_SAID))
        ).scalars().all()  # fmt: skip
        mine = [(place.learner_id, place.started, now - timedelta(days=days), 4.0) for days in (0, 3, 4)]
        theirs = [(who, place.started, now - timedelta(days=5), 14.0) for who in others]
        lately = now - timedelta(days=now.weekday() + 3)
        many = connection.execute(select(learner.c.id).where(learner.c.id % 5 < 3)).scalars()
        for number, (who, item_id, at, minutes) in enumerate(
            [*mine, *theirs, *((who, place.started, lately, 6.0) for who in many)]
        ):
            verb = "completed" if who % 4 == 0 else "progressed"
            connection.execute(
                insert(activity).values(
                    learner_id=who, source="pictures", source_id=str(number), verb=verb, item_id=item_id,
                    occurred_at=at, stored_at=now, minutes=minutes,
                )
            )  # fmt: skip
        fold_activity(connection, after_activity_id=0, as_of=now)
        for who, (stars, words) in zip(others, _SAID, strict=True):
            rate(connection, who, place.started, rating=stars, words=words, language="en", at=now)
        choose_recognition(connection, place.learner_id, is_wanted=True, at=now)


def _plan(somebody: Walker) -> None:
    somebody.open("/me/plans")
    somebody.tab.get_by_role("radio", name="After lunch").check()
    somebody.tab.locator("#at").fill("12:45")
    somebody.tab.locator("button[value=keep]").click()
    somebody.look()


def _item(somebody: Walker) -> None:
    somebody.open(f"/me/items/{somebody.place.started}")


_LEARNERS: dict[str, tuple[Device, Callable[[Walker], object]]] = {
    "my-page": (PHONE, lambda somebody: somebody.open("/me")),
    "my-page-dark": (Device("phone", 390, 844, is_dark=True), lambda somebody: somebody.open("/me")),
    "item": (PHONE, _item),
    "plans": (PHONE, _plan),
    "about": (DESKTOP, lambda somebody: somebody.open("/me/about")),
}


def main() -> None:
    """Make all."""
    options = argparse.ArgumentParser(prog="python -m tests.browser.page_screenshots", description=__doc__)
    options.add_argument("--to", type=Path, default=ROOT / "docs" / "images")
    folder: Path = options.parse_args().to
    folder.mkdir(parents=True, exist_ok=True)
    with Issuer() as issuer, tempfile.TemporaryDirectory(prefix="pushpull-pictures-") as at, browser() as started:
        more = {"oidc_issuer": issuer.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        with open_place(Path(at), **more, oidc_sponsor_group="sponsors", oidc_ops_group="ops") as place:
            _furnish(place)
            everything_arrived(place)
            for name, (device, go) in _LEARNERS.items():
                with walking(started, place, device) as somebody:
                    somebody.open(place.landing(item_id=place.started))
                    go(somebody)
                    _draw(somebody, folder / f"page-{name}.png")
            for name, path, who in (
                ("team", "/team", manager_of_most(place)),
                ("sponsor", "/sponsor", ("robin@board.example", "sponsors")),
            ):
                be(issuer, *who)
                with walking(started, place, DESKTOP) as somebody:
                    somebody.open(path)
                    _draw(somebody, folder / f"page-{name}.png")


def _draw(somebody: Walker, path: Path) -> None:
    somebody.tab.screenshot(path=path, full_page=True)
    print(path, flush=True)


if __name__ == "__main__":
    main()
