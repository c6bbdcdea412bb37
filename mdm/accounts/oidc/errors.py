"""Errors of identity providers. Each names the provider and says who can do what."""

from __future__ import annotations

from cartable.errors import Conflict, DomainError, Forbidden, Invalid
from cartable.i18n import Message


class ProviderUnreachable(DomainError):
    """The provider does not answer, or its answer is none of an OpenID provider."""

    code = "provider_unreachable"
    status = 502
    message = Message("{name} does not answer, or not as it should. Try again in some minutes, or sign in with your password.")


class ProviderMismatch(DomainError):
    """The provider names itself by another address than the one that was entered."""

    code = "provider_mismatch"
    status = 502
    message = Message(
        "{name} gives itself another address than the one entered here. An administrator must correct the provider."
    )


class ProviderRefusal(Forbidden):
    """The provider answered with an error instead of a code, or refused the code."""

    code = "provider_refusal"
    message = Message("{name} has refused the sign-in ({reason}). Begin again; if it happens again, ask an administrator.")


class SignInNotBegun(DomainError):
    """The answer does not belong to a sign-in that this browser began in the last minutes."""

    code = "sign_in_not_begun"
    status = 400
    message = Message("This sign-in was begun in another window or more than ten minutes ago. Begin again.")


class ForeignToken(Forbidden):
    """The token was issued by another provider, or for another client."""

    code = "foreign_token"
    message = Message(
        "The token of {name} is meant for another server. An administrator must check the client id of the provider."
    )


class UnverifiableToken(Forbidden):
    """The token has no valid signature, or is damaged."""

    code = "unverifiable_token"
    message = Message("The token of {name} cannot be verified. Begin again; if it happens again, ask an administrator.")


class ClocksDiffer(Forbidden):
    """The token is from the future, or over already."""

    code = "clocks_differ"
    message = Message(
        "The clock of this server and that of {name} differ by {seconds} seconds. The operator must set this server's clock."
    )


class NoRoleAtProvider(Forbidden):
    """The person is in no group that has a role here, and has no account."""

    code = "no_role_at_provider"
    message = Message("You are known at {name}, but in no group that has a role here. Ask an administrator of your town for one.")


class IdentityTaken(Conflict):
    """The person at the provider is linked with another account."""

    code = "identity_taken"
    message = Message("This account of {name} is linked with another account here. Sign out there, and choose your own.")


class UnsafeIssuer(Invalid):
    """The address of a provider is no https address of a public host."""

    code = "unsafe_issuer"
    message = Message(
        "The address must begin with https:// and belong to a public host. The operator can allow private networks."
    )


class IssuerInUse(Conflict):
    """People have signed in at the provider: its address stays, because their accounts belong to it."""

    code = "issuer_in_use"
    message = Message("People sign in at this address already. Enter the other provider beside it, and switch this one off.")
