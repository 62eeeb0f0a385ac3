"""Identifiers and rows: looked up one by one or together, whatever their alphabet."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ritornello.serve.snapshot import IdRows, TrackNames

ids = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), max_size=20, unique=True)


@given(known=ids, asked=ids)
def test_rows_are_places_in_the_table(known, asked):
    rows = IdRows(pl.Series(known, dtype=pl.String))
    expected = [known.index(one) + 1 if one in known else 0 for one in [*known, *asked]]
    assert rows.rows([*known, *asked]).tolist() == expected
    assert [rows.row(one) for one in [*known, *asked]] == expected


def test_whole_numbers_are_asked_for_as_text():
    rows = IdRows(pl.Series([30, 4, 100]))
    assert rows.rows(["100", "30", "4", "04", "x"]).tolist() == [3, 1, 2, 0, 0]


def test_a_track_is_named_by_artist_and_title_or_by_its_id():
    table = pl.DataFrame({"title": ["Song", None, "Air"], "artist_name": ["Singer", "Singer", None]})
    names = TrackNames(pl.Series([7, 8, 9]), table)
    assert [names[row] for row in names] == ["Singer - Song", "8", "? - Air"]
    assert names.get(0) is None
    assert names.get(4) is None
