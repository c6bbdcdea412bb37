"""The API of tablets: lists and details, custody, carts, incidents, storage, documents."""
