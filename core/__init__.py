"""Everything behind the pages: data sets, models, training, records. Imports no streamlit.

Imports go down only: screen, processes, pictures, learning, records, values. Which module lies on
which level stands in `tests/test_layers.py`, which reads every import statement.
"""
