"""Everything that is kept: one schema, one writer, all the SQL.

Rows become frozen values at the edge of each function.
"""
