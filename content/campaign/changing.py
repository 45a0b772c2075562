"""A change of a campaign's file: made as text that keeps comments and formatting, shown as a diff, written in one go.

What is to be changed, and who decided so, comes from elsewhere (:mod:`pushpull.insights.loop`); nothing here looks at
the database.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from content.campaign.loading import load_campaign
from content.source import MAX_BYTES, ContentError, Problem, read_yaml
from pushpull.insights.loop.finding import Change, Setting, Value

_BOM = "\ufeff"


class CannotChangeError(ValueError):
    """The change does not fit the file: a place is gone, or the file could not be used with it."""


class FileChangedError(CannotChangeError):
    """The file is another than the one the change was made from."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} has been changed since: look at the change again as it would be now")


class ReadOnlyError(OSError):
    """The content folder cannot be written."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path.name} cannot be written here ({why}): apply the diff where the file is kept")


@dataclass(frozen=True, slots=True)
class Draft:
    """A file with a change made, not written yet.

    Args:
        path: of the campaign's file.
        text: as it would be.
        diff: unified, with three lines around.
        base_hash: SHA-256 of the file it was made from.
        new_hash: of what it would be.
        is_needless: the file says so already.
    """

    path: Path
    text: str
    diff: str
    base_hash: str
    new_hash: str
    is_needless: bool


def campaign_path(key: str, content_dir: Path) -> Path:
    """The file of a campaign."""
    return content_dir / "campaigns" / f"{key}.yaml"


def draft(key: str, change: Change, content_dir: Path) -> Draft:
    """Make a change, in memory.

    Args:
        key: of the campaign.

    Raises:
        CannotChangeError: a place is gone, or the file could not be used with the change.
        ContentError: the file cannot be used as it is.
    """
    path = campaign_path(key, content_dir)
    read_yaml(path)  # its size and its anchors are within bounds
    original = path.read_bytes().decode("utf-8")
    plain = original.removeprefix(_BOM).replace("\r\n", "\n")
    file, yaml = _read(plain)
    before = _written(yaml, file)
    wanted = [_set(file, each) for each in change.settings]
    if not any(wanted):
        same = _hash(original)
        return Draft(path, original, "", same, same, is_needless=True)
    changed = _with_little_noise(plain, before, _written(yaml, file))
    _must_be_usable(key, changed, content_dir)
    text = changed.replace("\n", "\r\n") if "\r\n" in original else changed
    text = _BOM + text if original.startswith(_BOM) else text
    name = f"campaigns/{path.name}"
    lines = unified_diff(plain.splitlines(), changed.splitlines(), f"a/{name}", f"b/{name}", lineterm="")
    return Draft(path, text, "\n".join(lines) + "\n", _hash(original), _hash(text), is_needless=False)


def file_hash(key: str, content_dir: Path) -> str:
    """SHA-256 of a campaign's file as it is now.

    Raises:
        ContentError: it cannot be read.
    """
    path = campaign_path(key, content_dir)
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ContentError([Problem(path, 1, "", f"cannot be read: {error.strerror or error}")]) from error


def write(made: Draft) -> None:
    """Put a draft in the place of its file: all of it, or nothing.

    Raises:
        FileChangedError: the file is another than the one the draft was made from.
        ReadOnlyError: the folder cannot be written.
    """
    path = made.path.resolve()  # what a link points to is changed, not the link
    if _hash_of(path) != made.base_hash:
        raise FileChangedError(made.path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".new", dir=path.parent)
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(made.text.encode())
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(path, beside)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReadOnlyError(made.path, error.strerror or type(error).__name__) from error


def _read(text: str) -> tuple[Any, YAML]:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, MAX_BYTES
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml.load(text), yaml


def _written(yaml: YAML, file: Any) -> str:
    written = io.StringIO()
    yaml.dump(file, written)
    return written.getvalue()


def _set(file: Any, setting: Setting) -> bool:
    """Set one place.

    Returns:
        Whether it was otherwise before.
    """
    *way, last = setting.place.split(".")
    here = file
    for part in way:
        here = _inside(here, part, setting.place)
    if setting.to is None:
        return _take_out(here, last, setting.place)
    if isinstance(here, CommentedSeq):
        raise CannotChangeError(f"{setting.place} names an entry of a list, which cannot be set as a whole")
    if not isinstance(here, CommentedMap):
        raise CannotChangeError(f"the file has no place {setting.place} any more")
    if last in here:
        if _plain(here[last]) == _plain(setting.to):
            return False
        _replace(here, last, setting.to)
    else:
        # Before the last field: what follows the last one, an empty line or a comment, is kept with that.
        here.insert(max(0, len(here) - 1), last, _fresh(setting.to))
    return True


def _take_out(here: Any, last: str, place: str) -> bool:
    """Take a field out, or an entry of a list by its key.

    Returns:
        Whether it was there.
    """
    if isinstance(here, CommentedSeq):
        for at, each in enumerate(here):
            if isinstance(each, CommentedMap) and each.get("key") == last:
                del here[at]
                return True
        return False
    if not isinstance(here, CommentedMap):
        raise CannotChangeError(f"the file has no place {place} any more")
    if last not in here:
        return False
    del here[last]
    return True


def _inside(here: Any, part: str, place: str) -> Any:
    if isinstance(here, CommentedMap) and part in here:
        return here[part]
    if isinstance(here, CommentedSeq):
        for each in here:
            if isinstance(each, CommentedMap) and each.get("key") == part:
                return each
    raise CannotChangeError(f"the file has no place {place} any more")


def _replace(here: CommentedMap, name: str, to: Value) -> None:
    now = here[name]
    if isinstance(now, CommentedSeq) and isinstance(to, tuple):
        now[:] = list(to)
    elif isinstance(now, CommentedMap) and isinstance(to, Mapping):
        for gone in [each for each in now if each not in to]:
            del now[gone]
        now.update(to)
    else:
        here[name] = _fresh(to)


def _fresh(to: Value) -> Any:
    """A value as authors write it: lists and mappings on one line."""
    if isinstance(to, tuple):
        made: Any = CommentedSeq(to)
    elif isinstance(to, Mapping):
        made = CommentedMap(to)
    else:
        return to
    made.fa.set_flow_style()
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


def _with_little_noise(original: str, before: str, after: str) -> str:
    """``after`` with the lines of ``original`` wherever nothing was changed.

    The writer has its own mind about spaces. Where a file is laid out in another way, ``before`` says what it makes of
    the file unchanged, so that the real changes can be told from the rest.
    """
    if original == before:
        return after
    own, unchanged, changed = (text.splitlines(keepends=True) for text in (original, before, after))
    if len(own) != len(unchanged):
        return after
    merged: list[str] = []
    for tag, low, high, new_low, new_high in SequenceMatcher(None, unchanged, changed, autojunk=False).get_opcodes():
        merged += own[low:high] if tag == "equal" else changed[new_low:new_high]
    text = "".join(merged)
    try:
        is_same = _plain(_read(text)[0]) == _plain(_read(after)[0])
    except Exception:  # noqa: BLE001  # whatever the parser says of it: the lines do not fit together
        return after
    return text if is_same else after


def _must_be_usable(key: str, text: str, content_dir: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{key}.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            load_campaign(path, content_dir)
        except ContentError as error:
            said = "; ".join(f"{each.field}: {each.message}" for each in error.problems)
            raise CannotChangeError(f"the file could not be used with it: {said}") from error


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
