"""Imports every table, so that migrations and tests see one complete metadata. Holds nothing of its own."""

# ruff: noqa: F401
import enrollment.identity.acme.models
import enrollment.identity.models
import enrollment.joining.models
import enrollment.people.models
import enrollment.places.models
import enrollment.tablets.models
import enrollment.years.models
import mdm.accounts.models
import mdm.care.models
import mdm.channel.models
import mdm.devices.models
import mdm.kit.audit
import mdm.kit.outbox
import mdm.privacy.models
import mdm.push.models
import mdm.queue.models
import mdm.reconcile.models
import profiles.bundles.models
import profiles.bundles.vpp.models
import profiles.filters.models
import profiles.layers.models
import profiles.models
import profiles.modes.models
from mdm.kit.db import Base

metadata = Base.metadata
