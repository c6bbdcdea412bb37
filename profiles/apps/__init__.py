"""Apps: the town's catalogue, licences, and Apps and Books. Which tablets get which apps is policy."""
