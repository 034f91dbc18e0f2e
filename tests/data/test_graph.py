"""The graph of knowledge, against sets of triples in raw ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from honeyguide.data.dataset import Dataset
from honeyguide.data.graph import Graph
from honeyguide.data.prepare import compact, under_one_schema
from honeyguide.data.read import read
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, ParameterError
from honeyguide.models.stored import pack, unpack
from honeyguide.split import split

Make = Callable[..., Dataset]
Triple = tuple[str, str, str]
TRIPLES = [
    ("ran", "director", "kurosawa"), ("ikiru", "director", "kurosawa"), ("alien", "director", "scott"),
    ("alien", "genre", "horror"), ("kurosawa", "born in", "tokyo"), ("scott", "knew", "kurosawa"),
]  # fmt: skip
ITEMS = ["alien", "ikiru", "ran", "up"]


def graph_of(triples: list[Triple], items: dict[str, str | None]) -> Graph:
    """A graph of names; `items` maps item ids to entities."""
    entities = Vocabulary.of([name for head, _, tail in triples for name in (head, tail)])
    names = tuple(dict.fromkeys(name for _, name, _ in triples))
    heads, tails = (entities.encode([triple[at] for triple in triples]) for at in (0, 2))
    relations = np.array([names.index(name) for _, name, _ in triples], np.int32)
    links = entities.encode([items[item] or "" for item in sorted(items)])
    return Graph(entities, names, heads, relations, tails, links)


def told(graph: Graph) -> Counter[Triple]:
    """The triples in names."""
    heads, tails = graph.names(graph.heads), graph.names(graph.tails)
    return Counter(zip(heads, (graph.relation_names[r] for r in graph.relations), tails, strict=True))


@pytest.fixture
def films() -> Graph:
    return graph_of(TRIPLES, {"alien": "alien", "ikiru": "ikiru", "ran": "ran", "up": None})


def test_inverses_turn_every_triple_round(films: Graph) -> None:
    assert told(films) == Counter(TRIPLES)
    assert told(films.with_inverses()) == Counter(TRIPLES + [(t, f"~{r}", h) for h, r, t in TRIPLES])
    assert (len(films), films.n_entities, films.n_relations) == (6, 7, 4)
    assert "3 of 4 items" in repr(films)


def test_rewired_keeps_every_degree_and_little_else() -> None:
    rng = np.random.default_rng(3)
    heads, tails = rng.integers(0, 90, 400), rng.integers(0, 90, 400)
    graph = graph_of([(f"h{h}", f"r{(h * t) % 3}", f"t{t}") for h, t in zip(heads, tails, strict=True)], {"h0": "h0"})
    other = graph.rewired(np.random.default_rng(1))
    for side in (0, 2):
        assert degrees(graph, side) == degrees(other, side)
    kept = sum((told(graph) & told(other)).values())
    assert kept < 40  # some are dealt the same tail again
    assert told(other) == told(graph.rewired(np.random.default_rng(1)))
    assert told(other) != told(graph.rewired(np.random.default_rng(2)))


def degrees(graph: Graph, side: int) -> Counter[tuple[str, str]]:
    return Counter((triple[side], triple[1]) for triple in told(graph).elements())


def test_nodes_are_the_items_and_then_the_other_entities(films: Graph) -> None:
    edges = films.over_items()
    assert edges.n_nodes == 4 + 4  # kurosawa, scott, horror and tokyo
    names = [*ITEMS, *films.names(edges.entities[4:])]
    found = {
        (names[h], films.relation_names[r], names[t])
        for h, r, t in zip(edges.heads, edges.relations, edges.tails, strict=True)
    }
    assert found == set(TRIPLES)
    assert edges.entities[3] == -1
    assert 3 not in edges.heads


def test_an_entity_that_two_items_are_has_its_triples_for_each() -> None:
    triples = [
        ("film", "genre", "horror"), ("film", "sequel", "film 2"), ("film 2", "genre", "horror"),
        ("film 2", "prequel", "film"),
    ]  # fmt: skip
    graph = graph_of(triples, {"cd": "film", "dvd": "film", "second": "film 2"})
    edges = graph.over_items()
    names = ["cd", "dvd", "second", "horror"]
    found = Counter((names[h], names[t]) for h, t in zip(edges.heads, edges.tails, strict=True))
    assert found == Counter(
        [("cd", "horror"), ("dvd", "horror"), ("cd", "second"), ("dvd", "second"), ("second", "horror"),
         ("second", "cd"), ("second", "dvd")]
    )  # fmt: skip
    assert [graph.relation_names[r] for r in edges.relations].count("genre") == 3


def test_attributes_make_a_graph() -> None:
    table = pl.DataFrame(
        {
            "item": [1, 2, 3, 4],
            "title": ["One more", "And two", "Three times", "Four of us"],
            "genres": ["Crime|Drama", "Drama", "Crime", None],
            "country": ["JP", "JP", "US", "FR"],
            "year": [1950, 1951, 1980, 1981],
        }
    )
    data = read(pl.DataFrame({"user": [1, 1], "item": [2, 1]}), items=table).with_graph("attributes")
    assert data.graph is not None
    assert told(data.graph) == Counter(
        [("1", "genres", "Crime"), ("1", "genres", "Drama"), ("2", "genres", "Drama"), ("3", "genres", "Crime"),
         ("1", "country", "JP"), ("2", "country", "JP")]
    )  # fmt: skip
    assert data.graph.names(data.graph.links[:3]) == ["1", "2", "3"]
    assert data.graph.links[3] == -1
    bare = read(pl.DataFrame({"user": [1, 1], "item": [2, 1]}))
    with pytest.raises(DataError, match="graph='attributes' needs a column of categories or values"):
        bare.with_graph("attributes")
    nothing = Graph.from_attributes(bare.schema)
    assert (len(nothing), nothing.n_entities, nothing.links.tolist()) == (0, 0, [-1, -1])
    assert nothing.over_items().n_nodes == 2


def test_data_carry_their_graph(make: Make) -> None:
    events = [(user, item, 1.0, at) for at, (user, item) in enumerate(zip("uuvvww", ["ran", "alien"] * 3, strict=True))]
    bare = make([*events, ("x", "ikiru", 1.0, 9), ("x", "up", 1.0, 9)])
    data = bare.with_graph(graph_of(TRIPLES, {"alien": "alien", "ikiru": "ikiru", "ran": "ran", "up": None}))
    assert data.take(np.array([0, 1])).graph is data.graph is data.with_positive(">=1").graph
    assert all(part.graph is data.graph for part in split(data, "random", test=0.3, seed=1))
    assert data.fingerprint != bare.fingerprint == data.with_graph(None).fingerprint
    assert data.graph is not None
    assert data.fingerprint != data.with_graph(data.graph.rewired(5)).fingerprint
    assert "6 triples" in repr(data)
    assert "triples" not in repr(bare)
    with pytest.raises(ParameterError, match="graph must be a Graph of 4 items, 'attributes' or None, got one of 3"):
        bare.with_graph(data.graph.relinked(np.array([0, 1, 2])))
    with pytest.raises(ParameterError, match="got 'genres'"):
        bare.with_graph("genres")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match=r"got a DataFrame; read\(..., graph=\) takes a file or a frame"):
        bare.with_graph(pl.DataFrame({"head": ["ran"]}))  # type: ignore[arg-type]


def test_links_follow_the_items_into_other_schemas(make: Make) -> None:
    data = make([("u", item, 1.0, 1) for item in ITEMS])
    data = data.with_graph(graph_of(TRIPLES, {"alien": "alien", "ikiru": None, "ran": "ran", "up": "scott"}))
    small = compact(data.take(np.flatnonzero(np.isin(data.schema.items.decode(data.items), ["ran", "up"]))))
    assert small.graph is not None
    assert small.graph.names(small.graph.links[:1]) == ["ran"]
    assert small.graph.names(small.graph.links[1:]) == ["scott"]
    joined, _ = under_one_schema(small, make([("u", "aa", 1.0, 1), ("u", "zz", 1.0, 1)]))
    assert joined.graph is not None
    assert joined.schema.items.series().to_list() == ["aa", "ran", "up", "zz"]
    assert (joined.graph.links >= 0).tolist() == [False, True, True, False]


def test_state_goes_into_a_file_and_comes_back(films: Graph) -> None:
    arrays: dict[str, np.ndarray] = {}
    packed = pack(films.state(), "graph", arrays)
    back = Graph.of_state(unpack(packed, "graph", arrays))
    assert told(back) == told(films)
    assert back.fingerprint() == films.fingerprint()
    assert back.links.tolist() == films.links.tolist()


@pytest.mark.parametrize(
    ("entities", "names"),
    [
        (["Kurosawa", "1985", "m.jackson", "Q"], ["Kurosawa", "1985", "m.jackson", "Q"]),
        (["m.03gnv8r", "/m/0abc", "g.11b6", "Q42"], ["", "", "", ""]),
        (["wd:Q42", "http://www.wikidata.org/entity/Q42", "<http://rdf.freebase.com/ns/m.0abc>"], ["", "", ""]),
        ([3, 1985, 7, 9], ["", "", "", ""]),
    ],
)
def test_entities_are_called_by_what_a_person_can_read(entities: list[Any], names: list[str]) -> None:
    vocabulary = Vocabulary.of(entities)
    nothing = np.zeros(0, np.int32)
    graph = Graph(vocabulary, (), nothing, nothing, nothing, nothing)
    assert graph.names(vocabulary.encode(entities)) == names
