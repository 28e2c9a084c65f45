"""Bridges to where people evaluate, analyse and train: Inspect AI and Parquet."""
