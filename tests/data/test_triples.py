"""Triples and links as they are written, and every fault of them by its rows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from honeyguide.arrays import IntArray
from honeyguide.data.check import check
from honeyguide.data.graph import Graph
from honeyguide.data.read import read
from honeyguide.data.triples import read_graph
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError

FILMS = Vocabulary.of(["alien", "ikiru", "ran"])
NUMBERS = Vocabulary.of([7, 8, 42])


def ids_of(graph: Graph, codes: IntArray) -> list[str]:
    return graph.entities.decode(codes).cast(pl.String).to_list()


def triples(graph: Graph) -> set[tuple[str, str, str]]:
    heads, tails = ids_of(graph, graph.heads), ids_of(graph, graph.tails)
    return set(zip(heads, (graph.relation_names[r] for r in graph.relations), tails, strict=True))


def entities(graph: Graph) -> list[str | None]:
    return [ids_of(graph, graph.links[[at]])[0] if graph.links[at] >= 0 else None for at in range(len(graph.links))]


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "lines",
    [
        ["head,relation,tail", "ran,director,kurosawa", "alien,genre,horror"],
        ["subject;predicate;object", "ran;director;kurosawa", "alien;genre;horror"],
        ["head_id:token\trelation_id:token\ttail_id:token", "ran\tdirector\tkurosawa", "alien\tgenre\thorror"],
        ["tail,head,relation", "kurosawa,ran,director", "horror,alien,genre"],
        ["ran\tdirector\tkurosawa", "alien\tgenre\thorror"],  # no names above
        ["head,relation,tail,source", " ran , director ,kurosawa,x", "alien,genre,horror,y"],
    ],
    ids=["named", "other-names", "recbole", "turned", "bare", "more-columns"],
)
def test_texts_of_any_form(lines: list[str], tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "kg.csv", *lines), items=FILMS)
    assert triples(graph) == {("ran", "director", "kurosawa"), ("alien", "genre", "horror")}
    assert entities(graph) == ["alien", None, "ran"]


def test_one_usual_name_in_the_first_line_is_no_header(tmp_path: Path) -> None:
    graph = read_graph(write(tmp_path / "kg.tsv", "ran\ttype\tfilm", "alien\ttype\tfilm"), items=FILMS)
    assert triples(graph) == {("ran", "type", "film"), ("alien", "type", "film")}


def test_links_name_the_entities_of_items(tmp_path: Path) -> None:
    kg = write(tmp_path / "kg.txt", "0 director 5", "1 director 5", "5 born 6")
    links = write(tmp_path / "links.txt", "42 0", "7 1")
    graph = read_graph(kg, items=NUMBERS, links=links)
    assert graph.entities.kind == "integer"
    assert entities(graph) == ["1", None, "0"]
    named = write(tmp_path / "l.csv", "entity,movieId", "0,42", "1,7")
    assert entities(read_graph(kg, items=NUMBERS, links=named)) == ["1", None, "0"]
    texts = Vocabulary.of(["42", "7", "8"])  # the same ids, kept as texts
    assert entities(read_graph(kg, items=texts, links=links)) == ["0", "1", None]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames(frame: Any) -> None:
    kg = frame({"head": [7, 42, 42], "relation": ["like", "like", "part of"], "tail": [42, 8, 1000]})
    graph = read_graph(kg, items=NUMBERS)
    assert triples(graph) == {("7", "like", "42"), ("42", "like", "8"), ("42", "part of", "1000")}
    assert entities(graph) == ["7", "8", "42"]
    numbered = read_graph(frame({"head": [7], "relation": [3], "tail": [8]}), items=NUMBERS)
    assert numbered.relation_names == ("3",)
    if frame is pl.DataFrame:
        kg = kg.with_columns(pl.col("head").cast(pl.Int32))
        assert read_graph(kg, items=NUMBERS).fingerprint() == graph.fingerprint()  # of one type, whatever its length
        kg = kg.with_columns(pl.Series("tail", [42, 8, 2**63], dtype=pl.UInt64))
        assert entities(read_graph(kg, items=NUMBERS)) == ["7", "8", "42"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("heads", [[7, 42, 42], [7.0, 42.0, 42.0], ["7", "42", "42"]])
def test_items_by_number_and_other_entities_by_name(frame: Any, heads: list[Any]) -> None:
    graph = read_graph(frame({"head": heads, "relation": ["by"] * 3, "tail": ["Ann", "Ann", "Bob"]}), items=NUMBERS)
    assert triples(graph) == {("7", "by", "Ann"), ("42", "by", "Ann"), ("42", "by", "Bob")}
    assert entities(graph) == ["7", None, "42"]


def faulty(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Events, triples and links, with every fault planted."""
    events = write(tmp_path / "events.csv", "user,item", *(f"u{n % 3},{item}" for n, item in enumerate("abcdeabcd")))
    kg = write(
        tmp_path / "kg.csv",
        "head,relation,tail",
        "A,genre,horror",
        "A,,horror",  # 2
        ",genre,horror",  # 3
        "B,genre,horror",
        "A,genre,horror",  # 5 again
        "C,sequel,C",  # 6 to itself
        "B,genre,",  # 7
        "C,genre,drama",
    )
    links = write(
        tmp_path / "links.csv",
        "item,entity",
        "a,A",
        "b,B",
        "c,",  # 3
        "c,C",
        "b,B",
        "a,B",  # 6 a second entity
        "d,nowhere",  # 7
        "zz,C",  # 8
    )
    return events, kg, links


def test_check_finds_every_planted_fault(tmp_path: Path) -> None:
    events, kg, links = faulty(tmp_path)
    report = check(events, graph=kg, links=links)
    found = {f.code: (f.severity, f.rows, f.examples) for f in report.findings if f.code.startswith("graph-")}
    assert found == {
        "graph-missing-part": ("error", 3, (2, 3, 7)),
        "graph-missing-link": ("error", 1, (3,)),
        "graph-second-entity": ("error", 1, (6,)),
        "graph-repeated-triple": ("warning", 1, (5,)),
        "graph-self-loop": ("warning", 1, (6,)),
        "graph-unknown-entity": ("warning", 1, (7,)),
        "graph-unknown-item": ("note", 1, (8,)),
        "graph-unlinked-items": ("note", 0, ()),
    }
    assert not report.ok
    text = report.text()
    assert "[graph-missing-part] 3 rows: of" in text
    assert "2 of 5 items are no entity of the graph" in text
    assert not any(code.startswith("graph") for code in check(events).codes())


def test_read_refuses_or_drops(tmp_path: Path) -> None:
    events, kg, links = faulty(tmp_path)
    with pytest.raises(DataError, match=r"kg.csv has rows that cannot be used: 3 without a head, a relation or a tail"):
        read(events, graph=kg, links=links)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = read(events, graph=kg, links=links, invalid="drop")
    said = [str(w.message) for w in caught if w.category is HoneyguideWarning]
    assert len(said) == 2
    assert "3 without a head" in said[0]
    assert "1 without an item or an entity; 1 that link an item to a second entity" in said[1]
    assert data.graph is not None
    assert triples(data.graph) == {("A", "genre", "horror"), ("B", "genre", "horror"), ("C", "genre", "drama")}
    assert entities(data.graph) == ["A", "B", "C", None, None]


def test_lines_that_cannot_be_read(tmp_path: Path) -> None:
    kg = write(tmp_path / "kg.csv", "head,relation,tail", "ran,director,kurosawa", "a,b,c,d,e", "alien,genre,horror")
    with pytest.raises(DataError, match="1 that cannot be read"):
        read_graph(kg, items=FILMS)
    with pytest.warns(HoneyguideWarning, match="1 that cannot be read"):
        assert len(read_graph(kg, items=FILMS, invalid="drop")) == 2


def test_what_is_no_graph_of_these_items(tmp_path: Path) -> None:
    kg = write(tmp_path / "kg.csv", "head,relation,tail", "x,genre,horror", "y,genre,horror")
    with pytest.raises(
        DataError, match=r"no item of the data is an entity of .*kg.csv: an entity's id is that of an it"
    ):
        read_graph(kg, items=FILMS)
    codes = check(pl.DataFrame({"user": ["u", "v"], "item": ["ran", "alien"]}), graph=kg)
    assert [f.severity for f in codes.findings if f.code == "graph-unlinked-items"] == ["error"]
    with pytest.raises(DataError, match="must have the columns head, relation, tail, got a, b"):
        read_graph(pl.DataFrame({"a": ["x"], "b": ["y"]}), items=FILMS)
    with pytest.raises(DataError, match="no triple that can be used"):
        read_graph(pl.DataFrame({"head": ["x"], "relation": ["y"], "tail": ["x"]}), items=FILMS)
    with pytest.raises(DataError, match="there is no file"):
        read_graph(tmp_path / "nothing.csv", items=FILMS)
    with pytest.raises(ParameterError, match="invalid must be 'refuse' or 'drop'"):
        read_graph(kg, items=FILMS, invalid="keep")  # type: ignore[arg-type]


def test_read_takes_a_graph_in_every_form(tmp_path: Path) -> None:
    events = pl.DataFrame({"user": ["u", "v"], "item": ["ran", "alien"]})
    kg = pl.DataFrame({"head": ["ran"], "relation": ["director"], "tail": ["kurosawa"]})
    data = read(events, graph=kg)
    assert data.graph is not None
    assert read(events, graph=data.graph).graph is data.graph
    films = pl.DataFrame({"item": ["ran", "alien", "up"], "genre": ["war", "horror", "war"]})
    made = read(events, items=films, graph="attributes").graph
    assert made is not None
    assert set(zip(made.names(made.heads), made.names(made.tails), strict=True)) == {("ran", "war"), ("up", "war")}
    for graph in (None, "attributes", data.graph):
        with pytest.raises(ParameterError, match="links= goes with a graph= that is a file or a table of triples"):
            read(events, graph=graph, links=films)
    for graph in (None, "attributes", data.graph):  # what is made already has no rows to be checked
        with pytest.raises(ParameterError, match="links= goes with a graph="):
            check(events, graph=graph, links=films)
        assert not [each for each in check(events, graph=graph).findings if each.code.startswith("graph")]
    listed = pl.DataFrame({"head": [["ran"]], "relation": ["director"], "tail": ["kurosawa"]})
    with pytest.raises(DataError, match="has lists or structs for its head; it must be strings or integers"):
        read(events, graph=listed)
