"""How a similarity is split among what it is a sum of, by loops, and where there is nothing to split."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from honeyguide.models.neighbours import _shares


@pytest.mark.parametrize("centred", [False, True])
def test_parts_are_in_proportion_to_products_and_add_up_to_one(centred: bool) -> None:
    rng = np.random.default_rng(0)
    values, raters = rng.uniform(1, 5, 9), rng.uniform(1, 5, (9, 6))
    raters[rng.random(raters.shape) < 0.4] = 0.0
    found = _shares.split(
        values.astype(np.float32), sp.csr_matrix(raters.astype(np.float32)), centred=centred
    ).toarray()
    for person in range(6):
        both = raters[:, person] > 0
        a, b = values[both], raters[both, person]
        products = (a - a.mean()) * (b - b.mean()) if centred else a * b
        assert not found[~both, person].any()
        if products.sum() > 0:
            np.testing.assert_allclose(found[both, person], products / products.sum(), rtol=1e-4, atol=1e-6)
        else:
            assert not found[:, person].any()


def test_products_that_cancel_are_nobody_s() -> None:
    raters = sp.csr_matrix(np.array([[0.1, 0.1], [0.3, 0.3], [-0.4, 0.0]], np.float32))
    found = _shares.split(np.ones(3, np.float32), raters, centred=False).toarray()
    np.testing.assert_allclose(found, [[0.0, 0.25], [0.0, 0.75], [0.0, 0.0]], atol=1e-6)
