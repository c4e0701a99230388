"""Adapters of problem sets that are no benchmark, a file each, found by its name: `llava_cot.py` is `llava-cot`.

A file defines `SCHEMA`, a `problems.schema.Schema`: the columns by which `auto` knows the set's rows, and the function
that makes a problem of a row. What a row lacks it refuses with `core.rows.BadRow`. Every key that a sub-score needs is
kept in `metadata` under the data set's own name. `problems.conversations` has what sets of conversations share.
"""
