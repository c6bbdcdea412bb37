"""Simulated iPads that speak Apple's MDM protocol over real HTTPS. Shares no code with the server."""

from __future__ import annotations

from simulator.attestation import Attester
from simulator.channel import MessageFormat
from simulator.hardware import Hardware
from simulator.push_listener import PushListener
from simulator.signature import SignatureShape
from simulator.store import AppStore
from simulator.tablet import SimulatedTablet

__all__ = ["AppStore", "Attester", "Hardware", "MessageFormat", "PushListener", "SignatureShape", "SimulatedTablet"]
