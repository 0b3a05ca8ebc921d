"""Every read method of the SDK answers what this network must say: protocol version 5, four models of dimension 16, epoch 2."""

from harness import *

PARAMETERS = {
    "epoch_duration_ms": 86_400_000,
    "validator_reward_allocation_bps": 7_000,
    "model_min_stake": SOMA,
    "model_architecture_version": 1,
    "model_reveal_slash_rate_bps": 5_000,
    "model_tally_slash_rate_bps": 9_500,
    "target_epoch_fee_collection": SOMA,
    "base_fee": BASE_FEE,
    "write_object_fee": WRITE_FEE,
    # 10 at genesis, one less after each of two quiet epochs.
    "value_fee_bps": 8,
    "min_value_fee_bps": 1,
    "max_value_fee_bps": 50,
    "fee_adjustment_rate_bps": 1_250,
    "target_models_per_target": 3,
    "target_embedding_dim": 16,
    "target_reward_allocation_bps": 8_000,
    "target_hits_per_epoch": 86_400,
    "target_hits_ema_decay_bps": 9_000,
    "target_difficulty_adjustment_rate_bps": 10_000,
    "target_initial_targets_per_epoch": 100,
    "target_submitter_reward_share_bps": 4_975,
    "target_model_reward_share_bps": 4_975,
    "target_claimer_incentive_bps": 50,
    "submission_bond_per_byte": 65,
    "max_submission_data_size": 1_048_576,
}


async def the_node(client, network):
    equal(await client.get_chain_identifier(), "localnet")
    # The recorded node says so, and this version of the SDK refuses it: it wants 0.1.19.
    equal(await client.get_server_version(), "soma-node/0.1.21")
    await refused(client.check_api_version(), "client api version : 0.1.19", "server api version : soma-node/0.1.21")
    equal(await client.get_protocol_version(), 5)
    equal(await client.get_architecture_version(), 1)
    equal(await client.get_embedding_dim(), network.embedding_dim)
    equal(await client.get_model_min_stake(), SOMA)
    equal(await client.scoring_health(), True)


async def the_state(client, network):
    state = await client.get_latest_system_state()
    equal((state.epoch, state.protocol_version, state.safe_mode), (network.epoch, 5, False))
    found = {name: getattr(state.parameters, name) for name in PARAMETERS}
    equal(found, PARAMETERS)
    equal(state.emission_pool.emission_per_epoch, 1_370 * SOMA)
    equal(state.target_state.targets_generated_this_epoch, 100)
    equal((state.target_state.hits_this_epoch, state.target_state.reward_per_target), (0, 12_685_185))
    (validator,) = state.validators.validators
    equal(validator.voting_power, 10_000)
    equal(state.validators.total_stake, validator.staking_pool.soma_balance)
    equal(len(vars(state.model_registry.models)), 4)

    day = state.parameters.epoch_duration_ms
    equal(await client.get_next_epoch_timestamp(), state.epoch_start_timestamp_ms + day)
    equal(await client.get_following_epoch_timestamp(), state.epoch_start_timestamp_ms + 2 * day)
    for number in (None, 0, 1, 2):
        epoch = await client.get_epoch(number)
        equal((epoch.epoch, epoch.end_of_epoch_info), (2 if number is None else number, None))
    await refused(client.get_epoch(9), "NotFound", "Committee for epoch 9 not found")


async def the_models(client, network, directory):
    models = await client.get_active_models()
    equal(sorted(model.stake for model in models), [20.0, 21.0, 22.0, 23.0])
    for model in models:
        equal((len(model.embedding), len(model.model_id), len(model.owner)), (16, 66, 64))
        equal((model.commission_rate, model.next_epoch_commission_rate, model.has_pending_update), (0, 0, False))
    ids = [model.model_id for model in models]
    manifests = await client.get_model_manifests(ids)
    plain = sorted(open(os.path.join(directory, name), "rb").read() for name in os.listdir(directory))
    found = []
    for model_id, manifest in zip(ids, manifests, strict=True):
        encrypted = bytes(await client.fetch_model(model_id))
        equal((len(encrypted), SomaClient.commitment(encrypted)), (manifest.size, manifest.checksum))
        true(manifest.url.startswith(network.s3_public_url + "/models/"), manifest.url)
        found.append(bytes(SomaClient.decrypt_weights(encrypted, manifest.decryption_key)))
    equal(sorted(found), plain)

    # In the order asked for; a target asks for its own.
    backwards = await client.get_model_manifests(ids[::-1])
    equal([manifest.url for manifest in backwards], [manifest.url for manifest in manifests][::-1])
    target = (await client.get_targets(limit=1))[0]
    own = await client.get_model_manifests(target)
    wanted = await client.get_model_manifests([padded(model_id) for model_id in target.model_ids])
    equal([manifest.url for manifest in own], [manifest.url for manifest in wanted])
    await refused(client.fetch_model("0x" + "ab" * 32))


async def the_targets(client):
    targets = await client.get_targets()
    equal(len(targets), 100)
    active = {model.model_id for model in await client.get_active_models()}
    for target in targets:
        equal((target.status, target.generation_epoch, target.reward_pool), ("open", 2, 12_685_185))
        equal((target.bond_amount, target.submitter, target.winning_model_id, target.data_url), (0, None, None, None))
        equal((len(target.embedding), target.distance_threshold), (16, f32(1.05)))
        equal(len({padded(model_id) for model_id in target.model_ids} & active), 3)
    ids = [padded(target.id) for target in targets]
    equal(ids, sorted(set(ids)))

    # Pages add up to the whole, and a page's token belongs to its filters.
    paged, token, sizes = [], None, []
    while True:
        page = await client.list_targets(limit=40, page_token=token)
        paged += [padded(target.id) for target in page.targets]
        sizes.append(len(page.targets))
        first_token = page.next_page_token if token is None else first_token
        token = page.next_page_token
        if token is None:
            break
    equal((sizes, paged), ([40, 40, 20], ids))
    await refused(
        client.list_targets(status="filled", page_token=first_token), "page_token parameters do not match request filters"
    )

    equal(len(await client.get_targets(epoch=2, limit=7)), 7)
    equal(await client.get_targets(epoch=1), [])
    for status in ("filled", "claimed", "expired", "claimable"):
        equal(await client.get_targets(status=status), [])
    equal(await client.get_targets(claimable=True), [])
    equal(await client.get_targets(submitter="11" * 32), [])
    equal(len((await client.list_targets(status="Open", read_mask="id,status")).targets), 100)
    await refused(client.get_targets(status="shut"), "invalid status_filter: 'shut'")


async def the_objects(client, network):
    key = Keypair.from_secret_key(bytes([3]) * 32)
    address = key.address()
    equal(await client.get_balance(address), 0.0)
    equal(await client.list_owned_objects(address), [])
    faucet = await client.request_faucet(address)
    equal(faucet.status, "Success")
    (sent,) = faucet.coins_sent
    equal(sent.amount, network.faucet_amount_shannons)
    await client.request_faucet("0x" + address)

    equal(await client.get_balance(address), 4.0)
    equal(await client.get_balance("0x" + address), 4.0)
    listed = await client.list_owned_objects(address)
    equal([(coin.data.object_type, coin_balance(coin)) for coin in listed], [("Coin", 2 * SOMA)] * 2)
    true(sent.id in [coin.id for coin in listed], "the faucet names the coin that it sent")
    for coin in listed:
        equal(coin.owner.AddressOwner, address)
        again = await client.get_object(coin.id)
        equal((again.id, again.version, again.digest), (coin.id, coin.version, coin.digest))
    equal(len(await client.list_owned_objects(address, "coin", 1)), 1)
    equal(await client.list_owned_objects(address, "stakedsoma"), [])
    await refused(client.list_owned_objects(address, "boat"), "boat")

    # Every version stays readable.
    old = next(coin for coin in listed if coin.id == sent.id)
    # A coin that pays its own transfer: the same object, a new version.
    await client.execute_transaction(key.sign(transaction(transfer(old, "44" * 32, 5), key, [old])))
    new = await client.get_object(old.id)
    true(new.version > old.version and new.digest != old.digest, "a used coin is a new version")
    equal((await client.get_object_with_version(old.id, old.version)).digest, old.digest)
    equal((await client.get_object_with_version(old.id, new.version)).digest, new.digest)
    await refused(client.get_object_with_version(old.id, 99), "NotFound", "with version 99 not found")
    await refused(client.get_object("0x" + "ab" * 32), "NotFound", "not found")

    effects = succeeded(await client.get_transaction(sent.transfer_tx_digest))
    equal((effects.transaction_digest, effects.executed_epoch), (sent.transfer_tx_digest, 2))
    true(sent.id in [changed for changed, _ in effects.changed_objects], "the coin is in the effects")
    equal(effects.version, old.version)
    await refused(client.get_transaction("1" * 32), "NotFound")


async def the_checkpoints(client, network):
    latest = (await client.get_latest_checkpoint()).data
    genesis = (await client.get_checkpoint_summary(0)).data
    equal((genesis.sequence_number, genesis.epoch, genesis.previous_digest), (0, 0, None))
    equal((await client.get_checkpoint_summary(1)).data.previous_digest, network.chain_id)
    totals = []
    for number in range(latest.sequence_number + 1):
        summary = await client.get_checkpoint_summary(number)
        equal(summary.data.sequence_number, number)
        equal(summary.auth_signature.epoch, summary.data.epoch)
        totals.append(summary.data.network_total_transactions)
    equal(totals[-1], latest.network_total_transactions)
    true(all(a < b for a, b in zip(totals, totals[1:])), totals)
    await refused(client.get_checkpoint_summary(1_000_000), "NotFound")


async def the_epochs(client):
    await refused(client.wait_for_next_epoch(1.0), "Epoch did not advance within 1s")
    waiting = asyncio.ensure_future(client.wait_for_next_epoch(30.0))
    await asyncio.sleep(0)
    equal(await client.advance_epoch(), 3)
    # Either it saw the turn, or it began to wait after it; then the next one is its.
    done, _ = await asyncio.wait([waiting], timeout=3)
    if not done:
        await client.advance_epoch()
    true(await waiting >= 3, "an epoch number")


async def scenario(network):
    client = await network.client()
    await the_node(client, network)
    await the_state(client, network)
    await the_models(client, network, sys.argv[2])
    await the_targets(client)
    await the_objects(client, network)
    await the_checkpoints(client, network)
    await the_epochs(client)


play(scenario)
