"""Blocks on the Prefect server: read in place of variables, and saved from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect.settings import get_current_settings

from channels.credentials.blocks import BLOCKS, ProviderCredentials
from pushpull.learners.vocabulary import Channel
from pushpull.settings import Settings


class CredentialsMissing(ValueError):
    """Credentials that should be in Prefect blocks cannot be had."""


def with_blocks(chosen: Settings, channels: Iterable[Channel] | None = None) -> Settings:
    """The settings with the credentials of the blocks they name in place of the variables.

    Args:
        channels: whose blocks; those that are listed where left out.

    Raises:
        CredentialsMissing: a block is not there, or Prefect does not answer.
    """
    _require_server()
    for channel in map(Channel, chosen.real_channels) if channels is None else channels:
        chosen = _loaded(BLOCKS[channel], chosen.credentials_block).over(chosen)
    return chosen


def save_blocks(chosen: Settings, name: str) -> Sequence[Channel]:
    """Register every type of block, and save the credentials of the variables under a name, over what it held.

    Returns:
        The channels whose credentials were saved.

    Raises:
        CredentialsMissing: Prefect does not answer.
    """
    _require_server()
    saved = []
    for channel, block in BLOCKS.items():
        found = block.of(chosen)
        try:
            if found is None:
                block.register_type_and_schema(_sync=True)  # type: ignore[call-arg]  # see _loaded
            else:
                found.save(name, overwrite=True, _sync=True)  # type: ignore[call-arg]
                saved.append(channel)
        except Exception as error:  # Prefect has no common error for what it could not do
            raise CredentialsMissing(_unreachable(error)) from error
    return saved


def _require_server() -> None:
    """Without an address Prefect would start a server of its own, which knows no block of anybody."""
    if not get_current_settings().api.url:
        raise CredentialsMissing(
            "credentials in Prefect blocks need a Prefect server: set PREFECT_API_URL to its address"
        )


def _loaded(block: type[ProviderCredentials], name: str) -> ProviderCredentials:
    try:
        # Never as a coroutine, whatever loop this runs in: `_sync` is eaten by Prefect's dispatch.
        found: ProviderCredentials = block.load(name, _sync=True)  # type: ignore[call-arg, assignment]
        return found
    except ValueError as error:
        kind = block.get_block_type_name()
        raise CredentialsMissing(
            f"PUSHPULL_CREDENTIALS_BLOCK is {name!r}, and there is no usable block of that name and of the type "
            f"{kind!r} on the Prefect server. Make one in its UI, or run `pushpull setup blocks` where the variables "
            "are set."
        ) from error
    except Exception as error:  # as above
        raise CredentialsMissing(_unreachable(error)) from error


def _unreachable(error: Exception) -> str:
    return (
        f"the Prefect server does not hand the credentials over ({type(error).__name__}): "
        "is it running, and are PREFECT_API_URL and PREFECT_API_AUTH_STRING right?"
    )
