"""Random generators by key: the same key gives the same numbers, another key gives others."""

from __future__ import annotations

import hashlib

import torch


def generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator whose state follows from the key alone, for example (seed, candidate, name).

    By default it is the CPU's. On a GPU the same key gives another stream than on the CPU: numbers of the
    same law, the same again on the same kind of device, made where they are needed.
    Parts are joined as text with "/", so ("1/2",) and (1, 2) are one key. torch seeds its CPU generator with
    32 bits, so two given keys share a stream with a chance of 2^-32. Raises ValueError for no part.

    >>> one, same = torch.rand(1, generator=generator(0, "a")), torch.rand(1, generator=generator(0, "a"))
    >>> bool(one == same), bool(one == torch.rand(1, generator=generator(0, "b")))
    (True, False)
    """
    if not key:
        raise ValueError("key is empty: a generator needs at least one part, for example a seed")
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return torch.Generator(torch.device(device)).manual_seed(int.from_bytes(digest, "big") >> 1)
