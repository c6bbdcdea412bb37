"""The school year: from one to the next, previewed, applied, undone until it is closed (schools.md section 18)."""
