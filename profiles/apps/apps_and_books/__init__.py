"""Apple's Apps and Books: device licences bought by a town (docs/domain/apple-services.md#apps-and-books)."""
