"""The ACME server (RFC 8555) with `device-attest-01`: certificates for keys that Apple attests to be in the device."""
