"""The SCEP server (RFC 8894): messages, ciphers, what is granted. Issuing itself is in `enrollment.identity.service`."""
