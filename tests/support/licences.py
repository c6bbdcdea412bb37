"""Content tokens of Apps and Books as Apple's files have them."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta


def build_content_token(now: datetime, name: str = "Ville", days: int = 300) -> str:
    """Return the content of a token file that is valid for so many days."""
    document = {"orgName": name, "token": f"secret of {name}", "expDate": (now + timedelta(days=days)).isoformat()}
    return base64.b64encode(json.dumps(document).encode()).decode()
