"""Every refusal of a submission and of a claim: executed, failed with its kind, the base fee charged, the bond not."""

from harness import *

TEXT = b"every refusal has its kind, its price, and no bond\n"


async def poor_wallet(client, rich, number, amount):
    """A key with one coin of so many shannons."""
    key = Keypair.from_secret_key(bytes([number]) * 32)
    succeeded(await client.transfer_coin(rich, key.address(), amount / SOMA))
    equal([coin_balance(coin) for coin in await coins(client, key)], [amount])
    return key


async def scenario(network):
    client = await network.client()
    key = await network.wallet(client, 41, requests=2)
    targets = await client.get_targets()
    hit = await best_hit(client, network, TEXT * 4, targets, "refused")
    others = [target for target in targets if target.id != hit.target.id]

    def submit(by=key, **changed):
        return lambda: client.submit_data(by, **hit.arguments(**changed))

    def claim_of(target):
        return lambda: client.claim_rewards(key, target.id)

    async def costs(call, *words):
        await costs_the_base_fee(client, key, call, *words)

    # In the fill epoch.
    too_far = f32(hit.target.distance_threshold + 0.01)
    await costs(submit(distance_score=too_far), "DistanceExceedsThreshold { score: ", ", threshold: ")
    await costs(submit(embedding=[1.0] * 3), "EmbeddingDimensionMismatch { expected: 16, actual: 3 }")
    (outside,) = {model.model_id for model in await client.get_active_models()} - {
        padded(model_id) for model_id in hit.target.model_ids
    }
    await costs(submit(model_id=outside), f"ModelNotInTarget {{ model_id: {outside}, target_id: {padded(hit.target.id)} }}")
    most = 1_048_576
    huge = bytes(most + 1)
    await costs(submit(data=huge), f"DataExceedsMaxSize {{ size: {most + 1}, max_size: {most} }}")
    # The one coin is bond and gas; what the base fee leaves of it is too little.
    poor = await poor_wallet(client, key, 42, 10_000)
    too_little = f"InsufficientBond {{ required: {hit.bond}, provided: 9000 }}"
    await costs_the_base_fee(client, poor, submit(by=poor), too_little)
    await costs(claim_of(hit.target), "TargetNotFilled")
    await refused(client.submit_data(Keypair.generate(), **hit.arguments()))
    equal(await client.get_targets(status="filled"), [])

    succeeded(await submit()())
    await costs(submit(), "TargetNotOpen")
    await costs(claim_of(hit.target), "AuditWindowOpen { fill_epoch: 2, current_epoch: 2 }")

    # One epoch later.
    equal(await client.advance_epoch(), 3)
    late = others[0]
    await costs(
        submit(target_id=late.id, model_id=late.model_ids[0]), "TargetExpired { generation_epoch: 2, current_epoch: 3 }"
    )
    await costs(claim_of(hit.target), "AuditWindowOpen { fill_epoch: 2, current_epoch: 3 }")

    # Two epochs later.
    equal(await client.advance_epoch(), 4)
    succeeded(await client.claim_rewards(key, hit.target.id))
    await costs(claim_of(hit.target), "InputObjectDeleted")
    await costs(submit(), "InputObjectDeleted")

    # Never there: a real node tries for 90 s before it says so.
    before = await client.get_balance(key.address())
    never = "0x" + "ab" * 32
    await refused(client.claim_rewards(key, never), "timed out before finality could be reached", never)
    await refused(submit(target_id=never)(), "timed out before finality could be reached", never)
    equal(await client.get_balance(key.address()), before)


play(scenario)
