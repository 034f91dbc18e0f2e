"""Columns by their usual names, by the caller's word, and what an error says."""

from __future__ import annotations

import pytest

from honeyguide.data.columns import recognise
from honeyguide.errors import DataError, ParameterError


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        (["userId", "movieId", "rating", "timestamp"], "user = userId, item = movieId, rating = rating, time = "
         "timestamp"),
        (["user_id", "item_id"], "user = user_id, item = item_id"),
        (["reviewerID", "asin", "overall", "unixReviewTime", "reviewText"],
         "user = reviewerID, item = asin, rating = overall, time = unixReviewTime"),
        (["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"],
         "user = CustomerID, item = StockCode, value = Quantity, time = InvoiceDate"),
        (["userID", "artistID", "weight"], "user = userID, item = artistID, value = weight"),
        (["User-ID", "ISBN", "Book-Rating"], "user = User-ID, item = ISBN, rating = Book-Rating"),
        (["customer", "product", "stars", "plays"], "user = customer, item = product, rating = stars"),
        (["user", "title"], "user = user, item = title"),
    ],
)  # fmt: skip
def test_usual_names_are_recognised(columns: list[str], wanted: str) -> None:
    assert recognise(columns).text() == wanted


def test_what_is_given_wins_and_is_said() -> None:
    columns = recognise(["userId", "movieId", "rating", "liked"], {"value": "liked", "time": None})
    assert columns.text() == "user = userId, item = movieId, value = liked (given)"
    assert columns.amount == "liked"
    assert columns.used() == ["userId", "movieId", "liked"]


def test_a_given_column_is_not_taken_twice() -> None:
    assert recognise(["user", "item", "movie"], {"user": "item"}).item == "movie"


@pytest.mark.parametrize(
    ("columns", "given", "message"),
    [
        (["userId", "movieId"], {"rating": "rating"}, "f.csv has no column 'rating' (rating=); its columns are "
         "'userId', 'movieId'"),
        (["userId", "movieId"], {"user": "usrId"},
         "f.csv has no column 'usrId' (user=); its columns are 'userId', 'movieId'; did you mean 'userId'?"),
        (["a", "movieId"], {}, "f.csv has no column that looks like the user; its columns are 'a', 'movieId'; "
         "name it with user= "
         "(or, where the first line of a file is data, say header=False)"),
    ],
)  # fmt: skip
def test_a_wrong_column_is_one_line(columns: list[str], given: dict[str, str], message: str) -> None:
    with pytest.raises(DataError) as caught:
        recognise(columns, given, source="f.csv")
    assert str(caught.value) == message


def test_a_rating_is_no_value() -> None:
    with pytest.raises(ParameterError, match="give rating= or value=, not both"):
        recognise(["user", "item", "a", "b"], {"rating": "a", "value": "b"})
