"""The device certificate authority: issue, renew, revoke; the SCEP and ACME servers."""
