"""Ways for a tablet to join: invitations, the landing page, the enrolment profile."""
