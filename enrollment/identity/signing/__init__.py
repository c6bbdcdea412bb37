"""What needs the private key of the device CA: one port, done in this process or by a process of its own (`cartable signer`)."""
