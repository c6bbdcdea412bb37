"""The device certificate authority: issuing, renewing and revoking certificates; the SCEP and ACME servers."""
