from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pushpull.importers.reading import Limits, Rows, SourceError, detect_delimiter, detect_encoding, read_csv
from pushpull.importers.refusals import Refusal, Refused
from tests.importers.files import a_file


def cells(rows: Rows) -> list[object]:
    return [found.reason if isinstance(found, Refused) else list(found) for _, found in rows.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_every_usual_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    path = a_file(tmp_path / "people.csv", "id,name\n1,Jürgen Müller\n2,Zoë\n", encoding=encoding)
    rows = read_csv(path)
    assert rows.header == ("id", "name")
    assert cells(rows) == [["1", "Jürgen Müller"], ["2", "Zoë"]]


def test_a_declared_encoding_wins(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "id,name\n1,Łódź\n", encoding="iso8859-2")
    assert cells(read_csv(path, encoding="iso8859-2")) == [["1", "Łódź"]]


def test_an_unknown_encoding_is_a_clear_error(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "id\n1\n")
    with pytest.raises(SourceError, match="not an encoding"):
        read_csv(path, encoding="klingon")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str) -> None:
    path = a_file(tmp_path / "people.csv", f'id{delimiter}"name, first; last"\n1{delimiter}Ann\n')
    assert cells(read_csv(path)) == [["1", "Ann"]]


def test_a_header_of_one_column_is_read_with_commas() -> None:
    assert detect_delimiter("external_id") == ","


def test_a_gzipped_file_is_read_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", gzip.compress(b"id\n1\n2\n"))
    rows = read_csv(path)
    assert rows.total == 2
    assert cells(rows) == [["1"], ["2"]]


def test_half_a_gzipped_file_is_refused_as_a_whole(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(["id", *map(str, range(50_000))]).encode())
    path = a_file(tmp_path / "people.csv.gz", whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="damaged or was cut"):
        read_csv(path)


def test_half_a_row_at_the_end_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "id,name,title\n1,Ann,Cook\n2,Be")
    assert cells(read_csv(path)) == [["1", "Ann", "Cook"], Refusal.WRONG_CELL_COUNT]


def test_a_quote_that_never_ends_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", 'id,name\n1,Ann\n2,"Bea\n3,Cid\n')
    assert cells(read_csv(path)) == [["1", "Ann"], Refusal.UNREADABLE_ROW]


def test_a_nul_byte_refuses_its_row_only(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", b"id,name\n1,A\x00nn\n2,Bea\n")
    assert cells(read_csv(path)) == [Refusal.NUL_BYTE, ["2", "Bea"]]


def test_bytes_that_are_no_text_refuse_their_row_only(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", b"id,name\n1,Z\xffoe\n2,Bea\n")
    assert cells(read_csv(path, encoding="utf-8")) == [Refusal.UNDECODABLE_TEXT, ["2", "Bea"]]


def test_a_cell_beyond_the_cap_refuses_its_row_and_reading_goes_on(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", f"id,name\n1,{'x' * 200_000}\n2,Bea\n")
    assert cells(read_csv(path)) == [Refusal.UNREADABLE_ROW, ["2", "Bea"]]


def test_rows_without_any_value_are_passed_over_but_keep_the_count(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "id,name\n\n1,Ann\n,,\n2,Bea,,\n")
    assert list(read_csv(path).rows) == [(3, ["1", "Ann"]), (5, ["2", "Bea"])]


def test_line_breaks_within_quotes_belong_to_the_cell(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", 'id,name\r\n1,"Ann\r\nBell"\r\n')
    assert cells(read_csv(path)) == [["1", "Ann\r\nBell"]]


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\n\n", b"\xff\xfe"])
def test_an_empty_file_is_a_clear_error(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceError, match="empty"):
        read_csv(a_file(tmp_path / "people.csv", content))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no file"):
        read_csv(tmp_path / "nowhere.csv")


def test_a_header_that_names_a_column_twice_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="twice: email"):
        read_csv(a_file(tmp_path / "people.csv", "id,Email,email\n1,a,b\n"))


def test_too_many_bytes_or_rows_are_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path / "people.csv", "id\n1\n2\n3\n")
    with pytest.raises(SourceError, match="larger than"):
        read_csv(path, limits=Limits(file_bytes=5))
    with pytest.raises(SourceError, match="more than 2 rows"):
        list(read_csv(path, limits=Limits(rows=2)).rows)


def test_plain_ascii_is_utf_8() -> None:
    assert detect_encoding(b"id,name\n1,Ann\n") == "utf-8"
