"""The library: what must not be lost in a database, what can be made again in Parquet beside it."""
