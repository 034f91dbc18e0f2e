"""Split a Dataset into parts that share its schema, and say what leaks between them.

parts   the kinds of splits, and k-fold        audit   pairs on both sides, future in the features, who is only tested
"""

from honeyguide.split.audit import Audit, Leaks, Size
from honeyguide.split.parts import Kind, Split, k_fold, split

__all__ = ["Audit", "Kind", "Leaks", "Size", "Split", "k_fold", "split"]
