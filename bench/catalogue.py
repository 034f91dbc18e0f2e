"""The named comparisons. Settings are in each library's own words; words that mean one thing have equal values."""

from __future__ import annotations

from bench.compare import Comparison, Side

_OURS, _SURPRISE = "bench.ours", "bench.rivals.surprise"
_ONE_THREAD = "Surprise has one thread, ours has those of the protocol; Surprise predicts a pair at a time."

COMPARISONS = {
    "popular": Comparison(
        about="a smoke test of the harness: lists of the most popular items",
        task="lists",
        sides=(Side("popular", _OURS, {"model": "popular"}),),
        rounds=2,
    ),
    "ease-vs-inverse": Comparison(
        about="the fit of ease against the bare inverse of an items-by-items matrix, which its formula asks for",
        task="lists",
        sides=(
            Side("ease", _OURS, {"model": "ease", "reg": 500.0}),
            Side("inverse-float64", "bench.rivals.inverse", {"dtype": "float64", "reg": 500.0}, refit=False),
            Side("inverse-float32", "bench.rivals.inverse", {"dtype": "float32", "reg": 500.0}, refit=False),
        ),
        rounds=2,
        note="The rival's fit is numpy.linalg.inv alone: neither the Gram matrix nor the weights are on its clock; "
        "ours has everything on it. Its lists are a plain partial sort of all scores at once.",
    ),
    "ease-vs-implicit": Comparison(
        about="lists of ease against implicit's ALS and cosine neighbours: quality, and what it costs",
        task="lists",
        sides=(
            Side("ease", _OURS, {"model": "ease", "reg": 500.0}),
            Side(
                "implicit-als",
                "bench.rivals.implicit",
                {"model": "als", "factors": 64, "regularization": 0.05, "alpha": 1.0, "iterations": 15},
            ),
            Side("implicit-cosine", "bench.rivals.implicit", {"model": "cosine", "K": 100}),
        ),
        note="Different models, none of them tuned here.",
    ),
    "item-knn-vs-implicit": Comparison(
        about="the fit of item-item neighbours by cosine against implicit's, and the lists of both",
        task="lists",
        sides=(
            Side(
                "item-knn",
                _OURS,
                {"model": "item_knn", "weighting": "cosine", "neighbours": 100, "shrink": 0.0},
            ),
            Side("implicit-cosine", "bench.rivals.implicit", {"model": "cosine", "K": 101}),
            Side("implicit-tfidf", "bench.rivals.implicit", {"model": "tfidf", "K": 101}),
        ),
        note="The same similarities; implicit counts an item among its own K. Ours keeps the items that an item is "
        "scored by, implicit those that an item adds to, which is what the difference in quality comes from.",
    ),
    "slim-vs-irspack": Comparison(
        about="the fit of sparse linear weights against irspack's SLIM: the same objective, equal penalties",
        task="lists",
        sides=(
            Side("slim", _OURS, {"model": "slim", "l1": 1.0, "l2": 200.0}),
            Side("irspack-slim", "bench.rivals.irspack", {"model": "slim", "l1": 1.0, "l2": 200.0}, refit=False),
        ),
        note="Both end by a tolerance of their own, at objectives that differ by less than a part in ten thousand.",
    ),
    "bias-vs-surprise": Comparison(
        about="the baseline of ratings, mean + person + item, against Surprise's BaselineOnly (ALS, 10 epochs)",
        task="ratings",
        sides=(
            Side("bias", _OURS, {"model": "bias"}),
            Side(
                "surprise-baseline",
                _SURPRISE,
                {"model": "baseline", "method": "als", "n_epochs": 10, "reg_u": 15, "reg_i": 10},
                refit=False,
            ),
        ),
        note="Each with its own default regularisation. Surprise predicts a pair at a time, and has one thread.",
    ),
    "mf-vs-surprise": Comparison(
        about="matrix factorisation by stochastic gradient descent against Surprise's SVD: the same objective",
        task="ratings",
        sides=(
            Side(
                "mf-sgd",
                _OURS,
                {
                    "model": "mf",
                    "solver": "sgd",
                    "factors": 50,
                    "epochs": 20,
                    "learning_rate": 0.005,
                    "decay": 1.0,
                    "reg": 0.02,
                    "init_std": 0.1,
                },
            ),
            Side(
                "surprise-svd",
                _SURPRISE,
                {"model": "svd", "n_factors": 50, "n_epochs": 20, "lr_all": 0.005, "reg_all": 0.02},
                refit=False,
            ),
        ),
        note="Equal factors, epochs, learning rate, regularisation and spread of the first vectors (0.1). Surprise has "
        "one thread; ours has those of the protocol.",
    ),
    "svd-vs-surprise": Comparison(
        about="biases and vectors by gradient descent against Surprise's SVD, both with Surprise's defaults",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("svd", _OURS, {"model": "svd"}),
            Side("surprise-svd", _SURPRISE, {"model": "svd"}, refit=False),
        ),
        note=_ONE_THREAD,
    ),
    "svdpp-vs-surprise": Comparison(
        about="SVD++ against Surprise's, both with Surprise's defaults",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("svdpp", _OURS, {"model": "svdpp"}),
            Side("surprise-svdpp", _SURPRISE, {"model": "svdpp", "cache_ratings": True}, refit=False),
        ),
        rounds=1,
        note="The same steps: ours moves a person's implicit factors as one sum, Surprise each at every rating, "
        "here with cache_ratings, its faster way. Both on one thread.",
    ),
    "nmf-vs-surprise": Comparison(
        about="non-negative factors against Surprise's NMF, both with Surprise's defaults",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("nmf", _OURS, {"model": "nmf"}),
            Side("surprise-nmf", _SURPRISE, {"model": "nmf"}, refit=False),
        ),
        note=f"Ours updates a side at a time, Surprise both at once. {_ONE_THREAD}",
    ),
    "knn-baseline-vs-surprise": Comparison(
        about="item neighbours over baselines against Surprise's KNNBaseline, by pearson_baseline, 40 neighbours",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side(
                "rating-knn",
                _OURS,
                {
                    "model": "rating_knn",
                    "by": "item",
                    "measure": "pearson_baseline",
                    "neighbours": 40,
                    "shrink": 100.0,
                    "prior": 0.0,
                    "reg_user": 15.0,
                    "reg_item": 10.0,
                },
            ),
            Side(
                "surprise-knn-baseline",
                _SURPRISE,
                {"model": "knn-baseline", "k": 40, "sim_options": {"name": "pearson_baseline", "user_based": False}},
                refit=False,
            ),
        ),
        rounds=1,
        note=f"Ours keeps the 500 most similar items of each, Surprise a matrix of all pairs. {_ONE_THREAD}",
    ),
    "slope-one-vs-surprise": Comparison(
        about="differences between items against Surprise's SlopeOne",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("slope-one", _OURS, {"model": "slope_one", "weighted": False, "prior": 0.0}),
            Side("surprise-slope-one", _SURPRISE, {"model": "slope-one"}, refit=False),
        ),
        rounds=1,
        note=_ONE_THREAD,
    ),
    "co-clustering-vs-surprise": Comparison(
        about="groups of people and items against Surprise's CoClustering, both with Surprise's defaults",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("co-clustering", _OURS, {"model": "co_clustering", "prior": 0.0}),
            Side("surprise-co-clustering", _SURPRISE, {"model": "co-clustering"}, refit=False),
        ),
        note=f"Ours ends when no one changes groups, which both begin at random. {_ONE_THREAD}",
    ),
    "als-vs-implicit": Comparison(
        about="alternating least squares on one objective: ours, implicit's and irspack's; see also als_to_loss.py",
        task="lists",
        data="movielens-1m",
        sides=(
            Side("als", _OURS, {"model": "als", "factors": 64, "alpha": 5.0, "reg": 50.0, "nu": 0.0, "epochs": 8}),
            Side(
                "implicit-als",
                "bench.rivals.implicit",
                {"model": "als", "factors": 64, "alpha": 6.0, "regularization": 50.0, "iterations": 15},
                refit=False,
            ),
            Side(
                "irspack-ials",
                "bench.rivals.irspack",
                {
                    "model": "als",
                    "alpha": 5.0,
                    "n_components": 64,
                    "alpha0": 1.0,
                    "reg": 50.0,
                    "nu": 0.0,
                    "loss_type": "ORIGINAL",
                    "train_epochs": 15,
                },
                refit=False,
            ),
        ),
        note="One objective. Eight of our epochs go below the training loss of 15 of the rivals: als_to_loss.py.",
    ),
    "bpr-vs-implicit": Comparison(
        about="pairwise ranking with 64 factors against implicit's: the time to lists as good, and how good they get",
        task="lists",
        data="movielens-1m-positives",
        kind="per-person",
        sides=(
            Side("bpr-short", _OURS, {"model": "bpr", "factors": 64, "epochs": 12}),
            Side("bpr", _OURS, {"model": "bpr", "factors": 64}),
            Side("bpr-warp", _OURS, {"model": "bpr", "factors": 64, "loss": "warp"}),
            Side(
                "implicit-bpr",
                "bench.rivals.implicit",
                {"model": "bpr", "factors": 64, "learning_rate": 0.01, "regularization": 0.003, "iterations": 30},
                refit=False,
            ),
        ),
        note="The rival's settings are the best of five tried on a validation part of the training data, stopped "
        "where its lists were best; ours are the defaults, and 12 epochs in place of 60 for a time at equal quality.",
    ),
    "bayesian-fm-vs-myfm": Comparison(
        about="a Bayesian factorisation machine of ids and both histories against myFM's: equal rank, equal draws",
        task="ratings",
        data="movielens-1m",
        test=0.1,
        sides=(
            Side("bayesian-fm", _OURS, {"model": "bayesian_fm", "factors": 10, "sweeps": 50, "burn_in": 5}),
            Side("myfm", "bench.rivals.myfm", {"rank": 10, "n_iter": 100}, refit=False),
        ),
        rounds=1,
        note="Two chains of 50 draws, of which 32 are kept, against one of 100, of which 95 are. myFM has one thread.",
    ),
}
