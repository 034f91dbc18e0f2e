"""All that the command line and the server call: texts and raw ids in, ids and tables out.

catalogue   the models there are, built from texts; what a model file holds
comparison  several models on one split, the best of them refitted on all data
typed       what a person typed (ids or titles) → ids
tabular     files of pairs and of lists; everybody's list, streamed
"""

from honeyguide.rerank import named as reranker
from honeyguide.service.catalogue import build, describe_models, memory, verify
from honeyguide.service.comparison import Comparison, compare, measure
from honeyguide.service.tabular import TABLES, read_pairs, write_lists, write_table
from honeyguide.service.typed import history_of, items_of, told_of, users_of

__all__ = [
    "TABLES", "Comparison", "build", "compare", "describe_models", "history_of", "items_of", "measure",
    "memory", "read_pairs", "reranker", "told_of", "users_of", "verify", "write_lists", "write_table",
]  # fmt: skip
