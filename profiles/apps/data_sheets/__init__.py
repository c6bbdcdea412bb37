"""Data-protection sheets: what an app does with the data of children, and what the data protection officer has decided about it."""
