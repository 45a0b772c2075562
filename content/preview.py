"""A gallery of what learners would see: every wave's message, in every channel, as one page without remote parts.

The page is for campaign authors and approvers. Sending a test message to oneself is not done here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from content.brand import load_brand
from content.campaign import Campaign, Wave, When, series_of
from content.message import STANDARD, load_message
from content.render import Renderer, RenderError
from content.samples import ORDINARY
from content.sms import SmsSize, measure
from pushpull.learners.vocabulary import Barrier, Channel
from pushpull.ledger.messages import Body, CardBody, MessageFacts, SmsBody
from pushpull.settings import settings

#: A learner to preview for: what to call them, their language, what is known.
PreviewLearner = tuple[str, str, MessageFacts]


@dataclass(frozen=True, slots=True)
class _Shot:
    """One message in one channel, or why there is none."""

    channel: str
    body: Body | None = None
    card: Any = None
    json: str = ""
    size: SmsSize | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one learner sees of a wave."""

    label: str
    language: str
    variant: str
    shots: tuple[_Shot, ...]


@dataclass(frozen=True, slots=True)
class _ShownWave:
    """A wave as the page shows it."""

    stage: str
    key: str
    series: str
    touch: str
    channels: tuple[str, ...]
    when: str
    purpose: str
    learners: tuple[_Seen, ...]


def preview(
    campaign: Campaign,
    learners: Sequence[PreviewLearner],
    out_dir: Path,
    *,
    content_dir: Path | None = None,
) -> Path:
    """Write the gallery of a campaign.

    Args:
        learners: for whom; a made-up learner per language where empty.
        out_dir: made where it does not exist; the page is ``index.html`` in it.
        content_dir: the content folder; the settings' one where left out.

    Returns:
        The page.

    Raises:
        ContentError: a file of the campaign cannot be used.
    """
    folder = content_dir or settings().content_dir
    brand = load_brand(campaign.brand, folder)
    renderer = Renderer(folder, campaign, brand)
    waves = [
        _ShownWave(
            stage=stage,
            key=wave.key,
            series=series_of(stage, wave),
            touch=wave.touch.value,
            channels=tuple(channel.value for channel in wave.channels),
            when=in_words(wave.when),
            purpose="; ".join(load_message(wave.message, folder).file.purpose),
            learners=tuple(_seen(renderer, wave, learners)),
        )
        for stage, wave in campaign.waves()
    ]
    # Our own page, not an author's template: full Jinja, everything escaped.
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("gallery.html.j2").render(campaign=campaign, brand=brand, waves=waves)
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def in_words(when: When) -> str:
    """On which days a wave is sent, as a sentence fragment."""
    if when.after_start is not None:
        days = when.after_start.length.days
        return "on the first day" if not days else f"on day {days + 1} of the campaign"
    if when.weekly is not None:
        days_named = ", ".join(day.value for day in when.weekly)
        text = f"every {days_named}" if when.every_weeks == 1 else f"every {when.every_weeks} weeks on {days_named}"
    elif when.working_days_from_due is not None:
        count = abs(when.working_days_from_due)
        side = "before" if when.working_days_from_due < 0 else "after"
        text = f"{count} working days {side} the learner’s own due date" if count else "on the learner’s own due date"
    elif when.is_about_inactivity:
        parts = [f"{when.inactive_days:g} days"] if when.inactive_days is not None else []
        parts += [f"{when.inactive_rhythm:g} times their own usual gap"] if when.inactive_rhythm is not None else []
        text = f"after silence of {' and '.join(parts)}"
    else:
        text = "every working day"
    if when.from_week:
        text += f", from week {when.from_week}"
    return f"{text}, until week {when.until_week}" if when.until_week else text


def _seen(renderer: Renderer, wave: Wave, learners: Sequence[PreviewLearner]) -> Iterator[_Seen]:
    spoken = renderer.languages_of(wave.message)
    chosen = learners or [("Sample learner", language, ORDINARY) for language in spoken]
    for label, wanted, facts in chosen:
        language = next((each for each in (wanted, wanted.split("-")[0]) if each in spoken), spoken[0])
        for variant in _variants(renderer, wave):
            shots = tuple(_shot(renderer, wave, channel, language, variant, facts) for channel in wave.channels)
            yield _Seen(label, language, variant, shots)


def _variants(renderer: Renderer, wave: Wave) -> Sequence[str]:
    if wave.variants_by is None:
        return tuple(wave.variants) or ("",)
    there = renderer.campaign.references.variants.get(wave.message, ())
    return (STANDARD, *(each.variant for each in Barrier if each.variant in there))


def _shot(renderer: Renderer, wave: Wave, channel: Channel, language: str, variant: str, facts: MessageFacts) -> _Shot:
    try:
        body = renderer.render(wave.message, channel, language, variant, facts, trend=wave.trend)
    except RenderError as error:
        return _Shot(channel.value, problem=str(error))
    if isinstance(body, CardBody):
        card = json.loads(body.json)
        return _Shot(channel.value, body, card=card, json=json.dumps(card, indent=2, ensure_ascii=False))
    return _Shot(channel.value, body, size=measure(body.text) if isinstance(body, SmsBody) else None)
