"""`cartable keys move-ca`: moves the private keys of the device CAs from the database to the files of `cartable signer`."""

from __future__ import annotations

import sys

from cartable import audit
from cartable.scope import SYSTEM
from cartable.unit_of_work import Runtime
from enrollment.identity.ca import ensure_authority
from enrollment.identity.repository import IdentityRepository
from enrollment.identity.signing.key_store import (
    AuthorityKey,
    UnusableKeyStore,
    get_authorities_file,
    load_issuing_key,
    write_keys,
)


def move_authority_keys(runtime: Runtime) -> int:
    """Write the keys to the signer's files, read them back, and only then take them out of the database. Returns the exit code."""
    key_file = runtime.settings.signer_key_file
    if key_file is None or runtime.settings.signer_socket is None:
        print("set CARTABLE_SIGNER_SOCKET and CARTABLE_SIGNER_KEY_FILE first", file=sys.stderr)
        return 1
    try:
        with runtime.open_unit_of_work() as work:
            ensure_authority(work)
            rows = IdentityRepository(work.session).list_own_authorities()
            keys = [AuthorityKey(row.certificate, row.private_key) for row in rows if row.private_key is not None]
            if len(keys) < len(rows):
                print("the keys were moved before", file=sys.stderr)
                return 3
            write_keys(key_file, keys)
            load_issuing_key(key_file)
            for row in rows:
                row.private_key = None
                audit.record_event(work, SYSTEM, "ca.move", "certificate_authority", row.id, town_id=None)
    except (UnusableKeyStore, OSError) as error:
        print(f"nothing was moved: {error}", file=sys.stderr)
        return 1
    print(f"{len(keys)} keys are in {get_authorities_file(key_file)}, sealed with {key_file}, and no longer in the database.")
    print(
        "1. Give both files to the signer's user (chown, mode 600) and keep copies apart: without them every tablet must enroll anew."
    )
    print("2. Start `cartable signer`, then restart every web process: it may still have the key in memory.")
    print("3. Backups and disk images from before contain the key: delete them, or keep them as you keep the key.")
    return 0
