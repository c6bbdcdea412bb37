"""DECIDE: what each tablet should be. Facts come from `enrollment`; delivery is the business of `mdm`."""
