"""What tests of explanations share: a model whose shares can be counted out."""

from __future__ import annotations

import pytest
from together import Together

from honeyguide.data.dataset import Dataset


@pytest.fixture(scope="session")
def together(ratings: Dataset) -> Together:
    """The model, fitted."""
    return Together().fit(ratings)
