"""UCI Online Retail: what a British gift shop sold in 2010 and 2011 (D. Chen 2015, doi:10.24432/C5BW33, CC BY 4.0).

Of 541,909 rows, those without a customer, without a description or with a quantity of zero or less (returns) are left
out.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from honeyguide.data.dataset import Dataset
from honeyguide.data.read import read
from honeyguide.data.sources._files import Files

FILES = Files(
    "online-retail",
    "online-retail",
    "https://archive.ics.uci.edu/dataset/352/online+retail",
    {"online_retail.parquet": "d4bf11013582a8f3a068b6762a7e12d9899d456d615d5340ce998a61bc46c12a"},
    " and write its workbook as online_retail.parquet (Description, Quantity, InvoiceDate, UnitPrice, CustomerID, "
    "Country)",
)


def load(*, folder: str | Path | None = None, positive: str = "every event") -> Dataset:
    """The purchases: value is the quantity, the item its description. The same item may be bought many times."""
    (path,) = FILES.find("online_retail.parquet", folder=folder)
    sold = pl.col("CustomerID").is_not_null() & pl.col("Description").is_not_null() & (pl.col("Quantity") > 0)
    return read(
        pl.scan_parquet(path).filter(sold).collect(),
        user="CustomerID",
        item="Description",
        value="Quantity",
        time="InvoiceDate",
        positive=positive,
        name=FILES.name,
    )
