"""Which column is the user, the item, the rating or value, and the time: by the caller's word, else by usual names.

A name is compared in lower case and without punctuation, so `user_id`, `userId` and `User ID` are one.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from honeyguide.errors import DataError, ParameterError

# In the order of preference where a table has several of them.
USUAL: dict[str, tuple[str, ...]] = {
    "user": (
        "user", "userid", "uid", "useridx", "customer", "customerid", "client", "clientid", "reviewer", "reviewerid",
        "member", "memberid", "visitor", "visitorid", "account", "accountid", "person", "personid", "listener",
        "reader", "username", "userlogin", "profileid", "buyerid", "patronid", "studentid",
    ),
    "item": (
        "item", "itemid", "iid", "movie", "movieid", "film", "filmid", "product", "productid", "asin", "parentasin",
        "sku", "stockcode", "articleid", "article", "book", "bookid", "isbn", "artist", "artistid", "track",
        "trackid", "song", "songid", "album", "albumid", "game", "gameid", "gmapid", "anime", "animeid", "business",
        "businessid", "recipe", "recipeid", "beer", "beerid", "video", "videoid", "newsid", "courseid", "placeid",
        "venueid", "jokeid", "show", "showid",
    ),
    "rating": (
        "rating", "ratings", "stars", "star", "starrating", "overall", "score", "bookrating", "reviewscore",
        "userrating",
    ),
    "value": (
        "value", "weight", "plays", "playcount", "listens", "listencount", "quantity", "qty", "count", "views",
        "clicks", "purchases", "hours", "hoursplayed", "watchtime", "strength",
    ),
    "time": (
        "timestamp", "time", "ts", "unixreviewtime", "unixtime", "datetime", "eventtime", "date", "invoicedate",
        "orderdate", "purchasedate", "createdat", "ratedat", "reviewdate", "ratingtimestamp", "listenedat",
    ),
}  # fmt: skip
_LAST_RESORT = ("itemname", "productname", "title", "name", "description")  # an item where nothing better names it
BY_POSITION = ("user", "item", "rating", "time")  # the columns of a file without a header
_ROLES = tuple(USUAL)


@dataclass(frozen=True)
class Columns:
    """The column of each role, None where there is none; `given` are the roles that the caller named.

    `context` are further columns: the circumstances of an event.
    """

    user: str
    item: str
    rating: str | None = None
    value: str | None = None
    time: str | None = None
    given: frozenset[str] = frozenset()
    context: tuple[str, ...] = ()

    @property
    def amount(self) -> str | None:
        """The column of ratings or of values."""
        return self.rating if self.rating is not None else self.value

    def used(self) -> list[str]:
        """The columns in use, each once."""
        return list(dict.fromkeys([*(column for _, column in self.roles()), *self.context]))

    def roles(self) -> list[tuple[str, str]]:
        """(role, column) of each role that has one."""
        return [(role, column) for role in _ROLES if (column := getattr(self, role)) is not None]

    def text(self) -> str:
        """What was recognised, as the command line prints it."""
        named = [f"{role} = {column}" + (" (given)" if role in self.given else "") for role, column in self.roles()]
        return ", ".join([*named, *(f"context = {column}" for column in self.context)])


def recognise(
    columns: Sequence[str],
    given: Mapping[str, str | None] | None = None,
    *,
    context: Sequence[str] = (),
    source: str = "the table",
) -> Columns:
    """The columns by role. `given` maps roles (user, item, rating, value, time) to columns; the rest go by usual names.

    DataError for a column that is not there, and where no user or item column is found.
    """
    named = {role: column for role, column in (given or {}).items() if column is not None}
    if "rating" in named and "value" in named:
        raise ParameterError(
            f"give rating= or value=, not both (rating={named['rating']!r}, value={named['value']!r}): "
            "a rating is an opinion on a scale, a value counts plays or purchases."
        )
    for role, column in named.items():
        if column not in columns:
            raise DataError(
                f"{source} has no column {column!r} ({role}=); {_listed(columns)}{_nearest(column, columns)}"
            )
    for column in context:
        if column not in columns or column in named.values():
            why = "is another role's" if column in columns else f"is none of {source}"
            raise DataError(f"context= must name further columns, {column!r} {why}; {_listed(columns)}")
    found = dict(named)
    for role in _ROLES:
        if role in found or (role in ("rating", "value") and ("rating" in found or "value" in found)):
            continue
        free = [column for column in columns if column not in found.values() and column not in context]
        likely = usual(role, free) or (_first(_LAST_RESORT, free) if role == "item" else None)
        if likely is not None:
            found[role] = likely
    for role in ("user", "item"):
        if role not in found:
            raise DataError(
                f"{source} has no column that looks like the {role}; {_listed(columns)}; name it with {role}="
                " (or, where the first line of a file is data, say header=False)"
            )
    return Columns(**found, given=frozenset(named), context=tuple(context))


def usual(role: str, columns: Sequence[str]) -> str | None:
    """The column whose name is usual for a role, or None."""
    return _first(USUAL[role], columns)


def is_usual(name: str) -> bool:
    """Whether a name is usual for any role."""
    return any(plain_name(name) in names for names in USUAL.values())


def plain_name(name: str) -> str:
    """A column's name in lower case, without punctuation."""
    return "".join(c for c in name.lower() if c.isalnum())


def _first(names: Sequence[str], columns: Sequence[str]) -> str | None:
    plain = {plain_name(column): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), None)


def _listed(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(c) for c in columns[:20])
    return f"its columns are {shown}" + (f" and {len(columns) - 20} more" if len(columns) > 20 else "")


def _nearest(column: str, columns: Sequence[str]) -> str:
    plain = {plain_name(c): c for c in columns}
    near = difflib.get_close_matches(plain_name(column), plain, n=1, cutoff=0.5)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""
