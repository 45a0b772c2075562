"""What a cell may be: dates, languages, zones, numbers; and what presets make of it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushpull.importers import fields
from pushpull.importers.dates import DateOrder, read_day, read_instant
from pushpull.importers.fields import Target
from pushpull.importers.mapping import RowMapper
from pushpull.importers.occurrences import Occurrences
from pushpull.importers.presets import PresetError, load_preset, preset_names, read_preset, shape_of
from pushpull.importers.refusals import Refusal, Refused
from pushpull.importers.transforms import Duration, Scale, iso_minutes, transformation
from tests.importers.files import a_file


def reason_of(read: object, *args: object, **named: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        read(*args, **named)  # type: ignore[operator]
    return caught.value.reason


@given(st.dates(min_value=date(1900, 1, 1)), st.sampled_from("-/."))
def test_a_declared_order_reads_every_date(day: date, separator: str) -> None:
    year, month, number = f"{day:%Y}", f"{day:%m}", f"{day:%d}"
    assert read_day(separator.join((number, month, year)), order=DateOrder.DMY) == day
    assert read_day(separator.join((month, number, year)), order=DateOrder.MDY) == day
    assert read_day(separator.join((year, month, number))) == day


@given(st.dates(min_value=date(1900, 1, 1)))
def test_without_a_declared_order_only_what_can_be_read_in_one_way_is_taken(day: date) -> None:
    for written in (f"{day:%d/%m/%Y}", f"{day:%m/%d/%Y}"):
        if day.day <= 12 and day.day != day.month:
            assert reason_of(read_day, written) is Refusal.AMBIGUOUS_DATE
        else:
            assert read_day(written) == day


@pytest.mark.parametrize("raw", ["", "soon", "31/02/2024", "2024-13-01", "1/2/24", "45292", "2024-01-01x", "20240101T"])
def test_what_is_no_date_is_refused(raw: str) -> None:
    assert reason_of(read_instant, raw, order=DateOrder.DMY) is Refusal.UNREADABLE_DATE


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2024-03-05", datetime(2024, 3, 5, 12, tzinfo=UTC)),
        ("20240305", datetime(2024, 3, 5, 12, tzinfo=UTC)),
        ("2024-03-05T08:30:00Z", datetime(2024, 3, 5, 8, 30, tzinfo=UTC)),
        ("2024-03-05 08:30:00.250+02:00", datetime(2024, 3, 5, 6, 30, 0, 250_000, tzinfo=UTC)),
        ("2024-03-05 08:30", datetime(2024, 3, 5, 7, 30, tzinfo=UTC)),
        ("25/03/2024 1:05 PM", datetime(2024, 3, 25, 12, 5, tzinfo=UTC)),
        ("2024-03-05 12:00 AM", datetime(2024, 3, 4, 23, tzinfo=UTC)),
    ],
)
def test_instants_are_read_in_the_declared_zone(raw: str, expected: datetime) -> None:
    assert read_instant(raw, zone=ZoneInfo("Europe/Berlin")) == expected


@pytest.mark.parametrize(
    ("raw", "tag"), [("DE", "de"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("en-x-pirate", "en-x-pirate")]
)
def test_language_tags_get_their_usual_capitals(raw: str, tag: str) -> None:
    assert fields.language(raw) == tag


@pytest.mark.parametrize("raw", ["Deutsch!", "d", "en--GB", "de-", "=1+1"])
def test_what_is_no_language_tag_is_refused(raw: str) -> None:
    assert reason_of(fields.language, raw) is Refusal.UNREADABLE_LANGUAGE


def test_zones_are_those_of_the_iana_database() -> None:
    assert fields.zone("Asia/Kolkata") == "Asia/Kolkata"
    assert reason_of(fields.zone, "Mars/Olympus") is Refusal.UNKNOWN_TIMEZONE


@pytest.mark.parametrize("raw", ["ann", "ann@", "@example.org", "a b@example.org", "ann@example", "a,b@example.org"])
def test_what_is_no_address_is_refused(raw: str) -> None:
    assert reason_of(fields.email, raw) is Refusal.UNREADABLE_EMAIL


def test_numbers_outside_their_range_are_refused() -> None:
    score = fields.number(0, 1)
    assert score("0.5") == 0.5
    assert reason_of(score, "1.5") is Refusal.OUT_OF_RANGE
    assert reason_of(score, "nan") is Refusal.OUT_OF_RANGE
    assert reason_of(score, "a lot") is Refusal.UNREADABLE_NUMBER


@pytest.mark.parametrize(
    ("raw", "minutes"), [("90", 90), ("1:30", 90), ("1:30:30", 90.5), ("PT1H30M", 90), ("P1D", 1440), ("1,5", 1.5)]
)
def test_durations_are_minutes(raw: str, minutes: float) -> None:
    assert transformation(Duration(do="duration"), str)(raw) == minutes


@pytest.mark.parametrize("raw", ["P", "PT", "P1Y", "1h", "PT1H1H", ""])
def test_what_is_no_duration_of_fixed_length_has_no_minutes(raw: str) -> None:
    assert iso_minutes(raw) is None


def test_a_percentage_becomes_a_share() -> None:
    scale = transformation(Scale(do="scale"), str)
    assert scale("85 %") == 0.85
    assert reason_of(scale, "101") is Refusal.OUT_OF_RANGE


def test_all_presets_that_ship_are_valid() -> None:
    assert preset_names() == [
        "canvas",
        "cornerstone",
        "generic",
        "linkedin-learning",
        "moodle-completions",
        "moodle-logs",
        "oulad",
        "successfactors",
        "workday-raas",
    ]
    assert all(load_preset(name).name == name for name in preset_names())


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(PresetError, match="generic, linkedin-learning"):
        load_preset("moodle")


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ("shoe_size: {column: size}", "no field 'shoe_size'"),
        ("external_id: {column: a, constant: b}", "exactly one of"),
        ("external_id: {column: a, transforms: [{do: eval, code: exit}]}", "do"),
        ("email: {column: mail}", "lacks the required field 'external_id'"),
    ],
)
def test_a_wrong_preset_is_refused_with_its_place(tmp_path: Path, field: str, complaint: str) -> None:
    path = a_file(
        tmp_path / "mine.yaml",
        f"name: mine\ndescription: d\nsource: s\nshapes:\n- name: p\n  writes: people\n  fields:\n    {field}\n",
    )
    with pytest.raises(PresetError, match=complaint):
        read_preset(path)


def test_parameters_are_checked() -> None:
    oulad = load_preset("oulad")
    with pytest.raises(PresetError, match="no parameter 'week_zero'"):
        oulad.parameters({"week_zero": "1"})
    with pytest.raises(PresetError, match="is no date"):
        oulad.parameters({"day_zero": "01/10/2013"})


def test_a_parameter_that_is_needed_and_absent_is_named() -> None:
    oulad = load_preset("oulad")
    header = ["id_assessment", "id_student", "date_submitted", "is_banked", "score"]
    shape = shape_of(oulad, header, [Target.PROGRESS], file_name="studentAssessment.csv")
    with pytest.raises(PresetError, match="--param day_zero"):
        RowMapper(oulad, shape, header, oulad.parameters({}))


def test_wrong_columns_name_what_the_nearest_shape_lacks() -> None:
    with pytest.raises(PresetError, match="lacks: external_id or externalId"):
        shape_of(load_preset("generic"), ["surname", "mail"], [Target.PEOPLE], file_name="people.csv")


def test_the_preset_for_real_data_never_reads_what_no_decision_may_depend_on() -> None:
    text = load_preset("oulad").model_dump_json()
    for column in ("gender", "age_band", "disability", "imd_band", "region", "highest_education"):
        assert column not in text


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=8), st.integers(0, 4))
def test_occurrences_are_numbered_alike_in_memory_and_on_disk(batches: list[list[str]], in_memory: int) -> None:
    small, large = Occurrences(in_memory=in_memory), Occurrences()
    assert [small.number(batch) for batch in batches] == [large.number(batch) for batch in batches]
    small.close()
