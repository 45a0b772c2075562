"""Messages (`templates/messages/<key>/`): what a message is for, and its words per language.

`message.yaml` says what it is; `<language>.yaml` holds its words, written once and laid out for every channel by the
shared templates in `templates/layouts`. Words are short templates that know the placeholders of
:mod:`content.templating`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, field_validator

from content.source import ContentError, ContentModel, Problem, Source, parse, read_yaml
from pushpull.learners.vocabulary import Channel

#: The variant that takes the words as they are written.
STANDARD = "standard"
#: Where messages live below a content folder.
FOLDER = Path("templates") / "messages"


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class MessageFile(ContentModel):
    """What a message is, in every language.

    Args:
        purpose: the one thing it wants to achieve; a list of several is a lint error (mission L1).
        channels: in which it can be sent.
        uniform: the same for everyone, name and language aside (mission L1).
        start_block: carries "start in 60 seconds" while the learner has not used the content (mission L5).
        shows_items: lists the recommended items with their reasons.
        promotes: advertises something; mandatory campaigns refuse it (mission D10).
    """

    purpose: tuple[str, ...] = Field(min_length=1)
    channels: tuple[Channel, ...] = Field(min_length=1)
    uniform: bool = False
    start_block: bool = False
    shows_items: bool = False
    promotes: bool = False

    _purposes = field_validator("purpose", mode="before")(_as_tuple)


class Words(ContentModel):
    """The words of a message in one language.

    Args:
        subject: of the e-mail; also what a notification shows.
        preheader: what an inbox shows after the subject.
        body: paragraphs.
        call_to_action: the words on the button; more than one is a lint error (mission L1).
        sms: the text message without its link, which is appended; empty when there is none.
    """

    subject: str = Field(min_length=1, max_length=300)
    preheader: str = Field("", max_length=300)
    headline: str = Field(min_length=1, max_length=300)
    body: tuple[str, ...] = Field(min_length=1, max_length=8)
    call_to_action: tuple[str, ...] = Field(min_length=1, max_length=5)
    sms: str = Field("", max_length=500)

    _calls = field_validator("call_to_action", mode="before")(_as_tuple)


class VariantWords(ContentModel):
    """What a variant says differently; what is left out stays as it is."""

    subject: str | None = Field(None, min_length=1, max_length=300)
    preheader: str | None = Field(None, max_length=300)
    headline: str | None = Field(None, min_length=1, max_length=300)
    body: tuple[str, ...] | None = Field(None, min_length=1, max_length=8)
    call_to_action: tuple[str, ...] | None = Field(None, min_length=1, max_length=5)
    sms: str | None = Field(None, max_length=500)

    _calls = field_validator("call_to_action", mode="before")(_as_tuple)


class LanguageFile(Words):
    """A language file: the words, and what the variants of a split say differently."""

    variants: dict[str, VariantWords] = Field(default_factory=dict)

    @field_validator("variants")
    @classmethod
    def _standard_is_the_words(cls, value: dict[str, VariantWords]) -> dict[str, VariantWords]:
        if STANDARD in value:
            raise ValueError(f"{STANDARD!r} always means the words above; give the variant another name")
        return value


@dataclass(frozen=True, slots=True)
class Message:
    """A message with all of its languages.

    Args:
        sources: the files they came from, for errors; ``""`` is `message.yaml`.
    """

    key: str
    file: MessageFile
    languages: Mapping[str, LanguageFile]
    sources: Mapping[str, Source]

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants' names, the standard one first."""
        named = {name for words in self.languages.values() for name in words.variants}
        return (STANDARD, *sorted(named))

    def words(self, language: str, variant: str = STANDARD) -> Words:
        """The words of a variant in a language.

        Raises:
            KeyError: the message does not exist in that language or variant.
        """
        spoken = self.languages[language]
        base = spoken.model_dump(exclude={"variants"})
        if variant not in ("", STANDARD):
            base |= spoken.variants[variant].model_dump(exclude_none=True)
        return Words.model_validate(base)


def message_keys(content_dir: Path) -> tuple[str, ...]:
    """The keys of all messages, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in (content_dir / FOLDER).glob("*/message.yaml")))


def load_message(key: str, content_dir: Path) -> Message:
    """A message with all of its languages.

    Raises:
        ContentError: it is missing, or one of its files is wrong; all problems of all files are listed.
    """
    folder = content_dir / FOLDER / key
    main = folder / "message.yaml"
    if not main.is_file():
        known = ", ".join(message_keys(content_dir)) or "none"
        raise ContentError([Problem(main, 1, "", f"there is no message {key!r}; known: {known}")])
    problems: list[Problem] = []
    sources: dict[str, Source] = {}
    languages: dict[str, LanguageFile] = {}
    file: MessageFile | None = None
    try:
        sources[""] = read_yaml(main)
        file = parse(sources[""], MessageFile)
    except ContentError as error:
        problems += error.problems
    for path in sorted(folder.glob("*.yaml")):
        if path == main:
            continue
        try:
            sources[path.stem] = read_yaml(path)
            languages[path.stem] = parse(sources[path.stem], LanguageFile)
        except ContentError as error:
            problems += error.problems
    if not languages and not problems:
        problems.append(Problem(main, 1, "", f"message {key!r} has no words; write en.yaml beside message.yaml"))
    if problems or file is None:
        raise ContentError(problems)
    return Message(key, file, languages, sources)


def languages_of(key: str, content_dir: Path, *, first: str = "en") -> tuple[str, ...]:
    """In which languages a message exists; ``first`` leads where it is among them: it is the last resort (mission R7).

    Raises:
        ContentError: there is no such message.
    """
    spoken = load_message(key, content_dir).languages
    return tuple(sorted(spoken, key=lambda language: (language != first, language)))


def message_hash(key: str, content_dir: Path) -> str:
    """SHA-256 over everything a message is made of: its words, the layouts and the locales."""
    digest = hashlib.sha256()
    folders = (content_dir / FOLDER / key, content_dir / "templates" / "layouts", content_dir / "locale")
    for folder in folders:
        for path in sorted(each for each in folder.glob("*") if each.is_file()):
            digest.update(path.relative_to(content_dir).as_posix().encode())
            digest.update(b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
