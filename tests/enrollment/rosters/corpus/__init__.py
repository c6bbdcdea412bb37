"""Files as schools, towns and spreadsheets really send them, built by code: `good.py` and `bad.py` list them with what must come out."""
