"""Known data sets: the packaged one whole, the others where HONEYGUIDE_DATA has them, and what an absent one says."""

from __future__ import annotations

import gzip
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

from honeyguide.data import sources
from honeyguide.data.dataset import Dataset
from honeyguide.data.graph import Graph
from honeyguide.data.sources import _files, load, movielens_100k, movielens_100k_kg, movielens_small
from honeyguide.data.triples import read_graph
from honeyguide.errors import DataError, LicenceNotice, ParameterError


@pytest.fixture(autouse=True)
def _quiet() -> None:
    warnings.simplefilter("ignore", LicenceNotice)


def test_the_packaged_files_are_the_published_ones() -> None:
    for name, digest in [
        ("ratings.csv.gz", "b4239649fbf90ebf405c56c3ae1d929d9e7c86fc1a3a80cbef1c884df593ef73"),
        ("movies.csv.gz", "cd70037017534ad5ef111eb6b54b407096ceae835b7571d900d6754e22806b46"),
    ]:
        packed = (movielens_small.FOLDER / name).read_bytes()
        assert hashlib.sha256(gzip.decompress(packed)).hexdigest() == digest
        assert packed[4:8] == b"\0\0\0\0"  # no time of packing: the same bytes whoever packs them
    licence = (movielens_small.FOLDER / "LICENSE.txt").read_text(encoding="utf-8")
    assert "NOT be used for commercial" in licence
    assert "https://doi.org/10.1145/2827872" in licence


def test_movielens_small() -> None:
    data = load("MovieLens_small", positive=">=4")
    assert (len(data), data.n_users, data.n_items) == (100_004, 671, 9_066)
    assert data.schema.scale == (0.5, 5.0)
    assert data.schema.item_table.columns == ["title", "year", "genres"]
    assert data.schema.positive.rule == ">=4"
    assert data.schema.titles(data.schema.items.encode([318, 1])) == ["Shawshank Redemption, The", "Toy Story"]


def test_the_licence_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_files, "_told", set())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load("movielens-small")
        load("movielens-small")
    assert [str(w.message) for w in caught if w.category is LicenceNotice] == [
        "The MovieLens ratings in the package are for non-commercial use: movielens_small/LICENSE.txt"
    ]


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(DataError) as caught:
        load("nope")
    assert str(caught.value) == (
        "there is no data set 'nope'; known are amazon-beauty, amazon-musical-instruments, lastfm, lastfm-kg, "
        "lastfm-sequences, movielens-100k, movielens-100k-kg, movielens-1m, movielens-1m-kg, movielens-1m-positives, "
        "movielens-latest-small, movielens-small, online-retail; other files are for read()"
    )


def test_an_absent_set_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HONEYGUIDE_DATA", raising=False)
    for folder, where in [
        (None, "and neither folder= nor HONEYGUIDE_DATA names a folder"),
        (tmp_path, f"not in {tmp_path}"),
    ]:
        with pytest.raises(DataError) as caught:
            load("movielens-100k", folder=folder)
        assert str(caught.value) == (
            f"movielens-100k needs u.data, u.item, u.user, {where}; get the set from "
            "https://grouplens.org/datasets/movielens/100k/, put it in a folder ml-100k, and set HONEYGUIDE_DATA "
            "(or folder=) to the folder around it"
        )


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    for name in ("u.data", "u.item", "u.user"):
        (tmp_path / name).write_text("1\t2\t3\t4\n")
    with pytest.raises(
        DataError,
        match=r"u\.data is not the file that movielens-100k is known by: its SHA-256 "
        "must be 06416e",
    ):
        load("movielens-100k", folder=tmp_path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("amazon-beauty", (198_502, 22_363, 12_101)),
        ("amazon-musical-instruments", (10_261, 1_429, 900)),
        ("lastfm", (92_834, 1_892, 17_632)),
        ("lastfm-sequences", (52_551, 1_090, 3_646)),
        ("movielens-100k", (100_000, 943, 1_682)),
        ("movielens-1m", (1_000_209, 6_040, 3_883)),
        ("movielens-1m-positives", (575_281, 6_038, 3_883)),
        ("movielens-latest-small", (100_836, 610, 9_742)),
        ("online-retail", (397_924, 4_339, 3_877)),
    ],
)
def test_counts_of_the_other_sets(name: str, shape: tuple[int, int, int], real_data: Path) -> None:
    data = load(name, folder=real_data)
    assert (len(data), data.n_users, data.n_items) == shape
    assert (data.values > 0).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "shape", "graph"),
    [
        ("lastfm-kg", (21_173, 1_872, 3_846), (15_518 - 49, 9_366, 60, 3_846)),  # 49 from an artist to itself
        ("movielens-100k-kg", (100_000, 943, 1_682), (91_631, 34_628, 24, 1_495)),
        ("movielens-1m-kg", (575_281, 6_038, 3_883), (20_782, 7_008, 7, 2_347)),
    ],
)
def test_counts_of_sets_with_a_graph(
    name: str, shape: tuple[int, int, int], graph: tuple[int, int, int, int], real_data: Path
) -> None:
    data = load(name, folder=real_data)
    assert (data.schema.name, len(data), data.n_users, data.n_items) == (name, *shape)
    assert data.graph is not None
    linked = int((data.graph.links >= 0).sum())
    assert (len(data.graph), data.graph.n_entities, data.graph.n_relations, linked) == graph


@pytest.mark.data
def test_films_have_the_directors_they_have(real_data: Path) -> None:
    data = load("movielens-1m-kg", folder=real_data)
    graph, items = data.graph, data.schema.items
    assert graph is not None
    directs = graph.relations == graph.relation_names.index("film.film.director")
    toy_story = graph.links[items.encode([1])[0]]
    lasseter = graph.tails[directs & (graph.heads == toy_story)]
    his = graph.heads[directs & np.isin(graph.tails, lasseter)]
    assert items.decode(np.flatnonzero(np.isin(graph.links, his))).to_list() == [1, 2355, 3114]  # two Toy Stories, Bugs


@pytest.mark.data
def test_links_of_movielens_100k_are_by_the_ids_of_another_set(real_data: Path) -> None:
    right = load("movielens-100k-kg", folder=real_data)
    graph = right.graph
    assert graph is not None
    as_they_are = read_graph(
        *movielens_100k_kg.FILES.find("ml-100k.kg", folder=real_data), items=right.schema.items,
        links=movielens_100k_kg.FILES.find("ml-100k.link", folder=real_data)[0],
    )  # fmt: skip
    assert alike(right, graph) > 0.45  # Jurassic Park and The Lost World have none
    assert alike(right, as_they_are) < 0.1


def alike(data: Dataset, graph: Graph) -> float:
    """The share of films and their sequels whose titles have a word of five letters or more in common."""
    sequels = graph.relations == graph.relation_names.index("film.film.sequel")
    film = {entity: item for item, entity in enumerate(graph.links.tolist()) if entity >= 0}
    pairs = [
        (film[h], film[t])
        for h, t in zip(graph.heads[sequels], graph.tails[sequels], strict=True)
        if h in film and t in film
    ]
    words = [
        {w for w in title.lower().split(" (")[0].split() if len(w) > 4} for title in data.schema.item_table["title"]
    ]
    return float(np.mean([bool(words[one] & words[other]) for one, other in pairs]))


@pytest.mark.data
def test_titles_of_sets_in_latin_1(real_data: Path) -> None:
    small, million = load("movielens-100k", folder=real_data), load("movielens-1m", folder=real_data)
    assert small.schema.titles(small.schema.items.encode([1, 50])) == ["Toy Story (1995)", "Star Wars (1977)"]
    assert million.schema.titles(million.schema.items.encode([73])) == ["Misérables, Les (1995)"]
    lastfm = load("lastfm", folder=real_data)
    duran = lastfm.schema.items.encode([51])
    assert lastfm.schema.titles(duran) == ["Duran Duran"]
    friends = lastfm.schema.user_table["friends"].gather(lastfm.schema.users.encode([2, 275])).to_list()
    assert len(friends[0]) == 13
    assert 275 in friends[0]
    assert 2 in friends[1]  # of either side
    tags = lastfm.schema.item_table["tags"].gather(duran).to_list()[0]
    assert tags[:2] == ["80s", "new wave"]
    assert len(tags) == len(set(tags))


@pytest.mark.data
def test_people_of_movielens(real_data: Path) -> None:
    small, million = load("movielens-100k", folder=real_data), load("movielens-1m", folder=real_data)
    assert small.schema.user_table.row(0, named=True) == {
        "age": 24, "gender": "M", "occupation": "technician", "zip": "85711"
    }  # fmt: skip
    assert million.schema.user_table.row(0, named=True) == {
        "gender": "F", "age": "under 18", "occupation": "K-12 student", "zip": "48067"
    }  # fmt: skip


@pytest.mark.data
def test_folds_of_movielens_100k(real_data: Path) -> None:
    whole = load("movielens-100k", folder=real_data)
    held_out = []
    for number in range(1, 6):
        train, test = movielens_100k.fold(number, folder=real_data)
        assert train.schema is test.schema
        assert (len(train), len(test)) == (80_000, 20_000)
        assert (train.n_users, train.n_items) == (943, 1_682)
        held_out.append(test.users.astype(np.int64) * 1_682 + test.items)
    everything = np.sort(whole.users.astype(np.int64) * 1_682 + whole.items)
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), everything)  # the five tests are the set, once
    _, ten_each = movielens_100k.fold("ua", folder=real_data)
    assert set(np.bincount(ten_each.users)) == {10}
    with pytest.raises(ParameterError, match="a fold is 1 … 5 or one of u1, u2, u3, u4, u5, ua, ub, got 6"):
        movielens_100k.fold(6, folder=real_data)


def test_every_set_has_a_module_of_its_name() -> None:
    assert "movielens-small" in sources.names()
    assert all("_" not in name for name in sources.names())
