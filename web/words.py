"""What the pages say, in the languages that messages are written in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; braces are filled in.

    Args:
        language: BCP 47.
        channels: names of channels as in "by …"; ``*`` stands for all.
    """

    language: str
    channels: dict[str, str]
    all_families: str
    start: str
    carry_on: str
    stopped_at: str
    minutes: str
    expired: str
    nothing_open: str
    preferences: str
    ask_title: str
    ask: str
    unsubscribe: str
    done_title: str
    done: str
    choose_title: str
    choose: str
    obligations: str
    topic: str
    save: str
    saved: str
    stop_everything: str
    no_switches: str

    def channel(self, name: str) -> str:
        """A channel's name."""
        return self.channels.get(name, name)

    def family(self, name: str) -> str:
        """A family of messages as people read it."""
        return self.all_families if name == "*" else name.replace("-", " ").replace("_", " ")


_ENGLISH = Words(
    language="en",
    channels={"email": "E‑mail", "teams": "Teams", "slack": "Slack", "sms": "Text message", "*": "All channels"},
    all_families="all messages",
    start="Start",
    carry_on="Carry on",
    stopped_at="You were here: {place}",
    minutes="{n} min",
    expired="This link is an older one. It now leads to what is open today.",
    nothing_open="There is nothing to open here right now. The next message brings a new link.",
    preferences="Which messages would you like?",
    ask_title="Unsubscribe?",
    ask="You will get no more messages of this kind: {family} · {channel}",
    unsubscribe="Unsubscribe",
    done_title="You are unsubscribed",
    done="You will get no more messages of this kind: {family} · {channel}",
    choose_title="Your messages",
    choose="Choose what reaches you, and where.",
    obligations="Messages about obligations, such as required trainings, still reach you.",
    topic="Topic",
    save="Save",
    saved="Saved.",
    stop_everything="Stop all of them",
    no_switches="There are no messages to choose from yet.",
)
_GERMAN = Words(
    language="de",
    channels={"email": "E‑Mail", "teams": "Teams", "slack": "Slack", "sms": "SMS", "*": "Alle Kanäle"},
    all_families="alle Nachrichten",
    start="Los geht’s",
    carry_on="Weitermachen",
    stopped_at="Hier waren Sie: {place}",
    minutes="{n} Min.",
    expired="Dieser Link ist schon älter. Er führt jetzt zu dem, was heute offen ist.",
    nothing_open="Hier gibt es gerade nichts zu öffnen. Die nächste Nachricht bringt einen neuen Link.",
    preferences="Welche Nachrichten möchten Sie?",
    ask_title="Abmelden?",
    ask="Sie erhalten dann keine Nachrichten dieser Art mehr: {family} · {channel}",
    unsubscribe="Abmelden",
    done_title="Sie sind abgemeldet",
    done="Sie erhalten keine Nachrichten dieser Art mehr: {family} · {channel}",
    choose_title="Ihre Nachrichten",
    choose="Wählen Sie, was Sie erreicht, und wo.",
    obligations="Nachrichten zu Pflichten, etwa vorgeschriebenen Schulungen, erhalten Sie weiterhin.",
    topic="Thema",
    save="Speichern",
    saved="Gespeichert.",
    stop_everything="Alle abbestellen",
    no_switches="Noch gibt es keine Nachrichten zur Auswahl.",
)
_FRENCH = Words(
    language="fr",
    channels={"email": "E‑mail", "teams": "Teams", "slack": "Slack", "sms": "SMS", "*": "Tous les canaux"},
    all_families="tous les messages",
    start="Commencer",
    carry_on="Reprendre",
    stopped_at="Vous en étiez ici : {place}",
    minutes="{n} min",
    expired="Ce lien est plus ancien. Il mène maintenant à ce qui est ouvert aujourd’hui.",
    nothing_open="Il n’y a rien à ouvrir ici pour le moment. Le prochain message apportera un nouveau lien.",
    preferences="Quels messages souhaitez-vous ?",
    ask_title="Se désabonner ?",
    ask="Vous ne recevrez plus de messages de ce type : {family} · {channel}",
    unsubscribe="Se désabonner",
    done_title="Vous êtes désabonné",
    done="Vous ne recevrez plus de messages de ce type : {family} · {channel}",
    choose_title="Vos messages",
    choose="Choisissez ce qui vous parvient, et où.",
    obligations="Les messages sur vos obligations, comme les formations requises, vous parviennent toujours.",
    topic="Thème",
    save="Enregistrer",
    saved="Enregistré.",
    stop_everything="Tout arrêter",
    no_switches="Il n’y a pas encore de messages à choisir.",
)
_SPANISH = Words(
    language="es",
    channels={"email": "Correo", "teams": "Teams", "slack": "Slack", "sms": "SMS", "*": "Todos los canales"},
    all_families="todos los mensajes",
    start="Empezar",
    carry_on="Continuar",
    stopped_at="Te quedaste aquí: {place}",
    minutes="{n} min",
    expired="Este enlace ya es antiguo. Ahora lleva a lo que está abierto hoy.",
    nothing_open="Ahora mismo no hay nada que abrir aquí. El próximo mensaje traerá un enlace nuevo.",
    preferences="¿Qué mensajes quieres recibir?",
    ask_title="¿Darte de baja?",
    ask="No recibirás más mensajes de este tipo: {family} · {channel}",
    unsubscribe="Darme de baja",
    done_title="Te has dado de baja",
    done="No recibirás más mensajes de este tipo: {family} · {channel}",
    choose_title="Tus mensajes",
    choose="Elige qué te llega y dónde.",
    obligations="Los mensajes sobre obligaciones, como la formación requerida, te seguirán llegando.",
    topic="Tema",
    save="Guardar",
    saved="Guardado.",
    stop_everything="Dejar de recibir todos",
    no_switches="Todavía no hay mensajes que elegir.",
)

_LANGUAGES = {words.language: words for words in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)}


def words_for(language: str) -> Words:
    """The words for a learner's language (BCP 47), by its first part; English where there are none."""
    return _LANGUAGES.get(language.lower().replace("_", "-").partition("-")[0], _ENGLISH)
