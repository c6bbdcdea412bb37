"""Apple School and Business Manager API: which devices a town's organisation owns, and to which MDM server each is assigned."""
