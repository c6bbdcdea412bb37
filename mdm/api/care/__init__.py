"""The API of care: lost mode, positions, erasing one tablet or many, the stop switch."""
