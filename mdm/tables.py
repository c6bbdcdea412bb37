"""Imports every table, so that migrations and tests see the complete metadata. Defines nothing."""

# ruff: noqa: F401
import cartable.alarms
import cartable.audit
import cartable.leases
import cartable.outbox
import cartable.scheduled_jobs
import cartable.throttle
import cartable.timeline.models
import cartable.worker_registry
import enrollment.identity.acme.models
import enrollment.identity.models
import enrollment.joining.ade.models
import enrollment.joining.apple_school_manager.models
import enrollment.joining.models
import enrollment.people.models
import enrollment.places.models
import enrollment.rollover.models
import enrollment.rosters.models
import enrollment.safeguards.models
import enrollment.tablets.models
import mdm.accounts.models
import mdm.accounts.oidc.models
import mdm.care.commands.models
import mdm.care.erasing.models
import mdm.care.lost_mode.models
import mdm.care.today.models
import mdm.care.views.models
import mdm.channel.models
import mdm.devices.models
import mdm.notices.models
import mdm.privacy.models
import mdm.push.models
import mdm.queue.models
import mdm.reconcile.models
import mdm.resolver.models
import profiles.apps.data_sheets.models
import profiles.apps.models
import profiles.effective.app_requests.models
import profiles.effective.models
import profiles.filters.models
import profiles.policy.models
import profiles.schedule.models
from cartable.database import Base

metadata = Base.metadata
