"""KNOW: places, people, tablets, ways to enrol, device identities, the rollover of the school year. No policy is decided here."""
