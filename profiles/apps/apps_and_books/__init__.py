"""Apple's Apps and Books: device licences bought by a town (school-services.md section C)."""
