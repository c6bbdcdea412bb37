"""Tablets that speak the real wire over real HTTPS. Shares no code with the server."""

from __future__ import annotations

from mdm.simulator.attestation import Attester
from mdm.simulator.channel import Habits
from mdm.simulator.hardware import Hardware
from mdm.simulator.signature import Shape
from mdm.simulator.store import AppStore
from mdm.simulator.tablet import SimulatedTablet
from mdm.simulator.wakeup import Wakeup

__all__ = ["AppStore", "Attester", "Habits", "Hardware", "Shape", "SimulatedTablet", "Wakeup"]
