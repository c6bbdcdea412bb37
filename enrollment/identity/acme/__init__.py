"""The ACME server (RFC 8555) with `device-attest-01`: a certificate for a key that Apple attests to lie in that very iPad."""
