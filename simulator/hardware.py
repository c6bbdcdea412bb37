"""The hardware of a tablet: serial number, UDID, model, which never change, and its system. Its state is in `device`."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.randomness import make_seeded_random

_SERIAL_LETTERS = "CDFGHJKLMNPQRTVWXY0123456789"


@dataclass(frozen=True)
class Hardware:
    """The hardware of one iPad, and the system that runs on it: it was delivered with that, or has been updated to it."""

    serial: str
    udid: str
    product_name: str
    model_name: str
    model_number: str
    os_version: str
    build: str
    capacity: float
    wifi_mac: str
    bluetooth_mac: str
    cellular: bool

    @classmethod
    def from_seed(cls, *seed: object) -> Hardware:
        """Return the hardware for `seed`: always the same, and different for every other seed."""
        draw = make_seeded_random("hardware", *seed)
        product, name, number, chip = draw.choice(_MODELS)
        version, build = draw.choice(_SYSTEMS)
        mac = [draw.randrange(256) for _ in range(4)]
        return cls(
            serial="".join(draw.choice(_SERIAL_LETTERS) for _ in range(10)),
            udid=f"{chip}-{draw.getrandbits(64):016X}" if chip else f"{draw.getrandbits(160):040x}",
            product_name=product,
            model_name="iPad",
            model_number=number,
            os_version=version,
            build=build,
            capacity=draw.choice((64.0, 128.0, 256.0)),
            wifi_mac=":".join(f"{part:02x}" for part in (0x3C, 0x06, *mac)),
            bluetooth_mac=":".join(f"{part:02x}" for part in (0x3C, 0x07, *mac)),
            cellular="Cellular" in name,
        )

    @property
    def os_numbers(self) -> tuple[int, ...]:
        """The version of the system as numbers."""
        return tuple(int(part) for part in self.os_version.split("."))

    @property
    def os_major_version(self) -> int:
        """The major version of the system."""
        return int(self.os_version.split(".")[0])


_MODELS = (
    ("iPad11,6", "iPad (8th generation)", "MYL92NF/A", "00008020"),
    ("iPad12,1", "iPad (9th generation)", "MK2K3NF/A", "00008030"),
    ("iPad13,18", "iPad (10th generation)", "MPQ03NF/A", "00008101"),
    ("iPad13,19", "iPad (10th generation) Cellular", "MQ6J3NF/A", "00008101"),
    ("iPad15,7", "iPad (A16)", "MD3Y4NF/A", "00008120"),
    ("iPad7,5", "iPad (6th generation)", "MR7F2NF/A", ""),
)
#: Version and build; the share of tablets that were delivered with each.
_SYSTEMS = (("17.7.2", "21H221"), ("18.6.2", "22G100"), ("26.1", "23B85"), ("26.1", "23B85"), ("26.2", "23C55"))
#: The build of each version that the maker offers.
OFFERED_SYSTEMS = dict(_SYSTEMS)
