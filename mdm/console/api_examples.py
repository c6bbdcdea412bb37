"""Example calls of the API, with which its page lets people try it: the ten that programs of towns make most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class ApiExample:
    """One call: its operation, method and path. In `{…}` stands what the reader puts in."""

    operation_id: str
    method: str
    path: str
    body: dict[str, Any] | None = None

    @property
    def body_text(self) -> str:
        """The body as JSON; empty for a call without one."""
        return json.dumps(self.body, indent=2, ensure_ascii=False) if self.body is not None else ""

    def to_curl(self, origin: str) -> str:
        """Return the same call for a terminal. The token is read from a variable, so that it stays out of the shell's history."""
        lines = [f'curl -H "Authorization: Bearer $TOKEN" -X {self.method}', f"  '{origin}{self.path}'"]
        if self.body is not None:
            lines += ["  -H 'Content-Type: application/json'", f"  -d '{json.dumps(self.body, ensure_ascii=False)}'"]
        return " \\\n".join(lines)


EXAMPLES: tuple[ApiExample, ...] = (
    ApiExample("list_towns", "GET", f"{PREFIX}/towns"),
    ApiExample("list_schools", "GET", f"{PREFIX}/schools?town_id={{town_id}}"),
    ApiExample("list_classes", "GET", f"{PREFIX}/classes?school_id={{school_id}}"),
    ApiExample("list_tablets", "GET", f"{PREFIX}/tablets?state=in_use&lacks_apps=true&limit=20"),
    ApiExample("get_tablet", "GET", f"{PREFIX}/tablets/{{tablet_id}}"),
    ApiExample("send_command", "POST", f"{PREFIX}/tablets/{{tablet_id}}/commands", {"kind": "refresh"}),
    ApiExample(
        "enable_lost_mode", "POST", f"{PREFIX}/tablets/{{tablet_id}}/lost-mode/enable", {"reason": "forgotten on the bus"}
    ),
    ApiExample("list_apps", "GET", f"{PREFIX}/apps?town_id={{town_id}}"),
    ApiExample("list_licences", "GET", f"{PREFIX}/licences?town_id={{town_id}}"),
    ApiExample("list_alarms", "GET", f"{PREFIX}/towns/{{town_id}}/alarms?only_open=true"),
)
