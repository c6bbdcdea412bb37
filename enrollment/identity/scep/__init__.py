"""The SCEP server (RFC 8894): messages, ciphers, requests. Certificates are issued in `enrollment.identity.service`."""
