"""Automated Device Enrollment: synchronising the devices that Apple assigns to the town's MDM servers, and their ADE profiles."""
