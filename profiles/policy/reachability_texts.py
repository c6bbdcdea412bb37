"""What people read about each rule of reachability: what would happen, and what to do instead."""

from __future__ import annotations

from dataclasses import dataclass

from cartable.i18n import Message
from profiles.policy.reachability import ReachabilityRule as Rule


@dataclass(frozen=True, slots=True)
class RiskText:
    """The sentence of a rule, and its remedy."""

    sentence: Message
    remedy: Message


RISK_TEXTS: dict[Rule, RiskText] = {
    Rule.NO_NETWORK: RiskText(
        Message("Only the school's Wi-Fi networks are allowed, and there is none that tablets join by themselves."),
        Message("Add a Wi-Fi network that joins automatically, and publish it before you close the others."),
    ),
    Rule.NETWORK_NOT_PROVED: RiskText(
        Message("Only the school's Wi-Fi networks are allowed, and none of them has been on these tablets before."),
        Message("Publish the network first. Close the others when the tablets have been in contact with it."),
    ),
    Rule.NETWORK_REMOVED: RiskText(
        Message("The Wi-Fi networks that tablets join by themselves leave or change, all at the same time."),
        Message("Keep the former network until the tablets have been in contact through the new one."),
    ),
    Rule.PROXY_DEAD: RiskText(
        Message("The HTTP proxy has an address that leads nowhere: all traffic would end there."),
        Message("Correct the address and the port of the proxy, or take it out."),
    ),
    Rule.PROXY_NOT_PROVED: RiskText(
        Message("All traffic would go through an HTTP proxy that these tablets have not used before."),
        Message("Try it on one tablet first, at school and at home."),
    ),
    Rule.VPN_WITHOUT_SERVER: RiskText(
        Message("A VPN would always be on and names no server: nothing would leave the tablet."),
        Message("Name the server of each tunnel, or choose a VPN on demand."),
    ),
    Rule.VPN_NOT_PROVED: RiskText(
        Message("All traffic would go through a VPN that these tablets have not used before."),
        Message("Try it on one tablet first, at school and at home."),
    ),
    Rule.DNS_DEAD: RiskText(
        Message("The DNS server has an address that leads nowhere: no name would be found, the server's neither."),
        Message("Correct the address of the DNS server, or take it out."),
    ),
    Rule.DNS_NOT_PROVED: RiskText(
        Message("All names would be looked up by a DNS service that these tablets have not used before."),
        Message("Try it on one tablet first, at school and at home."),
    ),
    Rule.RESOLVER_MISSING: RiskText(
        Message("The rules send all names to the resolver of this installation, and it has none."),
        Message("Ask the operator to set one up, or choose the filter that is built into the system."),
    ),
    Rule.RELAY_NOT_PROVED: RiskText(
        Message("Traffic to this server would go through a relay that these tablets have not used before."),
        Message("Exclude this server's host name from the relay."),
    ),
    Rule.FILTER_NOT_PROVED: RiskText(
        Message("A filter app that these tablets have not used before would decide on all traffic."),
        Message("Check that the app is installed and lets this server and Apple pass. Try it on one tablet first."),
    ),
    Rule.SERVER_DENIED: RiskText(
        Message("The web filter would close this server's own host name."),
        Message("Take the host name of this server, and the domains above it, out of what is denied."),
    ),
    Rule.PUSH_DENIED: RiskText(
        Message("The web filter would close the hosts through which Apple wakes tablets: no command would reach them."),
        Message("Take these hosts of Apple, and the domains above them, out of what is denied."),
    ),
    Rule.CELLULAR_CHANGED: RiskText(
        Message("The access point of the mobile network changes: a tablet without Wi-Fi has no other way."),
        Message("Try it on one tablet without Wi-Fi first."),
    ),
    Rule.ERASES_ITSELF_SOON: RiskText(
        Message("A tablet would erase itself after a few wrong passcodes, as a small child enters them in a minute."),
        Message("Ask for at least six attempts, or set none: a lost tablet is locked from here."),
    ),
    Rule.ERASES_ITSELF: RiskText(
        Message("A tablet would erase itself after wrong passcodes. What is on it is lost, and it must be prepared again."),
        Message("Set no limit: the system makes a person wait longer each time, and a lost tablet is locked from here."),
    ),
    Rule.PASSCODE_IMPOSSIBLE: RiskText(
        Message("A passcode is required, and nobody may set or change one: the tablet could not be used."),
        Message("Allow changing the passcode, or require none."),
    ),
    Rule.PASSCODE_ENDS_SOON: RiskText(
        Message("The passcode would have to be changed within a week: children would be locked out of their tablets."),
        Message("Let a passcode be valid for longer, or without end."),
    ),
    Rule.SETTINGS_APP_HIDDEN: RiskText(
        Message("The Settings app would be hidden: nobody could let these tablets join a Wi-Fi network, at home or elsewhere."),
        Message("Leave Settings shown, and close single settings with rules instead."),
    ),
}
