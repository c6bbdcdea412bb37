"""What is kept of people, why and how long: the data dictionary, retention, a child's export and erasure, with proofs."""
