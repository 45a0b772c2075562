"""The outbox: what the sandbox took, as pages to browse and as single files.

The pages are static HTML without scripts and without anything from elsewhere; every message is one click away, as its
reader would see it. They are made from the parcels and can be thrown away and made again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from channels import parcels
from channels.outbox.letters import Shown, show
from channels.parcels import DamagedParcel, Place
from channels.sandbox import SUFFIXES
from pushpull.learners.vocabulary import Channel
from pushpull.ledger.messages import parse_delivery_id

#: Messages on one page.
PAGE_SIZE = 25

_LABELS = {Channel.EMAIL: "E-mail", Channel.TEAMS: "Teams", Channel.SLACK: "Slack", Channel.SMS: "SMS"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One message of the outbox, not yet read."""

    rotation: int
    learner_id: int
    handover: str
    delivery_id: str
    place: Place

    def file_name(self, channel: Channel) -> str:
        return f"{self.delivery_id}-{self.handover[:8]}{SUFFIXES[channel]}"


@dataclass(frozen=True, slots=True)
class _Tab:
    """The messages of one wave on one channel."""

    wave_id: int
    channel: Channel
    entries: Sequence[_Entry]

    @property
    def label(self) -> str:
        return _LABELS[self.channel]

    @property
    def pages(self) -> range:
        return range(1, (len(self.entries) + PAGE_SIZE - 1) // PAGE_SIZE + 1)

    def page_name(self, page: int) -> str:
        return f"wave-{self.wave_id}-{self.channel.value}-{page}.html"


@dataclass(frozen=True, slots=True)
class _Wave:
    wave_id: int
    name: str
    tabs: Mapping[Channel, _Tab]

    @property
    def size(self) -> int:
        return sum(len(tab.entries) for tab in self.tabs.values())

    @property
    def first_page(self) -> str:
        return next(iter(self.tabs.values())).page_name(1)


def build_outbox(outbox_dir: Path, *, wave_names: Mapping[int, str] | None = None) -> Path:
    """Unpack the parcels into single files and write the pages over them.

    Messages land in ``messages/<channel>/<wave>/`` as .eml, JSON or text; those already there are left alone. Pages of
    an earlier call are replaced.

    Args:
        outbox_dir: the sandbox's folder; made when missing.
        wave_names: what to call the waves; a wave without a name shows its number.

    Returns:
        The first page.

    Raises:
        OSError: the folder cannot be read or written.
    """
    outbox_dir.mkdir(parents=True, exist_ok=True)
    damaged: list[Path] = []
    waves = _waves(outbox_dir, wave_names or {}, damaged)
    for stale in outbox_dir.glob("wave-*.html"):
        stale.unlink()
    for place, wave in enumerate(waves):
        for tab in wave.tabs.values():
            _unpack(outbox_dir, tab)
            for page in tab.pages:
                _write(
                    outbox_dir / tab.page_name(page),
                    "wave.html.j2",
                    wave=wave,
                    tab=tab,
                    page=page,
                    before=waves[place - 1] if place else None,
                    after=waves[place + 1] if place + 1 < len(waves) else None,
                    messages=list(_shown(tab, page)),
                )
    index = outbox_dir / "index.html"
    _write(index, "index.html.j2", waves=waves, channels=_LABELS, damaged=damaged, total=sum(w.size for w in waves))
    return index


def is_stale(outbox_dir: Path) -> bool:
    """Whether messages came since the pages were made, or there are no pages yet."""
    index = outbox_dir / "index.html"
    if not index.is_file():
        return True
    made = index.stat().st_mtime_ns
    return any(folder.stat().st_mtime_ns >= made for folder in parcels.parcel_folder(outbox_dir).glob("*/*"))


def _waves(outbox_dir: Path, names: Mapping[int, str], damaged: list[Path]) -> list[_Wave]:
    """What there is, from the indexes of the parcels alone, in the order of waves, channels and learners."""
    entries: dict[int, dict[Channel, list[_Entry]]] = defaultdict(lambda: defaultdict(list))
    for channel in Channel:
        for path in sorted((parcels.parcel_folder(outbox_dir) / channel.value).glob(f"*/*{parcels.SUFFIX}")):
            try:
                parcel = parcels.read(path)
                for delivery_id, place in parcel.places():
                    wave_id, rotation, learner_id = parse_delivery_id(delivery_id)
                    entry = _Entry(rotation, learner_id, parcel.handover_id.hex, delivery_id, place)
                    entries[wave_id][channel].append(entry)
            except (DamagedParcel, ValueError):
                damaged.append(path)
    return [
        _Wave(
            wave_id,
            names.get(wave_id, f"Wave {wave_id}"),
            {
                channel: _Tab(wave_id, channel, sorted(entries[wave_id][channel], key=_order))
                for channel in Channel
                if entries[wave_id][channel]
            },
        )
        for wave_id in sorted(entries)
    ]


def _order(entry: _Entry) -> tuple[int, int, str]:
    return entry.rotation, entry.learner_id, entry.handover


def _unpack(outbox_dir: Path, tab: _Tab) -> None:
    """One file per message."""
    folder = _message_folder(outbox_dir, tab)
    folder.mkdir(parents=True, exist_ok=True)
    there = {each.name for each in folder.iterdir()}
    for entry in tab.entries:
        name = entry.file_name(tab.channel)
        if name not in there:
            # Written aside first, so that a file of that name is always whole.
            aside = folder / f".{name}"
            aside.write_bytes(entry.place.read())
            aside.replace(folder / name)


def _message_folder(outbox_dir: Path, tab: _Tab) -> Path:
    return outbox_dir / "messages" / tab.channel.value / str(tab.wave_id)


def _shown(tab: _Tab, page: int) -> Iterator[tuple[str, Shown]]:
    for entry in tab.entries[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]:
        href = f"messages/{tab.channel.value}/{tab.wave_id}/{entry.file_name(tab.channel)}"
        yield href, show(tab.channel, entry.delivery_id, entry.handover, entry.place.read())


@lru_cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("channels.outbox", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["page_window"] = _page_window
    return environment.get_template(name)


def _page_window(pages: range, page: int) -> Iterable[int | None]:
    """The page numbers to link: the ends, the neighbours, None for what is left out."""
    last = 0
    for number in pages:
        if number in (1, len(pages)) or abs(number - page) <= 2:
            if number != last + 1:
                yield None
            yield number
            last = number


def _write(path: Path, template: str, **values: Any) -> None:
    path.write_text(_template(template).render(values), encoding="utf-8")
