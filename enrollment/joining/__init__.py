"""Ways for a tablet to enroll: invitations, reservations, enrollment profiles, Automated Device Enrollment."""
