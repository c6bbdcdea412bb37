"""Sign-in at an identity provider by OpenID Connect: providers of towns, their answers, and the accounts linked with them."""
