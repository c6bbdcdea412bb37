"""Pages of the first day: the demo town or an own one, its three questions, what is still to do, the first tablet."""
