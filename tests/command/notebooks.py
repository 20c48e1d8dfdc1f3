"""Reads every output of a run with pandas, Polars and DuckDB, and compares what they see."""

import pathlib
import sys

import duckdb
import pandas
import polars

folder = pathlib.Path(sys.argv[1])
files = sorted(folder.glob("*.parquet"))
assert files, f"no outputs in {folder}"
for file in files:
    frame = pandas.read_parquet(file)
    lazy = polars.scan_parquet(file).collect()
    relation = duckdb.sql(f"FROM '{file}'")
    columns = list(frame.columns)
    assert columns == lazy.columns == relation.columns, file
    rows = relation.aggregate("count(*)").fetchall()[0][0]
    assert len(frame) == lazy.height == rows, file
    for column in columns:
        missing = int(frame[column].isna().sum())
        assert missing == lazy[column].null_count(), (file, column)
        if pandas.api.types.is_numeric_dtype(frame[column]):
            total = lazy[column].sum()
            assert abs(frame[column].sum() - total) <= 1e-9 * max(1, abs(total)), (file, column)
    print(file.stem, rows, len(columns))

# Money stays exact in every reader.
plan = folder / "contact_plan.parquet"
if plan.exists():
    exact = duckdb.sql(f"SELECT sum(cost) FROM '{plan}'").fetchall()[0][0]
    assert exact == polars.read_parquet(plan)["cost"].sum() == pandas.read_parquet(plan)["cost"].sum()
