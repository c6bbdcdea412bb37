"""The API of joining: invitations, reservations, Automated Device Enrollment, Apple School Manager."""
