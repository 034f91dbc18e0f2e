"""Models × a split × metrics → results a person, intervals, paired tests; and watchers that stop a fit early.

exam        what is asked of a model: whose lists, what proved relevant, which ratings
measure     `evaluate`: every model sits the exam
backdrop    what metrics beyond accuracy set lists against
shown       whose share of the places in everyone's lists
evaluation  what came out: tables, text, paired tests, the best
resample    bootstrap over people, sign-flip tests, Holm's correction: arrays in, arrays out
watch       `early_stopping`, and `fit_early`: the number of epochs found on a held-out share
"""

from honeyguide.evaluate.evaluation import Evaluation
from honeyguide.evaluate.measure import evaluate
from honeyguide.evaluate.shown import exposure
from honeyguide.evaluate.watch import EarlyStopping, early_stopping, fit_early

__all__ = ["EarlyStopping", "Evaluation", "early_stopping", "evaluate", "exposure", "fit_early"]
