"""The briefing of a planned wave: what a person should know before it is sent.

The counts are the ledger's (`pushpull.insights.briefing`); here they meet the content, as an invented learner would
read it, and what the checks find. A briefing never keeps a wave from its plan: what fails is said in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from content.campaign import Campaign
from content.lint import Finding, Severity, lint_content
from content.render import RenderError
from content.samples import ORDINARY
from content.sms import measure
from pushpull.db import reading
from pushpull.insights.briefing import Briefing, Circumstances, Remark, Sample, as_markdown, brief, count_wave, label
from pushpull.insights.briefing.counts import Planned, Subject
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.campaigns import wave_id_of
from pushpull.ledger.messages import Body, CardBody, EmailBody, SharedEmail, SmsBody
from tasks.forecast import forecast_in_a_line
from tasks.installation import Installation, installation, log
from tasks.preflight import findings_for
from tasks.publish import artifact_key, publish_markdown, publish_table
from tasks.step import step

#: Samples written out in the artifact, and in the form that asks for approval.
_SHOWN, _SHOWN_IN_A_FORM = 6, 1
#: Longer texts are cut, in characters: a form must stay readable.
_LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Briefed:
    """A briefing with the words of the message and what the checks found."""

    briefing: Briefing
    remarks: tuple[Remark, ...]
    samples: tuple[Sample, ...]

    @property
    def key(self) -> str:
        """The key of its artifact."""
        about = self.briefing.about
        return artifact_key("preflight", about.campaign_key, about.spec.key)

    def as_markdown(self, *, shown: int = _SHOWN) -> str:
        """The briefing in words.

        Args:
            shown: how many samples are written out.
        """
        return as_markdown(self.briefing, self.remarks, self.samples, shown=shown)

    def table(self) -> list[dict[str, object]]:
        """Everybody with a row, by what is to become of them: one row per kind."""
        counts = self.briefing.counts
        rows: list[dict[str, object]] = [
            {
                "outcome": "gets it",
                "over or why": each.channel.value,
                "language": each.language,
                "variant": each.variant,
                "people": each.count,
            }
            for each in counts.planned
        ]
        rows += [_bare("does not", label(reason), count) for reason, count in counts.not_sent.items()]
        if counts.on_their_way:
            rows.append(_bare("sent, or on its way", "", counts.on_their_way))
        return rows


@step("brief")
def publish_briefing(wave_id: int, as_of: datetime) -> str:
    """Publish a wave's briefing as artifacts of the run.

    Args:
        wave_id: of a planned wave; its latest rotation is described.
        as_of: the campaign's clock, UTC.

    Returns:
        The briefing as Markdown, for the form that asks for approval; what failed is said in it.
    """
    try:
        briefed = briefing_of(wave_id, as_of)
    except Exception as error:  # noqa: BLE001  # a wave that cannot be described is planned nevertheless
        log.warning("briefing failed", extra={"wave": wave_id, "error": type(error).__name__})
        return f"Wave {wave_id} could not be described: {type(error).__name__}. `pushpull wave list` shows its counts."
    about = briefed.briefing.about
    name = f"{about.campaign_key} {about.spec.key}"
    publish_markdown(key=briefed.key, markdown=briefed.as_markdown(), description=f"Before {name} is sent.")
    publish_table(
        key=artifact_key("preflight", "counts", about.campaign_key, about.spec.key),
        table=briefed.table(),
        description=f"Who gets {name}, and who does not.",
    )
    for part, kind in briefed.briefing.failed.items():
        log.warning("a part of the briefing failed", extra={"wave": wave_id, "part": part, "error": kind})
    # Without its heading: forms show a few lines at a time, under the name of the run, which says the same.
    return briefed.as_markdown(shown=_SHOWN_IN_A_FORM).partition("\n\n")[2]


def briefing_by_key(campaign_key: str, wave_key: str, as_of: datetime) -> Briefed:
    """The briefing of a wave, by its key.

    Raises:
        UnknownCampaignError, UnknownWaveError, NotPlannedError: there is no such planned wave.
    """
    with reading(installation().engine) as connection:
        wave_id = wave_id_of(connection, campaign_key, wave_key)
    return briefing_of(wave_id, as_of)


def briefing_of(wave_id: int, as_of: datetime) -> Briefed:
    """The briefing of a wave's latest rotation.

    Args:
        as_of: the campaign's clock, UTC.

    Raises:
        NotPlannedError: the wave was never planned.
    """
    here = installation()
    about, counts = count_wave(here.engine, wave_id)
    samples = _samples(here, about, counts.planned)
    given = _circumstances(here, samples)
    briefing = brief(here.engine, wave_id, given, as_of=as_of, counted=(about, counts))
    remarks = [
        *_found(lambda: _lint_remarks(here, about), "The content could not be checked"),
        *_found(lambda: _preflight_remarks(here, about, as_of), "Whether messages would arrive could not be checked"),
        *_found(lambda: _forecast_remarks(about, as_of), "What was forecast could not be found out"),
    ]
    return Briefed(briefing, tuple(remarks), samples)


def _bare(outcome: str, why: str, people: int) -> dict[str, object]:
    return {"outcome": outcome, "over or why": why, "language": "", "variant": "", "people": people}


def _circumstances(here: Installation, samples: Sequence[Sample]) -> Circumstances:
    own = here.settings
    return Circumstances(
        rates={channel: adapter.limits.per_second for channel, adapter in here.adapters.items()},
        prices={
            Channel.EMAIL: own.cost_email,
            Channel.TEAMS: own.cost_teams,
            Channel.SMS: own.cost_sms,
            Channel.SLACK: own.cost_slack,
        },
        currency=own.currency,
        segments={
            (each.language, each.variant): measure(each.text).segments
            for each in samples
            if each.channel is Channel.SMS and not each.problem
        },
        caps=here.caps,
    )


def _found(find: Callable[[], Sequence[Remark]], otherwise: str) -> Sequence[Remark]:
    try:
        return find()
    except Exception as error:  # noqa: BLE001  # told in the briefing
        return [Remark(is_error=True, text=f"{otherwise}: {type(error).__name__}.")]


def _lint_remarks(here: Installation, about: Subject) -> list[Remark]:
    """What is wrong with the files this wave is made of."""
    folder, spec = here.settings.content_dir, about.spec
    campaign = here.campaign(about.campaign_key)
    ours = {("campaigns", f"{campaign.key}.yaml"), ("brands", f"{campaign.brand}.yaml")}
    if spec.trend:
        ours.add(("trends", f"{spec.trend}.yaml"))
    remarks = []
    for finding in _linted(folder, campaign):
        place = finding.file.relative_to(folder).parts if finding.file.is_relative_to(folder) else finding.file.parts
        if place[-2:] in ours or spec.message_key in place:
            where = f"{finding.file.name}:{finding.line}"
            field = f" {finding.field}" if finding.field else ""
            remarks.append(Remark(finding.severity is Severity.ERROR, f"{where}{field}: {finding.message}"))
    return remarks


#: Linting takes a second: what was found in a folder stays true as long as the campaign read from it is the same.
_known_findings: dict[Path, tuple[Campaign, list[Finding]]] = {}


def _linted(folder: Path, campaign: Campaign) -> list[Finding]:
    known = _known_findings.get(folder)
    if known is None or known[0] is not campaign:
        known = _known_findings[folder] = (campaign, lint_content(folder))
    return known[1]


def _preflight_remarks(here: Installation, about: Subject, as_of: datetime) -> list[Remark]:
    """What keeps messages from arriving; nothing is asked while none leaves this machine."""
    if not here.settings.outward_channels:
        return []
    return [Remark(finding.is_error, finding.message) for finding in findings_for(about.campaign_key, as_of)]


def _forecast_remarks(about: Subject, as_of: datetime) -> list[Remark]:
    """What was forecast of this wave, where somebody made a forecast."""
    line = forecast_in_a_line(about.campaign_key, about.spec.key, as_of)
    return [Remark(is_error=False, text=line)] if line else []


def _samples(here: Installation, about: Subject, planned: Sequence[Planned]) -> tuple[Sample, ...]:
    """The message as an invented learner would get it: one of every channel first, then what most people get."""
    samples = [_sample(here, about, each) for each in planned]
    best = {each.channel: each for each in reversed(samples)}
    return tuple(sorted(samples, key=lambda each: (best[each.channel] is not each, -each.count)))


def _sample(here: Installation, about: Subject, kind: Planned) -> Sample:
    spec = about.spec
    plain = Sample(kind.channel, kind.language, kind.variant, kind.count)
    try:
        body = here.renderer(about.campaign_key).render(
            spec.message_key, kind.channel, kind.language, kind.variant or None, ORDINARY, trend=spec.trend
        )
        return _shown(plain, body)
    except RenderError as error:
        return replace(plain, problem=str(error))
    except Exception as error:  # noqa: BLE001  # told in the briefing
        return replace(plain, problem=type(error).__name__)


def _shown(sample: Sample, body: Body) -> Sample:
    match body:
        case SharedEmail():
            return _shown(sample, body.filled())
        case EmailBody():
            size = f"{len(body.html.encode()) / 1000:,.1f} kB of HTML"
            return replace(sample, subject=body.subject, text=body.text[:_LONGEST_TEXT], size=size)
        case SmsBody():
            found = measure(body.text)
            segments = "1 segment" if found.segments == 1 else f"{found.segments} segments"
            return replace(sample, text=body.text, size=f"{segments}, {found.units} units of {found.encoding}")
        case CardBody():
            words = "\n\n".join(_words_of(json.loads(body.json)))
            size = f"{len(body.json.encode()) / 1000:,.1f} kB"
            return replace(sample, subject=body.summary, text=words[:_LONGEST_TEXT], size=size)


def _words_of(card: object) -> Iterator[str]:
    """What can be read of a card, from top to bottom: its texts, and the words on its buttons."""
    if isinstance(card, Mapping):
        for name, value in card.items():
            if isinstance(value, str):
                if name in ("text", "title"):
                    yield value
            else:
                yield from _words_of(value)
    elif isinstance(card, list):
        for each in card:
            yield from _words_of(each)
