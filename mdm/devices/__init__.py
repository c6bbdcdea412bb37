"""The protocol's record of a tablet: its enrolments, its heartbeat, where to wake it. Tables only; verbs are in the chapters above."""
