"""Targets that nobody filled: they expire with their epoch, and whoever clears them away gets the finder's fee."""

from harness import *

FINDER_SHARE = 63_425


async def pool(client):
    return (await client.get_latest_system_state()).emission_pool.balance


async def scenario(network):
    client = await network.client()
    stranger = await network.wallet(client, 51)
    old = await client.get_targets()
    equal(len(old), 100)
    equal(await client.advance_epoch(), 3)
    fresh = await client.get_targets()
    equal(len(fresh), 100)
    equal({padded(target.id) for target in old} & {padded(target.id) for target in fresh}, set())
    # Without a single hit there is nothing to judge the difficulty by.
    equal({target.distance_threshold for target in fresh}, {f32(1.05)})

    expired = await client.get_targets(status="expired")
    equal([padded(target.id) for target in expired], [padded(target.id) for target in old])
    # What is expired can be claimed, and that is what a node calls it.
    equal({target.status for target in expired}, {"claimable"})
    claimable = await client.get_targets(claimable=True)
    equal({padded(target.id) for target in claimable}, {padded(target.id) for target in old})
    # They have no submitter, so nobody finds them among the own ones.
    equal(await client.get_targets(claimable=True, submitter=stranger.address()), [])

    reward, pool_before = expired[0].reward_pool, await pool(client)
    for target in (expired[0], expired[99]):
        before = shannons(await client.get_balance(stranger.address()))
        fee = succeeded(await client.claim_rewards(stranger, target.id)).transaction_fee.total_fee
        equal(shannons(await client.get_balance(stranger.address())), before + FINDER_SHARE - fee)
    equal(await pool(client), pool_before + 2 * (reward - FINDER_SHARE))
    equal(len(await client.get_targets(status="expired")), 98)
    await costs_the_base_fee(
        client, stranger, lambda: client.claim_rewards(stranger, expired[0].id), "InputObjectDeleted"
    )
    # It stays so: an epoch later they can still be cleared away, and the next hundred with them.
    equal(await client.advance_epoch(), 4)
    equal(len(await client.get_targets(status="expired", limit=1_000)), 198)


play(scenario)
