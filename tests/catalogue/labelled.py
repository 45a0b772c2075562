"""Goals and items of a small catalogue in four languages, labelled by hand: which goal each item is about.

In every language there are the same ten topics with one item each, and two wishes per topic: one that shares words
with its item and one that says the same in other words.
"""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """One item's title and summary, a wish in the same words, and one in others."""

    title: str
    summary: str
    same_words: str
    other_words: str


TOPICS: dict[str, tuple[Topic, ...]] = {
    "en": (
        Topic(
            "Give feedback", "Say what you saw and what would help", "give better feedback", "constructive criticism"
        ),
        Topic("Leading a team", "Delegate, decide, coach", "lead a small team", "becoming a good manager of people"),
        Topic("Spreadsheets", "Formulas, pivot tables, charts", "pivot tables in spreadsheets", "calculate with Excel"),
        Topic("Programming in Python", "Automate reports with scripts", "learn Python", "writing software code"),
        Topic("Public speaking", "Present calmly in front of a group", "present to a group", "giving talks on stage"),
        Topic("Stress and sleep", "Breathing, rest, recovery", "less stress, better sleep", "avoid burnout"),
        Topic("Information security", "Phishing, passwords", "recognise phishing mail", "protect against hackers"),
        Topic(
            "Negotiation", "Find out interests, agree on a price", "negotiation of a price", "bargaining with suppliers"
        ),
        Topic("Customer service", "Calm angry callers", "customer service on the phone", "make clients happy"),
        Topic("Climate protection", "Emissions, energy", "save energy and emissions", "environmental sustainability"),
    ),
    "de": (
        Topic(
            "Feedback geben", "Sagen, was man sah und was hilft", "besser Feedback geben", "Rückmeldungen formulieren"
        ),
        Topic("Ein Team leiten", "Delegieren, entscheiden, fördern", "ein kleines Team leiten", "Führungskraft werden"),
        Topic("Tabellenkalkulation", "Formeln, Pivot, Diagramme", "Pivot und Formeln", "mit Excel rechnen"),
        Topic("Programmieren mit Python", "Berichte automatisieren", "Python lernen", "Software entwickeln"),
        Topic("Vor Gruppen sprechen", "Ruhig präsentieren", "ruhig vor Gruppen präsentieren", "Vorträge halten"),
        Topic("Stress und Schlaf", "Atmen, Ruhe, Erholung", "weniger Stress", "gesund bleiben im Beruf"),
        Topic("Informationssicherheit", "Phishing, Passwörter", "Phishing erkennen", "Schutz vor Hackern"),
        Topic("Verhandeln", "Interessen klären, Preis vereinbaren", "Preis verhandeln", "mit Lieferanten feilschen"),
        Topic("Kundendienst", "Verärgerte Anrufer beruhigen", "Kundendienst am Telefon", "Beschwerden annehmen"),
        Topic("Klimaschutz", "Emissionen, Energie", "Energie und Emissionen sparen", "nachhaltig handeln"),
    ),
    "fr": (
        Topic("Donner un retour", "Dire ce qui aide", "donner un bon retour", "critique constructive"),
        Topic("Diriger une équipe", "Déléguer, décider", "diriger une petite équipe", "devenir manager"),
        Topic("Tableur", "Formules, graphiques", "formules de tableur", "calculer avec Excel"),
        Topic("Programmer en Python", "Automatiser des rapports", "apprendre Python", "écrire du code informatique"),
        Topic("Prise de parole", "Présenter devant un groupe", "présenter devant un groupe", "parler en public"),
        Topic("Stress et sommeil", "Respirer, repos", "moins de stress", "éviter le burn-out"),
        Topic(
            "Sécurité informatique", "Hameçonnage, mots de passe", "sécurité informatique", "se protéger des pirates"
        ),
        Topic("Négociation", "Intérêts, accord sur un prix", "négociation de prix", "marchander avec un fournisseur"),
        Topic("Service client", "Apaiser un appelant fâché", "service client par téléphone", "satisfaire la clientèle"),
        Topic("Protection du climat", "Émissions, énergie", "énergie et émissions", "développement durable"),
    ),
    "es": (
        Topic("Dar opiniones útiles", "Decir lo que ayuda", "dar opiniones", "crítica constructiva"),
        Topic("Dirigir un equipo", "Delegar, decidir", "dirigir un equipo pequeño", "ser un buen líder"),
        Topic("Hojas de cálculo", "Fórmulas, gráficos", "fórmulas en hojas de cálculo", "calcular con Excel"),
        Topic("Programar en Python", "Automatizar informes", "quiero Python", "escribir código de software"),
        Topic("Hablar en público", "Presentar ante un grupo", "presentar ante un grupo", "dar una conferencia"),
        Topic("Estrés y sueño", "Respirar, descanso", "menos estrés", "evitar el agotamiento"),
        Topic("Seguridad informática", "Phishing, contraseñas", "seguridad informática", "protección contra hackers"),
        Topic(
            "Negociación", "Intereses, acuerdo sobre un precio", "negociación del precio", "regatear con proveedores"
        ),
        Topic("Atención al cliente", "Calmar a quien llama", "atención al cliente", "clientes satisfechos"),
        Topic("Protección del clima", "Emisiones, energía", "energía y emisiones", "sostenibilidad ambiental"),
    ),
}
