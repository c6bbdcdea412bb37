"""The command `cartable doctor`: checks everything that the server needs, and says in words what to do. Changes nothing."""
