"""Deploying campaigns: read and linted, compared with a Prefect server, and made so there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from content.campaign import Campaign, campaign_keys, load_campaign
from content.lint import Finding, Severity, lint_content
from content.source import ContentError
from deployments import schedules
from deployments.prefect_api import prefect_server
from deployments.timelines import Change, Difference, Timeline, differences, no_timeline, timeline_of
from pushpull.ledger import timing


class NotDeployableError(schedules.TimelineError):
    """The linter found errors in what a campaign is made of."""

    def __init__(self, campaign: str, errors: Sequence[Finding]) -> None:
        told = "\n".join(f"  {each}" for each in errors)
        super().__init__(f"{campaign!r} is not deployed, correct these first:\n{told}")


class UnknownCampaignError(schedules.TimelineError):
    """There is no such campaign, neither in the content folder nor on the server."""

    def __init__(self, campaign: str, known: Collection[str]) -> None:
        super().__init__(f"there is no campaign {campaign!r}; known: {', '.join(sorted(known)) or 'none'}")


@dataclass(frozen=True)
class Outcome:
    """What deploying a campaign came to, or would come to.

    Args:
        refused: why it was not deployed; empty when it was.
    """

    timeline: Timeline
    differences: Sequence[Difference] = ()
    refused: str = ""

    @property
    def changes(self) -> list[Difference]:
        """Without what stays as it is."""
        return [each for each in self.differences if each.change is not Change.SAME]


async def deploy(key: str, content_dir: Path, now: datetime, *, is_rehearsal: bool = False) -> Outcome:
    """Make a server's schedules those of a campaign's file. Doing it again changes nothing.

    Args:
        key: of a campaign of the content folder.
        now: waves whose times have all passed by then get no schedule.
        is_rehearsal: only compare.

    Raises:
        ContentError: the campaign does not exist, or cannot be read.
        NotDeployableError: it has errors.
        NoServerError: no server answers.
        schedules.NotDeployedError: the server does not have the stage deployments.
    """
    campaign = load_campaign(key, content_dir)
    _require_lint(campaign, lint_content(content_dir), content_dir)
    return await _made_so(timeline_of(campaign, now), is_rehearsal=is_rehearsal)


async def undeploy(key: str, content_dir: Path, *, is_rehearsal: bool = False) -> Outcome:
    """Remove the schedules of a campaign, whose file may be gone. What was planned already stays planned.

    Raises:
        UnknownCampaignError: nothing of it is deployed, and the content folder does not have it.
        NoServerError: no server answers.
    """
    outcome = await _made_so(no_timeline(key), is_rehearsal=is_rehearsal)
    if not outcome.differences and key not in (known := campaign_keys(content_dir)):
        raise UnknownCampaignError(key, known)
    return outcome


async def deploy_all(content_dir: Path, now: datetime, *, is_rehearsal: bool = False) -> list[Outcome]:
    """Deploy every campaign of the content folder that is not over. One that cannot be keeps no other from it.

    Raises:
        NoServerError: no server answers.
        schedules.NotDeployedError: the server does not have the stage deployments.
    """
    outcomes = []
    findings = lint_content(content_dir)
    for key in campaign_keys(content_dir):
        try:
            campaign = load_campaign(key, content_dir)
            if campaign.ends_on < timing.local_day(now, campaign.timezone):
                continue
            _require_lint(campaign, findings, content_dir)
        except (ContentError, NotDeployableError) as error:
            outcomes.append(Outcome(no_timeline(key), refused=str(error)))
            continue
        outcomes.append(await _made_so(timeline_of(campaign, now), is_rehearsal=is_rehearsal))
    return outcomes


async def _made_so(timeline: Timeline, *, is_rehearsal: bool) -> Outcome:
    async with prefect_server() as client:
        found = differences(timeline, await schedules.deployed(client, campaign=timeline.campaign))
        if not is_rehearsal:
            await schedules.apply(client, found)
    return Outcome(timeline, found)


def _require_lint(campaign: Campaign, findings: Sequence[Finding], content_dir: Path) -> None:
    errors = [
        each
        for each in findings
        if each.severity is Severity.ERROR and _is_part_of(campaign, each.file.relative_to(content_dir).parts)
    ]
    if errors:
        raise NotDeployableError(campaign.key, errors)


def _is_part_of(campaign: Campaign, path: tuple[str, ...]) -> bool:
    """Whether a file of the content folder is one the campaign is made of."""
    stem = Path(path[-1]).stem
    match path:
        case ("campaigns", _):
            return stem == campaign.key
        case ("brands", _):
            return stem == campaign.brand
        case ("trends", _):
            return stem in {wave.trend for _, wave in campaign.waves()}
        case ("templates", "messages", message, *_):
            return message in {wave.message for _, wave in campaign.waves()}
    return True
