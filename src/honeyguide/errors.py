"""Every deliberate exception. A message says what, the rule, what was received, and the way out, on one line.

HoneyguideError
├── DataError (ValueError)               what was read cannot be used
│   └── UnknownIdError (LookupError)     an id that the data or the model does not hold
├── ParameterError (ValueError)          a hyperparameter or an argument outside its rule
├── NotFittedError                       a model was asked before `fit`
├── UnsupportedError                     this model cannot do what was asked of it
├── MemoryBudgetError                    a fit that would need more memory than allowed
├── DivergedError (ArithmeticError)      training that ran into NaN or infinity
├── ArtifactError                        a model file that is damaged, foreign or of another version
├── WriteError (OSError)                 a file that could not be written; nothing is left behind
└── MissingPackageError (ImportError)    an optional package, with the `pip install` that brings it

HoneyguideWarning (UserWarning)          something that the caller should know and that stops nothing
LicenceNotice (UserWarning)              what the licence of a data set asks of its user; once a process
"""

from __future__ import annotations


class HoneyguideError(Exception):
    """Base of all exceptions that honeyguide raises on purpose."""


class DataError(HoneyguideError, ValueError):
    """What was read cannot be used."""


class UnknownIdError(DataError, LookupError):
    """An id that the data or the model does not hold."""


class ParameterError(HoneyguideError, ValueError):
    """A hyperparameter or an argument outside its rule."""


class NotFittedError(HoneyguideError):
    """A model was asked before `fit`."""


class UnsupportedError(HoneyguideError):
    """This model cannot do what was asked of it."""


class MemoryBudgetError(HoneyguideError):
    """A fit that would need more memory than allowed."""


class DivergedError(HoneyguideError, ArithmeticError):
    """Training that ran into NaN or infinity."""


class ArtifactError(HoneyguideError):
    """A model file that is damaged, foreign or of another version."""


class WriteError(HoneyguideError, OSError):
    """A file that could not be written; nothing is left behind."""


class MissingPackageError(HoneyguideError, ImportError):
    """An optional package is missing; the message names its `pip install`."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'honeyguide[{extra}]'")


class HoneyguideWarning(UserWarning):
    """Something that the caller should know and that stops nothing."""


class LicenceNotice(UserWarning):
    """What the licence of a data set asks of its user; given once a process."""
