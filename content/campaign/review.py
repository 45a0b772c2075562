"""Whether a campaign fits together: all it refers to exists, its dates lie within it, its class allows its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

from content.brand import load_brand
from content.campaign.model import Campaign, Wave
from content.message import STANDARD, Message, load_message, message_keys
from content.source import ContentError, Place, Problem, Source
from content.trend import Trend, load_trend
from pushpull.insights.experiments.plan import Allocation
from pushpull.learners.vocabulary import Barrier
from pushpull.ledger.specs import CHAMPIONS_STAGE, HABIT_STAGE, ChannelsBy
from pushpull.ledger.vocabulary import MessageClass


@dataclass
class Review:
    """One campaign held against the content folder.

    Args:
        source: the campaign's file, for the lines of problems.
        folder: where messages, brands and trends are.
        messages, trends: what was found, by key; filled by :meth:`problems`.
    """

    campaign: Campaign
    source: Source
    folder: Path
    messages: dict[str, Message] = field(default_factory=dict)
    trends: dict[str, Trend] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Everything that does not fit."""
        campaign, source = self.campaign, self.source
        if campaign.key != source.path.stem:
            yield source.problem(("key",), f"is {campaign.key!r} but the file is called {source.path.name}")
        try:
            load_brand(campaign.brand, self.folder)
        except ContentError as error:
            yield from self._located(error, ("brand",))
        yield from self._repeated(("items",), campaign.items)
        yield from self._goals()
        yield from self._experiments()
        series = {f"{stage}.{wave.key}" for stage, wave in campaign.waves()}
        for name, stage in campaign.staged():
            yield from self._repeated(("stages", name, "waves"), [wave.key for wave in stage.waves])
            for at, wave in enumerate(stage.waves):
                place: Place = ("stages", name, "waves", at)
                yield from self._trend(wave, place)
                yield from self._dates(wave, place)
                yield from self._habit(name, wave, place)
                yield from self._champions(name, wave, place)
                yield from self._channels(wave, place)
                yield from self._message(wave, place)
                for position, wanted in enumerate(wave.after):
                    if wanted not in series or wanted == f"{name}.{wave.key}":
                        message = f"there is no other wave {wanted!r}{_near(wanted, series)}"
                        yield source.problem((*place, "after", position), message)

    def _goals(self) -> Iterator[Problem]:
        campaign, source = self.campaign, self.source
        yield from self._repeated(("goals",), [goal.key for goal in campaign.goals])
        for at, goal in enumerate(campaign.goals):
            due = goal.due_on(campaign.start)
            if not campaign.start <= due <= campaign.ends_on:
                message = f"is due on {due}, outside the campaign ({campaign.start} to {campaign.ends_on})"
                yield source.problem(("goals", at, "due"), message)
            if goal.item is not None and goal.item not in campaign.items:
                message = f"{goal.item!r} is not among the campaign's items{_near(goal.item, campaign.items)}"
                yield source.problem(("goals", at, "item"), message)

    def _experiments(self) -> Iterator[Problem]:
        campaign, source = self.campaign, self.source
        waves = {f"{stage}.{wave.key}": wave for stage, wave in campaign.waves()}
        yield from self._repeated(("experiments",), [each.key for each in campaign.experiments])
        tried: set[str] = set()
        for at, each in enumerate(campaign.experiments):
            place: Place = ("experiments", at)
            if each.wave in tried:
                message = f"{each.wave!r} has an experiment already: two at once would be one that nobody can read"
                yield source.problem((*place, "wave"), message)
            tried.add(each.wave)
            wave = waves.get(each.wave)
            if wave is None:
                yield source.problem((*place, "wave"), f"there is no wave {each.wave!r}{_near(each.wave, waves)}")
            elif set(each.variants) != set(wave.variants):
                has = ", ".join(wave.variants) or "none"
                yield source.problem((*place, "variants"), f"must be those of {each.wave!r}, all of them: {has}")
            decided = each.decision_day(campaign.start)
            if not campaign.start < decided <= campaign.ends_on:
                message = f"is decided on {decided}, outside the campaign ({campaign.start} to {campaign.ends_on})"
                yield source.problem((*place, "decides_on" if each.decides_on else "decides_after"), message)
            if campaign.message_class is MessageClass.MANDATORY and each.allocation is Allocation.THOMPSON:
                message = "an obligation is drawn by no lot that follows success: write `fixed`"
                yield source.problem((*place, "allocation"), message)

    def _trend(self, wave: Wave, place: Place) -> Iterator[Problem]:
        if wave.trend is None or wave.trend in self.trends:
            return
        try:
            self.trends[wave.trend] = load_trend(wave.trend, self.folder)
        except ContentError as error:
            yield from self._located(error, (*place, "trend"))

    def _channels(self, wave: Wave, place: Place) -> Iterator[Problem]:
        if self.campaign.message_class is MessageClass.MANDATORY and wave.channels_by is ChannelsBy.THOMPSON:
            message = "an obligation comes over no channel that is drawn by lot: write `written`"
            yield self.source.problem((*place, "channels_by"), message)

    def _message(self, wave: Wave, place: Place) -> Iterator[Problem]:
        source = self.source
        if wave.message not in self.messages:
            keys = message_keys(self.folder)
            if wave.message not in keys:
                message = f"there is no message {wave.message!r}{_near(wave.message, keys)}"
                yield source.problem((*place, "message"), message)
                return
            try:
                self.messages[wave.message] = load_message(wave.message, self.folder)
            except ContentError as error:
                yield from error.problems
                return
        found = self.messages[wave.message]
        for position, channel in enumerate(wave.channels):
            if channel not in found.file.channels:
                has = ", ".join(found.file.channels)
                yield source.problem((*place, "channels", position), f"{wave.message!r} exists only as {has}")
        for variant in wave.variants:
            for language, words in found.languages.items():
                if variant != STANDARD and variant not in words.variants:
                    message = f"{wave.message!r} has no variant {variant!r} in {language!r}"
                    yield source.problem((*place, "variants", variant), message)
        yield from self._barriers(wave, found, place)
        if wave.items and not found.file.shows_items:
            yield source.problem((*place, "items"), f"{wave.message!r} does not show items")
        if found.file.shows_items and not wave.items:
            yield source.problem((*place, "items"), f"{wave.message!r} shows items: say how many")
        promotes = wave.trend or wave.items or found.file.promotes
        if self.campaign.message_class is MessageClass.MANDATORY and promotes:
            message = "a mandatory campaign holds no promotion: no trend, no recommended items, no promoting message"
            yield source.problem((*place, "message"), message)

    def _barriers(self, wave: Wave, message: Message, place: Place) -> Iterator[Problem]:
        if wave.variants_by is None:
            return
        names = [each.variant for each in Barrier]
        there = [name for name in names if name in message.variants]
        if not there:
            said = f"{wave.message!r} has no variant named after a barrier: {', '.join(names)}"
            yield self.source.problem((*place, "variants_by"), said)
        for name in there:
            for language, words in message.languages.items():
                if name not in words.variants:
                    said = f"{wave.message!r} has no variant {name!r} in {language!r}"
                    yield self.source.problem((*place, "variants_by"), said)

    def _dates(self, wave: Wave, place: Place) -> Iterator[Problem]:
        campaign, source, when = self.campaign, self.source, wave.when
        window = campaign.budget.window
        first = campaign.start
        if when.after_start is not None:
            first = campaign.start + when.after_start.length
            if first > campaign.ends_on:
                message = f"falls on {first}, after the campaign's last day {campaign.ends_on}"
                yield source.problem((*place, "when"), message)
            if first.weekday() not in window.weekdays:
                yield source.problem((*place, "when"), f"falls on {first:%A} {first}, on which nothing is sent")
        elif when.from_week:
            first = campaign.start + timedelta(weeks=when.from_week - 1)
            if first > campaign.ends_on:
                yield source.problem((*place, "when", "from_week"), "begins after the campaign has ended")
        for day in when.weekly or ():
            if day.number not in window.weekdays:
                yield source.problem((*place, "when", "weekly"), f"{day.value} is not among the budget's weekdays")
        if not window.opens.hour <= wave.hour < window.closes.hour + (window.closes.minute > 0):
            message = f"{wave.hour}:00 is in the quiet hours ({window.closes:%H:%M} to {window.opens:%H:%M})"
            yield source.problem((*place, "hour"), message)
        trend = self.trends.get(wave.trend or "")
        if trend is not None and trend.is_over(first):
            message = f"{trend.key!r} ended on {trend.ends_on}, before the wave on {first}"
            yield source.problem((*place, "trend"), message)

    def _habit(self, stage: str, wave: Wave, place: Place) -> Iterator[Problem]:
        if wave.when.is_habit == (stage == HABIT_STAGE):
            return
        if wave.when.is_habit:
            message = (
                f"`daily_goal` and `at_cue` belong to the {HABIT_STAGE} stage, which sends one message a day at most"
            )
        else:
            message = f"the {HABIT_STAGE} stage has daily nudges and reminders alone: write `daily_goal` or `at_cue`"
        yield self.source.problem((*place, "when"), message)

    def _champions(self, stage: str, wave: Wave, place: Place) -> Iterator[Problem]:
        if bool(wave.champions) != (stage == CHAMPIONS_STAGE):
            message = f"every wave of the {CHAMPIONS_STAGE} stage, and no other, says how many `champions` there may be"
        elif wave.champions and self.campaign.message_class is MessageClass.MANDATORY:
            message = "nobody is obliged to vouch: a mandatory campaign invites no champions"
        else:
            return
        yield self.source.problem((*place, "champions"), message)

    def _repeated(self, place: Place, keys: Sequence[str]) -> Iterator[Problem]:
        counts = Counter(keys)
        for at, key in enumerate(keys):
            if counts[key] > 1:
                yield self.source.problem((*place, at), f"{key!r} appears more than once")

    def _located(self, error: ContentError, place: Place) -> Iterator[Problem]:
        """The error's problems; one about a missing file is shown where the file is named."""
        for problem in error.problems:
            yield problem if problem.file.is_file() else self.source.problem(place, problem.message)


def _near(word: str, known: Collection[str]) -> str:
    choices = sorted(known)
    near = get_close_matches(word, choices, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(choices) or 'none'}"
