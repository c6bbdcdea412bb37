"""Renders settings as Apple configuration profiles and declarations: values in, bytes out. Pure."""
