"""Imports every table, so that migrations and tests see one complete metadata. Holds nothing of its own."""

import profiles.bundles.models
import profiles.filters.models
import profiles.layers.models
import profiles.models  # noqa: F401
from mdm.kit.db import Base

metadata = Base.metadata
