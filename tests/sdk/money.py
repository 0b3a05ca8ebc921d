"""Coins through the SDK: the faucet, transfers, payments, merging, stakes; every shannon is accounted for."""

from harness import *

ANNA, BELA, CLEO = ("a1" * 32, "b2" * 32, "c3" * 32)
# `protocol.md §4.6`: in epoch 2 of a quiet network.
VALUE_FEE_BPS = 8


def value_fee(amount):
    return amount * VALUE_FEE_BPS // 10_000


async def balance(client, address):
    return shannons(await client.get_balance(address))


async def transfers(client, key):
    me, before = key.address(), await balance(client, key.address())
    fee = succeeded(await client.transfer_coin(key, ANNA, 0.5)).transaction_fee
    equal(fee.value_fee, value_fee(SOMA // 2))
    equal(fee.total_fee, fee.base_fee + fee.operation_fee + fee.value_fee)
    equal(await balance(client, ANNA), SOMA // 2)
    equal(await balance(client, me), before - SOMA // 2 - fee.total_fee)

    before = await balance(client, me)
    paid = succeeded(await client.pay_coins(key, [BELA, "0x" + CLEO], [0.1, 0.25]))
    fee = paid.transaction_fee
    equal(fee.value_fee, value_fee(35 * SOMA // 100))
    equal((await balance(client, BELA), await balance(client, CLEO)), (SOMA // 10, SOMA // 4))
    equal(await balance(client, me), before - 35 * SOMA // 100 - fee.total_fee)
    created = [object_id for object_id, change in paid.changed_objects if change["id_operation"] == "Created"]
    equal(len(created), 2)

    # More than there is: executed, failed, and only the base fee is gone.
    await costs_the_base_fee(client, key, lambda: client.transfer_coin(key, ANNA, 1_000.0), "InsufficientCoinBalance")


async def whole_objects(client, key):
    me = key.address()
    await client.request_faucet(me)
    listed = await coins(client, key)
    true(len(listed) >= 2, "one to give, one to pay")
    gift = listed[0]
    before, worth = await balance(client, me), coin_balance(gift)
    effects = succeeded(await client.transfer_objects(key, CLEO, [gift.id]))
    true(gift.id not in [coin.id for coin in await coins(client, key)], "it is another's now")
    given = await client.get_object(gift.id)
    equal((given.owner.AddressOwner, given.version), (CLEO, effects.version))
    # If the gift paid the fee as well, it lost that before it left.
    fee = effects.transaction_fee.total_fee
    true(await balance(client, me) in (before - worth - fee, before - worth), "the fee is somebody's")


async def merging(client, key):
    me = key.address()
    for _ in range(3):
        await client.request_faucet(me)
    listed = await coins(client, key)
    equal([coin_balance(coin) for coin in listed], sorted(coin_balance(coin) for coin in listed))
    true(len(listed) >= 4, len(listed))
    before = await balance(client, me)
    fee = succeeded(await client.merge_coins(key)).transaction_fee
    merged = await coins(client, key)
    equal(len(merged), 2)
    equal(balance_of(merged), before - fee.total_fee)
    survivors = {coin.id for coin in listed} & {coin.id for coin in merged}
    equal(len(survivors), 2)

    stranger = Keypair.generate()
    await refused(client.merge_coins(stranger), "Nothing to merge")
    await refused(client.transfer_coin(stranger, ANNA, 0.1))


async def stakes_with_the_validator(client, key):
    state = await client.get_latest_system_state()
    (validator,) = state.validators.validators
    address = validator.metadata.soma_address
    before = await balance(client, key.address())
    effects = succeeded(await client.add_stake(key, address, 0.75))
    equal(await balance(client, key.address()), before - 75 * SOMA // 100 - effects.transaction_fee.total_fee)
    (staked,) = await client.list_owned_objects(key.address(), "StakedSoma")
    pool = (await client.get_latest_system_state()).validators.validators[0].staking_pool
    equal((pool.pending_stake, pool.soma_balance), (75 * SOMA // 100, validator.staking_pool.soma_balance))

    # It can leave before it ever counted: nothing is earned, nothing lost.
    before = await balance(client, key.address())
    effects = succeeded(await client.withdraw_stake(key, staked.id))
    equal(await balance(client, key.address()), before + 75 * SOMA // 100 - effects.transaction_fee.total_fee)
    equal(await client.list_owned_objects(key.address(), "StakedSoma"), [])


async def one_validator_for_life(client, key):
    """This network's one validator cannot be changed, reported or removed: executed, refused, the base fee paid."""
    me = key.address()
    for call in (
        lambda: client.report_validator(key, me),
        lambda: client.undo_report_validator(key, me),
        lambda: client.set_validator_commission_rate(key, 100),
        lambda: client.remove_validator(key, bytes(96)),
    ):
        await costs_the_base_fee(client, key, call, "InvalidTransactionType")


async def only_simulated(client, key):
    before = await coins(client, key)
    kind = transfer(before[0], ANNA, 7)
    for gas in ([before[0]], []):
        # Without gas the node picks the coins.
        effects = succeeded(await client.simulate_transaction(transaction(kind, key, gas)))
        true(effects.transaction_fee.total_fee > BASE_FEE, "a simulation has its price")
        await refused(client.get_transaction(effects.transaction_digest), "NotFound")
    after = await coins(client, key)
    equal([(coin.id, coin.version) for coin in after], [(coin.id, coin.version) for coin in before])


async def scenario(network):
    client = await network.client()
    key = await network.wallet(client, 5)
    equal(await balance(client, key.address()), network.faucet_amount_shannons)
    await transfers(client, key)
    await whole_objects(client, key)
    await merging(client, key)
    await stakes_with_the_validator(client, key)
    await only_simulated(client, key)
    await one_validator_for_life(client, key)


play(scenario)
