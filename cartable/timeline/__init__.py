"""How far the database has got, kept in the database and in a file outside it; and whether the clock can be trusted."""
