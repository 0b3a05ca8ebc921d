"""An empty network, as a real local one starts: a model is created, committed, revealed, staked on, updated and given up."""

from harness import *

OTHER_EMBEDDING = [0.5] * 16



async def balance(client, key):
    return shannons(await client.get_balance(key.address()))


async def created(client, owner):
    equal((await client.get_targets(), await client.get_active_models()), ([], []))
    await refused(client.create_model(owner, 10_001), "CreateModel failed", "ModelCommissionRateTooHigh")
    await refused(client.create_model(owner, 1_000, 0.999), "CreateModel failed", "ModelMinStakeNotMet")

    before = await balance(client, owner)
    model_id = await client.create_model(owner, commission_rate=1_000)
    # The least stake is taken from the gas coin, and the fee: half of 10 bps of the stake at genesis (seen on a real node).
    equal(await balance(client, owner), before - SOMA - (BASE_FEE + 3 * WRITE_FEE + 500_000))
    (staked,) = await client.list_owned_objects(owner.address(), "StakedSoma")
    equal(struct.unpack("<Q", bytes(staked.data.contents)[-8:])[0], SOMA)
    equal(await client.get_active_models(), [])
    equal(await client.get_model_manifests([model_id]), [])
    return model_id


async def committed(client, network, owner, stranger, model_id, weights):
    encrypted, key = SomaClient.encrypt_weights(weights)
    encrypted = bytes(encrypted)
    equal(bytes(SomaClient.decrypt_weights(encrypted, key)), weights)
    url = network.upload("models/0/ours.safetensors.enc", encrypted)
    # What the model says of itself: its embedding of some text, by the scoring service.
    text = b"where this model is at home\n" * 40
    manifest = SomaClient.model_manifest(url=url, encrypted_weights=encrypted, decryption_key=key)
    score = await client.score(network.upload("0/home.txt", text), [manifest], [1.0] * 16, data=text)
    equal((score.winner, len(score.embedding)), (0, 16))
    commitment = (model_id, url, encrypted, key, score.embedding)
    await refused(client.commit_model(stranger, *commitment), "CommitModel failed", "NotModelOwner")
    await refused(client.commit_model(owner, "0x" + "ab" * 32, *commitment[1:]), "ModelNotFound")
    succeeded(await client.commit_model(owner, *commitment))
    (pending,) = await client.get_model_manifests([model_id])
    equal((pending.url, pending.size), (url, len(encrypted)))
    equal((pending.checksum, pending.decryption_key), (SomaClient.commitment(encrypted), None))
    return key, score.embedding


async def revealed(client, owner, stranger, model_id, key, embedding):
    def reveal(by=owner, key=key, embedding=embedding):
        return client.reveal_model(by, model_id, key, embedding)

    await refused(reveal(), "RevealModel failed", "ModelRevealEpochMismatch")
    equal(await client.advance_epoch(), 1)
    await refused(reveal(by=stranger), "NotModelOwner")
    await refused(reveal(embedding=OTHER_EMBEDDING), "ModelEmbeddingCommitmentMismatch")
    await refused(reveal(key="1" * 32), "ModelDecryptionKeyCommitmentMismatch")
    succeeded(await reveal())
    (model,) = await client.get_active_models()
    equal((model.model_id, model.owner, model.stake), (model_id, owner.address(), 1.0))
    equal((model.commission_rate, model.embedding), (1_000, embedding))
    (manifest,) = await client.get_model_manifests([model_id])
    equal(manifest.decryption_key, key)
    await refused(reveal(), "ModelNoPendingUpdate")
    # A model that came during an epoch serves the targets of the next.
    equal(await client.get_targets(), [])
    equal(await client.advance_epoch(), 2)
    targets = await client.get_targets()
    equal(len(targets), 100)
    equal({padded(served) for target in targets for served in target.model_ids}, {model_id})
    return targets


async def staked_on(client, delegator, model_id):
    before = await balance(client, delegator)
    fee = succeeded(await client.add_stake_to_model(delegator, model_id, 0.5)).transaction_fee
    equal(await balance(client, delegator), before - SOMA // 2 - fee.total_fee)
    (staked,) = await client.list_owned_objects(delegator.address(), "StakedSoma")
    # It waits for the next epoch.
    equal((await client.get_active_models())[0].stake, 1.0)
    return staked


async def filled(client, network, submitter, targets):
    hit = await best_hit(client, network, b"data that a lone model wins\n" * 30, targets, "lone")
    equal(hit.score.winner, 0)
    succeeded(await client.submit_data(submitter, **hit.arguments()))
    return hit


async def grown(client, owner, stranger, delegator, model_id, staked):
    await refused(client.set_model_commission_rate(stranger, model_id, 2_000), "NotModelOwner")
    await refused(client.set_model_commission_rate(owner, model_id, 10_001), "ModelCommissionRateTooHigh")
    succeeded(await client.set_model_commission_rate(owner, model_id, 2_000))
    (model,) = await client.get_active_models()
    equal((model.commission_rate, model.next_epoch_commission_rate), (1_000, 2_000))
    await refused(client.report_model(stranger, model_id), "NotAValidator")
    await refused(client.undo_report_model(stranger, model_id), "NotAValidator")

    equal(await client.advance_epoch(), 3)
    (model,) = await client.get_active_models()
    equal((model.stake, model.commission_rate), (1.5, 2_000))

    await refused(client.withdraw_stake(stranger, staked.id))
    before = await balance(client, delegator)
    fee = succeeded(await client.withdraw_stake(delegator, staked.id)).transaction_fee
    equal(await balance(client, delegator), before + SOMA // 2 - fee.total_fee)


async def paid(client, owner, submitter, model_id, hit):
    """Two epochs after the fill the model's owner is paid by whoever claims, whatever became of the stake."""
    equal(await client.advance_epoch(), 4)
    before = await balance(client, owner)
    succeeded(await client.claim_rewards(submitter, hit.target.id))
    equal(await balance(client, owner), before + hit.target.reward_pool * 4_975 // 10_000)
    equal((await client.get_active_models())[0].stake, 1.0)


async def updated(client, network, owner, model_id, weights):
    encrypted, key = SomaClient.encrypt_weights(weights)
    url = network.upload("models/4/ours.safetensors.enc", bytes(encrypted))
    succeeded(await client.commit_model(owner, model_id, url, bytes(encrypted), key, OTHER_EMBEDDING))
    (model,) = await client.get_active_models()
    true(model.has_pending_update and model.embedding != OTHER_EMBEDDING, "it plays as it was until the reveal")
    equal(await client.advance_epoch(), 5)
    succeeded(await client.reveal_model(owner, model_id, key, OTHER_EMBEDDING))
    (model,) = await client.get_active_models()
    equal((model.has_pending_update, model.embedding), (False, OTHER_EMBEDDING))
    (manifest,) = await client.get_model_manifests([model_id])
    equal((manifest.url, manifest.decryption_key), (url, key))
    equal(bytes(await client.fetch_model(model_id)), bytes(encrypted))


async def given_up(client, network, owner, stranger, submitter, model_id):
    hit = await best_hit(client, network, b"too late for this model\n" * 30, await client.get_targets(), "late")
    await refused(client.deactivate_model(stranger, model_id), "NotModelOwner")
    succeeded(await client.deactivate_model(owner, model_id))
    equal(await client.get_active_models(), [])
    before = {coin.id: coin.version for coin in await coins(client, submitter)}
    equal(len(before), 2)
    text = await costs_the_base_fee(
        client, submitter, lambda: client.submit_data(submitter, **hit.arguments()), "ModelNotActive"
    )
    # A node was seen to keep the bond as it was, and locked until the epoch ends.
    (bond,) = [coin for coin in await coins(client, submitter) if coin.version == before[coin.id]]
    (gas,) = [coin for coin in await coins(client, submitter) if coin.id != bond.id]
    unsigned = transaction(transfer(bond, "a1" * 32, 5), submitter, [gas])
    await refused(
        client.execute_transaction(submitter.sign(unsigned)),
        f"already locked by a different transaction: TransactionDigest({digest_of(text)})",
    )
    await refused(client.add_stake_to_model(stranger, model_id, 0.1), "ModelAlreadyInactive")
    # The stake comes home.
    (staked,) = await client.list_owned_objects(owner.address(), "StakedSoma")
    before = await balance(client, owner)
    fee = succeeded(await client.withdraw_stake(owner, staked.id)).transaction_fee
    equal(await balance(client, owner), before + SOMA - fee.total_fee)
    equal(await client.advance_epoch(), 6)
    succeeded(await client.execute_transaction(submitter.sign(unsigned)))
    equal(await client.get_targets(), [])


async def scenario(network):
    client = await network.client()
    equal((network.epoch, network.active_models), (0, 0))
    with open(sys.argv[2], "rb") as file:
        weights = file.read()
    owner = await network.wallet(client, 21)
    stranger = await network.wallet(client, 22)
    delegator = await network.wallet(client, 23)
    model_id = await created(client, owner)
    key, embedding = await committed(client, network, owner, stranger, model_id, weights)
    targets = await revealed(client, owner, stranger, model_id, key, embedding)
    staked = await staked_on(client, delegator, model_id)
    hit = await filled(client, network, stranger, targets)
    await grown(client, owner, stranger, delegator, model_id, staked)
    await paid(client, owner, stranger, model_id, hit)
    await updated(client, network, owner, model_id, weights)
    await given_up(client, network, owner, stranger, delegator, model_id)


play(scenario)
