"""Tablets that speak the real wire over real HTTPS. Shares no code with the server."""

from __future__ import annotations

from simulator.attestation import Attester
from simulator.channel import Habits
from simulator.hardware import Hardware
from simulator.signature import Shape
from simulator.store import AppStore
from simulator.tablet import SimulatedTablet
from simulator.wakeup import Wakeup

__all__ = ["AppStore", "Attester", "Habits", "Hardware", "Shape", "SimulatedTablet", "Wakeup"]
