"""Triples and links from files and frames → Graph; and what is wrong with them, for `check`.

Left out, since no model learns from them: repeats, triples from an entity to itself, and links to or from what is not
there. Refused unless invalid="drop": rows without one of their parts, and an item linked to a second entity.
O(T log T) time, memory some 60 bytes a triple.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from honeyguide.arrays import BoolArray, IntArray
from honeyguide.data.columns import USUAL, plain_name
from honeyguide.data.faults import Fault, Faults, where
from honeyguide.data.gather import Encoder, Ids
from honeyguide.data.graph import Graph
from honeyguide.data.report import Finding, Severity
from honeyguide.data.tables import open_table, whole
from honeyguide.data.vocabulary import Vocabulary
from honeyguide.errors import DataError, HoneyguideWarning, ParameterError

_USUAL = {
    "head": ("head", "headid", "subject", "source", "from", "entity", "entityid"),
    "relation": ("relation", "relationid", "predicate", "property", "edge", "label", "type"),
    "tail": ("tail", "tailid", "object", "target", "to", "value"),
    "item": USUAL["item"],
    "entity": ("entity", "entityid", "node", "nodeid", "wikidata", "wikidataid", "freebase", "freebaseid"),
}
_MEND = "mend the rows at their source, or leave them out with invalid='drop'"
_SHORT = {pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32}  # integers that Int64 holds
_SAID: dict[str, tuple[Severity, str, str]] = {  # severity, what rows are, what to do; in the order of the report
    "unreadable": ("error", "that cannot be read", _MEND),
    "encoding": ("error", "with bytes of another encoding", "write the file as UTF-8"),
    "missing-part": ("error", "without a head, a relation or a tail", _MEND),
    "missing-link": ("error", "without an item or an entity", _MEND),
    "second-entity": ("error", "that link an item to a second entity", "keep one each; invalid='drop' keeps the first"),
    "repeated-triple": ("warning", "that repeat an earlier triple", "nothing: each counts once"),
    "self-loop": ("warning", "from an entity to itself", "nothing, if they are meant so: they are left out"),
    "unknown-entity": ("warning", "that link to an entity of no triple", "see whether both files write entities alike"),
    "unknown-item": ("note", "that link an item which is not in the data", "nothing, if the graph is of more items"),
}


@dataclass(frozen=True, eq=False)
class Triples:
    """A graph as read, and the faults of its two sources: `links` None where entities are named as items are."""

    graph: Graph
    triples: Faults
    links: Faults | None


def is_source(graph: Any, links: Any) -> bool:
    """Whether a graph is given as triples to be read, and not made already, of "attributes", or not at all.

    ParameterError for links without such triples.
    """
    made = graph is None or isinstance(graph, Graph) or (isinstance(graph, str) and graph == "attributes")
    if made and links is not None:
        raise ParameterError("links= goes with a graph= that is a file or a table of triples.")
    return not made


def read_graph(
    source: Any, *, items: Vocabulary, links: Any = None, invalid: Literal["refuse", "drop"] = "refuse"
) -> Graph:
    """The graph of a file or data frame of triples, for items of a vocabulary.

    source
        Head, relation and tail, in columns of usual names (head_id, subject, predicate, …) or else the first three. The
        first line of a text file is one of names where at most one of these is unusual, else a triple.
    links
        Another one of items and the entities that they are. Without, an entity named as an item is that item.
    invalid
        "refuse" a source with a row that cannot be used (DataError), or "drop" such rows with a warning.

    DataError where no item at all is an entity.
    """
    if invalid not in ("refuse", "drop"):
        raise ParameterError(f"invalid must be 'refuse' or 'drop', got {invalid!r}.")
    found = gather_graph(source, items=items, links=links)
    for faults in (found.triples, found.links):
        if faults is not None:
            _refuse_or_warn(faults, invalid)
    if not (found.graph.links >= 0).any():
        by = "an entity's id is that of an item" if links is None else "a link joins an item and an entity"
        raise DataError(
            f"no item of the data is an entity of {found.triples.source}: {by}; name the entities of items with links="
        )
    return found.graph


def gather_graph(source: Any, *, items: Vocabulary, links: Any = None) -> Triples:
    """The graph of a source whatever its state, without the rows at fault, which are noted."""
    faults, frame, typed = _opened(source, ("head", "relation", "tail"))
    heads, tails = frame["head"], frame["tail"]
    if heads.dtype != tails.dtype:
        if {heads.dtype, tails.dtype} <= _SHORT:
            heads, tails = heads.cast(pl.Int64), tails.cast(pl.Int64)
        else:  # items by number, say, and others by name
            heads, tails = _texts(heads), _texts(tails)
    ends, ids = _encoded("entity", pl.concat([heads, tails.alias("head")]), typed, faults.source)
    relations, names = _encoded("relation", frame["relation"], typed, faults.source)
    rows = pl.DataFrame({"head": ends[: len(frame)], "relation": relations, "tail": ends[len(frame) :]})
    missing = (rows < 0).select(any=pl.any_horizontal(pl.all()), all=pl.all_horizontal(pl.all()))
    told, empty = ~missing["any"].to_numpy(), missing["all"].to_numpy()
    again = told & ~rows.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    loop = told & ~again & (rows["head"] == rows["tail"]).to_numpy()
    for kind, mask in (("missing-part", ~told & ~empty), ("repeated-triple", again), ("self-loop", loop)):
        faults.add(kind, where(mask, 0))
    kept = told & ~again & ~loop
    if not kept.any():
        raise DataError(f"{faults.source} has no triple that can be used; it must hold head, relation, tail a row")
    graph = _graph(rows.filter(pl.Series(told)), kept[told], ids, names)
    if links is None:
        return Triples(replace(graph, links=_codes(graph.entities, items.series())), faults, None)
    linked, link_faults = _links(links, items, graph.entities)
    return Triples(replace(graph, links=linked), faults, link_faults)


def graph_findings(found: Triples, n_items: int) -> Iterator[Finding]:
    """What `check` reports of a graph, of the two sources by name."""
    for faults in (found.triples, found.links):
        if faults is None:
            continue
        for kind in _SAID:
            if kind in faults.kinds:
                severity, what, remedy = _SAID[kind]
                fault = faults.kinds[kind]
                what += f" ({fault.example})" if fault.example else ""
                yield Finding(
                    f"graph-{kind}", severity, fault.count, tuple(fault.rows), f"of {faults.source} {what}", remedy
                )
    linked = int((found.graph.links >= 0).sum())
    if linked < n_items:
        none = "" if linked else "; read refuses a graph without any"
        alone = "models know these by their events alone; " if linked else ""
        yield Finding(
            "graph-unlinked-items", "note" if linked else "error", 0, (),
            f"{n_items - linked:,} of {n_items:,} items are no entity of the graph{none}",
            f"{alone}link {'more ' if linked else ''}items with links= where the graph has them",
        )  # fmt: skip


def _opened(source: Any, roles: Sequence[str]) -> tuple[Faults, pl.DataFrame, bool]:
    """The faults of a source, its columns by role, and whether they come with types."""
    table = open_table(source)
    columns = _columns(table.columns, roles)
    if columns is None and not table.typed:  # what was taken for names is a row
        table = open_table(source, header=False)
    if len(table.columns) < len(roles):
        raise DataError(f"{table.name} must have the columns {', '.join(roles)}, got {', '.join(table.columns)}")
    faults = Faults(table.name, is_file=table.is_file, lenient=True)
    frame = whole(table, faults)
    by_role = zip(roles, columns or table.columns, strict=False)
    told = frame.select(pl.col(name).alias(role) for role, name in by_role)
    for column in told:
        if column.dtype.is_nested():
            raise DataError(f"{table.name} has lists or structs for its {column.name}; it must be strings or integers")
    return faults, told, table.typed


def _columns(names: Sequence[str], roles: Sequence[str]) -> list[str] | None:
    """The column of each role: those of usual names, else by place; None where two or more roles have no usual name."""
    plain = {plain_name(name.partition(":")[0]): name for name in reversed(names)}  # head_id:token is head_id
    found = {role: next((plain[name] for name in _USUAL[role] if name in plain), None) for role in roles}
    if list(found.values()).count(None) > 1:
        return None
    if all(found.values()) and len(set(found.values())) == len(roles):
        return [str(found[role]) for role in roles]
    return list(names[: len(roles)])


def _texts(ids: pl.Series) -> pl.Series:
    """Ids as strings; a float that holds an integer, as a column of integers with gaps does, is written as one."""
    whole = ids.cast(pl.Int64, strict=False) if ids.dtype.is_float() else ids
    return (whole if (whole == ids).all() else ids).cast(pl.String)


def _encoded(what: str, ids: pl.Series, typed: bool, source: str) -> tuple[IntArray, Ids]:
    """Provisional codes (n,) of ids, -1 of those missing, and the ids. DataError where integers and strings mix."""
    encoder = Encoder(what, Faults(source), typed=typed)
    codes = encoder.encode(ids, np.zeros(len(ids), dtype=bool), 0).copy()
    return codes, encoder.ids(codes)


def _graph(triples: pl.DataFrame, kept: BoolArray, ids: Ids, names: Ids) -> Graph:
    """The graph, without links, of the triples kept, in provisional codes, and the entities and relations of all."""
    heads, relations, tails = (triples[role].to_numpy() for role in ("head", "relation", "tail"))
    entities, ends = _settled(ids, np.concatenate([heads, tails]))
    known, relations = _settled(Ids("string", names.values), relations)
    parts = ends[: len(heads)][kept], relations[kept], ends[len(heads) :][kept]
    return Graph(entities, tuple(known.series()), *parts, np.zeros(0, np.int32))


def _settled(ids: Ids, codes: IntArray) -> tuple[Vocabulary, IntArray]:
    """The vocabulary of the ids that provisional codes hold, and these as its codes."""
    held, place = np.unique(codes, return_inverse=True)
    series = ids.settled(ids.kind == "integer" or (ids.kind == "text" and ids.canonical)).gather(held)
    vocabulary = Vocabulary.of(series)
    return vocabulary, vocabulary.encode(series)[place]


def _links(source: Any, items: Vocabulary, entities: Vocabulary) -> tuple[IntArray, Faults]:
    """(I,) the entity of each item, and the faults of the links."""
    faults, frame, typed = _opened(source, ("item", "entity"))
    item, entity = (_known(frame[role], role, typed, faults.source, held) for role, held in
                    (("item", items), ("entity", entities)))  # fmt: skip
    told = (item > -2) & (entity > -2)
    faults.add("missing-link", where(~told & ((item > -2) | (entity > -2)), 0))
    faults.add("unknown-item", where(told & (item < 0), 0))
    faults.add("unknown-entity", where(told & (item >= 0) & (entity < 0), 0))
    rows = np.flatnonzero(told & (item >= 0) & (entity >= 0))
    first = rows[np.unique(item[rows], return_index=True)[1]]
    links = np.full(len(items), -1, np.int32)
    links[item[first]] = entity[first]
    faults.add("second-entity", rows[links[item[rows]] != entity[rows]] + 1)
    return links, faults


def _known(ids: pl.Series, what: str, typed: bool, source: str, held: Vocabulary) -> IntArray:
    """Codes (n,) of ids as written in a source; -1 for one that is not held, -2 for none at all."""
    codes, found = _encoded(what, ids, typed, source)
    place = np.append(_codes(held, found.values), np.int32(-2))
    return place[codes]


def _codes(held: Vocabulary, ids: pl.Series) -> IntArray:
    """Codes (n,) of ids that may be written as text where the vocabulary's are integers, or the other way round."""
    texts = ids.cast(pl.String)
    if held.kind == "string":
        return held.encode(texts)
    numbers = texts.cast(pl.Int64, strict=False)
    same = (numbers.cast(pl.String) == texts).fill_null(False).to_numpy()
    return np.where(same, held.encode(numbers.fill_null(0)), -1).astype(np.int32)


def _refuse_or_warn(faults: Faults, invalid: str) -> None:
    """Raise for, or warn of, the rows that are errors."""
    wrong: dict[str, Fault] = {k: f for k, f in faults.kinds.items() if _SAID[k][0] == "error"}
    if not wrong:
        return
    said = "; ".join(f"{fault.count:,} {_SAID[kind][1]}" for kind, fault in wrong.items())
    if invalid == "drop":
        warnings.warn(f"rows of {faults.source} were left out: {said}", HoneyguideWarning, stacklevel=4)
        return
    first = min(fault.rows[0] for fault in wrong.values())
    raise DataError(f"{faults.source} has rows that cannot be used: {said} (first: row {first}); "
                    "hg.check with graph= shows all, invalid='drop' leaves them out")  # fmt: skip
