"""Every setting once: type, merge rule, platform support, words for people."""
