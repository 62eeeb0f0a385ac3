"""The simulated catalogue's tables: every identifier leads somewhere, nothing hidden is written, the same bytes twice."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ritornello.data.sources.simulator import names
from ritornello.data.sources.simulator.catalogue import GENRE_NAMES, LANGUAGES, build_catalogue
from ritornello.data.sources.simulator.catalogue_tables import write_tables
from ritornello.data.sources.simulator.given_catalogue import read_given
from ritornello.data.sources.simulator.graph_tables import NEIGHBOURS, nearest_artists
from ritornello.data.sources.simulator.words import WORDS
from ritornello.data.sources.simulator.world import START_MS, World, make_world

COLUMNS = {
    "tracks": "track_id title artist_id artist_name album_id album_title genre language era track_ms released_at explicit",
    "artists": "artist_id artist_name genre language",
    "albums": "album_id album_title artist_id released_at",
    "playlists": "playlist_id title description made_at",
    "playlist_tracks": "playlist_id track_id position",
    "videos": "video_id track_id title made_at",
    "posts": "post_id track_id artist_id text made_at",
    "triples": "head relation tail weight",
}
KINDS = {
    "performed_by": ("track", "artist"),
    "written_by": ("track", "writer"),
    "on_album": ("track", "album"),
    "in_playlist": ("track", "playlist"),
    "video_of": ("video", "track"),
    "mentions": ("post", None),
    "similar_artist": ("artist", "artist"),
    "has_genre": ("track", "genre"),
    "has_language": ("track", "language"),
    "has_era": ("track", "era"),
    "featured_with": ("track", "artist"),
}
WORLD = World(tracks=6_000)


def read(folder):
    return {name: pl.read_parquet(folder / f"{name}.parquet") for name in COLUMNS}


def assert_sound(tables):
    """Check the integrity of a folder of tables."""
    for name, columns in COLUMNS.items():
        assert tables[name].columns == columns.split()
    tracks = tables["tracks"]
    keys = {"tracks": "track_id", "artists": "artist_id", "albums": "album_id", "playlists": "playlist_id"}
    for table, key in (keys | {"videos": "video_id", "posts": "post_id"}).items():
        assert tables[table][key].is_unique().all()
        assert not tables[table][key].has_nulls()
    for table, key, target in (
        *(("tracks", "artist_id", "artists"), ("tracks", "album_id", "albums"), ("albums", "artist_id", "artists")),
        *(("playlist_tracks", "track_id", "tracks"), ("playlist_tracks", "playlist_id", "playlists")),
        *(("videos", "track_id", "tracks"), ("posts", "track_id", "tracks"), ("posts", "artist_id", "artists")),
    ):
        assert tables[table].drop_nulls(key).join(tables[target], on=key, how="anti").is_empty(), (table, key)
    assert not tracks.select(pl.exclude("title")).null_count().pipe(lambda counts: any(counts.row(0)))
    assert_graph_sound(tables)


def assert_graph_sound(tables):
    triples = tables["triples"]
    assert not triples.select("head", "relation", "tail").is_duplicated().any()
    assert (triples["head"] != triples["tail"]).all()
    assert set(triples["relation"]) <= set(KINDS)
    known = {
        kind: set(tables[f"{kind}s"][f"{kind}_id"].cast(pl.String))
        for kind in ("track", "artist", "album", "playlist", "video", "post")
    }
    known |= {kind: set(tables["tracks"][kind]) for kind in ("genre", "language", "era")}
    for relation, (head, tail) in KINDS.items():
        edges = triples.filter(pl.col("relation") == relation)
        for column, expected in (("head", head), ("tail", tail)):
            for kind, node in edges[column].str.splitn(":", 2).struct.unnest().unique().iter_rows():
                assert expected in {kind, None}, (relation, kind)
                assert kind == "writer" or node in known[kind], (relation, kind, node)


@pytest.fixture(scope="module")
def catalogue():
    return build_catalogue(WORLD)


@pytest.fixture(scope="module")
def folder(catalogue, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tables(catalogue, folder, seed=1, start_ms=START_MS)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    return read(folder)


def test_the_tables_are_sound(tables, catalogue):
    assert_sound(tables)
    tracks = tables["tracks"]
    assert tracks["track_id"].to_list() == list(range(1, len(catalogue) + 1))
    assert tracks.schema["track_id"] == pl.Int64
    assert (tracks["released_at"].to_numpy() == catalogue.released_at_T).all()
    assert set(tables["triples"]["relation"]) == set(KINDS)
    assert 0.01 < tracks["explicit"].mean() < 0.1
    assert tracks["era"].str.contains(r"^\d{3}0s$").all()


def test_names_are_distinct(tables):
    assert tables["artists"]["artist_name"].is_unique().all()
    assert not tables["tracks"].select("artist_id", "title").is_duplicated().any()
    assert not tables["albums"].select("artist_id", "album_title").is_duplicated().any()
    assert tables["playlists"]["title"].is_unique().all()


def test_the_same_world_gives_the_same_bytes(folder, catalogue, tmp_path):
    write_tables(build_catalogue(WORLD), tmp_path, seed=1, start_ms=START_MS)
    for name in COLUMNS:
        assert (tmp_path / f"{name}.parquet").read_bytes() == (folder / f"{name}.parquet").read_bytes(), name
    write_tables(catalogue, tmp_path, seed=2, start_ms=START_MS)
    assert (tmp_path / "tracks.parquet").read_bytes() != (folder / "tracks.parquet").read_bytes()


def test_nothing_hidden_is_written(tables, catalogue):
    """Neither by the name of a column (see `assert_sound`) nor by its numbers."""
    for table in tables.values():
        for column in table.select(pl.selectors.float()).columns:
            values = set(table[column].to_list())
            for hidden in (catalogue.weight_T, catalogue.energy_T, catalogue.fame_A):
                assert len(values & set(hidden.tolist())) <= 1  # the energy of a few is exactly 1
    likeness = tables["triples"].filter(pl.col("relation") == "similar_artist")
    row = likeness.select(pl.col("head", "tail").str.strip_prefix("artist:a").cast(pl.Int32) - 1)
    truth = (catalogue.vector_AD[row["head"].to_numpy()] * catalogue.vector_AD[row["tail"].to_numpy()]).sum(axis=1)
    noise = likeness["weight"].to_numpy() - truth
    assert noise.std() > 0.05


def test_similar_artists_are_alike_and_of_one_family(catalogue):
    near_AN, likeness_AN = nearest_artists(catalogue, np.random.default_rng(1))
    assert near_AN.shape[1] == NEIGHBOURS
    assert (near_AN != np.arange(len(near_AN))[:, None]).all()
    assert (np.diff(likeness_AN, axis=1) <= 0).all()
    near = np.einsum("ad,and->an", catalogue.vector_AD, catalogue.vector_AD[near_AN]).mean()
    shuffled = np.random.default_rng(2).permutation(catalogue.vector_AD)
    assert near > 0.3 + (catalogue.vector_AD * shuffled).sum(axis=1).mean()


def test_playlists_are_of_what_was_out(tables):
    rows = tables["playlist_tracks"].join(tables["playlists"], on="playlist_id").join(tables["tracks"], on="track_id")
    assert (rows["released_at"] <= rows["made_at"]).all()
    lengths = tables["playlist_tracks"].group_by("playlist_id").len()["len"]
    assert lengths.min() >= 20
    assert lengths.max() <= 80
    assert 0.7 * 100 <= len(lengths) <= 1.1 * 100
    assert not tables["playlist_tracks"].select("playlist_id", "track_id").is_duplicated().any()
    for table in ("videos", "posts"):
        dated = tables[table].drop_nulls("track_id").join(tables["tracks"], on="track_id")
        assert (dated["made_at"] >= dated["released_at"]).all()


def test_videos_and_posts_favour_the_popular(tables, catalogue):
    usual = np.median(catalogue.weight_T)
    for table in ("videos", "posts"):
        row = tables[table]["track_id"].drop_nulls().to_numpy() - 1
        assert np.median(catalogue.weight_T[row]) > usual


def test_no_name_belongs_to_two_pools():
    assert len(WORDS) == len(LANGUAGES)
    families = [family for language in range(len(WORDS)) for family in set(names.family_names(language))]
    bands = [band for language in range(len(WORDS)) for band in names.band_pool(language)]
    assert len(families) == len(set(families))
    assert len(bands) == len(set(bands))
    assert not {band.split()[-1] for band in bands} & set(families)
    for language, words in enumerate(WORDS):
        assert len(set(names.given_names(language))) == len(names.given_names(language))
        assert len(set(names.family_names(language))) == len(names.family_names(language))
        titles = names.title_pool(language)
        assert not [title for title in titles if title.endswith(tuple(f" {ending}" for ending in words.endings))]


def test_names_stay_distinct_when_there_are_many():
    rng = np.random.default_rng(3)
    language_A = np.where(np.arange(300_000) % 3 == 0, 5, 0)
    assert names.artist_names(language_A, rng).is_unique().all()
    zeros = np.zeros(20_000, np.int32)
    assert names.track_titles(zeros, zeros, rng).is_unique().all()
    assert names.track_titles(zeros[:0], zeros[:0], rng).is_empty()


def test_a_tiny_catalogue_has_sound_tables(tmp_path):
    write_tables(build_catalogue(World(tracks=10)), tmp_path, seed=1, start_ms=START_MS)
    assert_sound(read(tmp_path))


def given(folder, **columns):
    path = folder / "mine.parquet"
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_a_given_catalogue_comes_back_as_it_was(folder, tables, tmp_path):
    catalogue, named = read_given(folder / "tracks.parquet", WORLD)
    assert_frame_equal(
        named.sort("track_id"), tables["tracks"].select(named.columns).sort("track_id"), check_dtypes=True
    )
    assert (np.diff(catalogue.artist_T) >= 0).all()
    same_T = np.diff(catalogue.artist_T) == 0
    assert (np.diff(catalogue.released_at_T)[same_T] >= 0).all()
    genre_T = [GENRE_NAMES[genre] for genre in catalogue.genre_T]
    assert genre_T == named["genre"].to_list()
    write_tables(catalogue, tmp_path, seed=1, start_ms=START_MS, names=named)
    written = read(tmp_path)
    assert_sound(written)
    assert_frame_equal(written["tracks"].select(named.columns), named)


def test_a_given_table_may_be_csv_and_poor(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("item_id,artist_name,genres\nx2,Ann,shoegaze\nx1,,\nx2,Bob,jazz\n,Bob,jazz\nx3,Ann,\nx4,,\n")
    catalogue, named = read_given(path, WORLD)
    again, named_again = read_given(path, WORLD)
    assert_frame_equal(named, named_again)
    assert (catalogue.vector_TD == again.vector_TD).all()
    assert sorted(named["track_id"]) == ["x1", "x2", "x3", "x4"]
    rows = {row["track_id"]: row for row in named.iter_rows(named=True)}
    assert rows["x2"]["artist_name"] == "Ann"
    assert rows["x3"]["genre"] == "shoegaze"
    assert rows["x1"]["artist_id"] != rows["x4"]["artist_id"]  # tracks of nobody are not one artist's
    assert rows["x1"]["artist_name"] == "Unknown artist"
    assert rows["x1"]["title"] == "x1"
    assert not any(named.null_count().row(0))
    assert (catalogue.track_ms_T > 0).all()
    write_tables(catalogue, tmp_path / "out", seed=1, start_ms=START_MS, names=named)
    assert_sound(read(tmp_path / "out"))


def test_a_given_table_keeps_strange_text_and_moments(tmp_path):
    path = given(
        tmp_path,
        track_id=[7, 9, 8],
        artist_id=["a:b", "a:b", "\u00e9"],
        title=["x", None, "\u96e8"],
        album_id=["one", "one", "one"],
        release_date=["1959", None, "2999-01-01"],
        duration_ms=[-5, 1_000, None],
    )
    catalogue, named = read_given(path, WORLD)
    assert named["track_id"].to_list() == [7, 9, 8]
    assert named["released_at"][0] == named["released_at"][1] < 0 <= catalogue.released_at_T.min()
    assert named["track_ms"][1] == 1_000
    assert (named["track_ms"] > 0).all()
    write_tables(catalogue, tmp_path / "out", seed=1, start_ms=START_MS, names=named)
    written = read(tmp_path / "out")
    assert_sound(written)
    assert written["tracks"]["era"].to_list() == ["1950s", "1950s", "2990s"]


def test_names_must_fit_the_catalogue(catalogue, tables, tmp_path):
    with pytest.raises(ValueError, match=r"names have 5 rows, the catalogue has 6000 tracks"):
        write_tables(catalogue, tmp_path, seed=1, start_ms=START_MS, names=tables["tracks"].head(5))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"title": ["a"], "artist_id": ["b"]}, r"no column for track_id; found title, artist_id; allowed are track_id"),
        ({"track_id": [1], "title": ["a"]}, r"no column for artist; found track_id, title; allowed are artist_id"),
        ({"track_id": pl.Series([], dtype=pl.Int64), "artist_id": pl.Series([], dtype=pl.String)}, r"has no rows"),
        ({"track_id": pl.Series([None], dtype=pl.Int64), "artist_id": ["b"]}, r"none of 1 rows has a track_id"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_a_line(columns, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        read_given(given(tmp_path, **columns), WORLD)
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_is_refused_in_a_line(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_given(tmp_path / "none.parquet", WORLD)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing after")
    with pytest.raises(ValueError, match=r"broken\.parquet") as caught:
        read_given(broken, WORLD)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_hundred_thousand_names_take_a_moment():
    catalogue = build_catalogue(World(tracks=100_000))
    titles = names.track_titles(catalogue.language_T, catalogue.artist_T, np.random.default_rng(1))
    assert not pl.DataFrame({"artist": catalogue.artist_T, "title": titles}).is_duplicated().any()


def test_a_catalogue_that_is_still_to_come_is_refused(tmp_path):
    later = pl.DataFrame({"track_id": [1, 2], "artist_name": ["a", "b"], "released_at": [1_830_000_000_000] * 2})
    later.write_parquet(tmp_path / "later.parquet")
    with pytest.raises(ValueError, match="no track is out on 2025-01-01"):
        read_given(tmp_path / "later.parquet", make_world("default"))
