"""Objects that are used up, taken or not the sender's, forged signatures, and the SDK's own way out of a conflict."""

from harness import *

ANNA = "a1" * 32


async def send(client, key, kind, gas):
    return await client.execute_transaction(key.sign(transaction(kind, key, gas)))


async def stale(client, key):
    old = (await coins(client, key))[0]
    signed = key.sign(transaction(transfer(old, ANNA, 1_000), key, [old]))
    first = succeeded(await client.execute_transaction(signed))
    # The same bytes are the same transaction: answered again, paid once.
    again = succeeded(await client.execute_transaction(signed))
    equal((again.transaction_digest, again.version), (first.transaction_digest, first.version))
    equal(await client.get_balance(ANNA), 1_000 / SOMA)

    before = await client.get_balance(key.address())
    text = await refused(
        send(client, key, transfer(old, ANNA, 2_000), [old]),
        f"Object ({old.id}, Version({old.version}), o#{old.digest}) is not available for consumption",
        f"its current version: Version({first.version})",
    )
    true(text.startswith("status: InvalidArgument"), text)
    # Refused before execution: nothing is charged.
    equal(await client.get_balance(key.address()), before)


async def locked(client, key):
    gone = (await coins(client, key))[1:]
    merged = succeeded(await client.merge_coins(key))
    alive = await coins(client, key)
    (taken, *_) = [coin for coin in gone if coin.id not in [kept.id for kept in alive]]
    text = await refused(
        send(client, key, transfer(taken, ANNA, 3_000), [alive[-1]]),
        "Transaction is rejected as invalid by more than 1/3",
        f"Object ({taken.id}, Version({taken.version}), o#{taken.digest}) already locked by a different transaction: "
        f"TransactionDigest({merged.transaction_digest})",
    )
    true(text.startswith("status: FailedPrecondition"), text)


async def not_ours(client, network, key):
    other = await network.wallet(client, 12)
    theirs, ours = (await coins(client, other))[0], (await coins(client, key))[-1]
    await refused(
        send(client, key, transfer(theirs, ANNA, 5), [ours]),
        f"Object {theirs.id} is owned by account address {other.address()}",
        f"given owner/signer address is {key.address()}",
    )
    await refused(send(client, key, transfer(ours, ANNA, 5), [theirs]), "was not signed by the correct sender")
    await refused(send(client, key, transfer(ours, ANNA, 5), []), "No gas payment provided")

    never_there = "ab" * 32
    await refused(send(client, key, claim(never_there), [ours]), f"Could not find the referenced object 0x{never_there}")

    # Another's signature, and a signature with one bit changed.
    unsigned = transaction(transfer(ours, ANNA, 5), key, [ours])
    await refused(client.execute_transaction(other.sign(unsigned)), "Invalid user signature", "is absent")
    forged = bytearray(key.sign(unsigned))
    forged[-40] ^= 1
    await refused(client.execute_transaction(bytes(forged)), "Invalid user signature")


async def retried(network):
    """Two clients of one wallet with two coins often pick the same one to pay with: the SDK reads the conflict in the node's words
    and takes the other one."""
    one, two = await network.client(), await network.client()
    key = await network.wallet(one, 13, requests=2)
    expired = iter(await one.get_targets())
    await one.advance_epoch()
    for _ in range(3):
        claims = [client.claim_rewards(key, next(expired).id) for client in (one, two)]
        for effects in await asyncio.gather(*claims):
            succeeded(effects)


async def scenario(network):
    client = await network.client()
    key = await network.wallet(client, 11, requests=3)
    await stale(client, key)
    await locked(client, key)
    await not_ours(client, network, key)
    await retried(network)


play(scenario)
