"""Data is scored, submitted and claimed: by the submitter, and by a stranger for the finder's fee."""

from harness import *

TEXT = b"the network checks no score at submission; the validators do, one epoch later\n"
# `protocol.md §7.7` for a reward of 12 685 185.
MODEL_SHARE, FINDER_SHARE = 6_310_879, 63_425


async def balance(client, address):
    return shannons(await client.get_balance(address))


async def scoring(client, network, target):
    """A score is what the models say, refused where the data is not what was announced."""
    data = TEXT * 3
    url = network.upload("2/scored.bin", data)
    manifests = await client.get_model_manifests(target)
    score = await client.score(url, manifests, target.embedding, data=data)
    again = await client.score(
        url, manifests, target.embedding, data_checksum=SomaClient.commitment(data), data_size=len(data)
    )
    equal((again.winner, again.loss_score, again.embedding), (score.winner, score.loss_score, score.embedding))
    equal((len(score.loss_score), len(score.distance), len(score.embedding)), (1, 1, 16))
    true(abs(score.distance[0] - cosine_distance(score.embedding, target.embedding)) < 1e-5, score.distance)
    # The winner has the least loss: by itself it is no better, and the others alone are worse.
    for index, manifest in enumerate(manifests):
        alone = await client.score(url, [manifest], target.embedding, data=data)
        true(alone.loss_score[0] >= score.loss_score[0], (index, alone.loss_score))
        equal(alone.loss_score == score.loss_score, index == score.winner)
    seeded = await client.score(url, manifests, target.embedding, data=data, seed=7)
    true(seeded.loss_score != score.loss_score, "the seed changes the regulariser's noise")

    await refused(client.score(url, manifests, target.embedding, data=data + b"!"), "Blob error: size mismatch")
    changed = b"T" + data[1:]
    await refused(client.score(url, manifests, target.embedding, data=changed), "Blob error: checksum mismatch")
    await refused(client.score(url + ".gone", manifests, target.embedding, data=data), "HTTP 404")
    await refused(client.score(url, [], target.embedding, data=data), "At least one model manifest is required")
    await refused(client.score(url, manifests, [], data=data), "Target embedding must not be empty")
    locked = SomaClient.model_manifest(url=manifests[0].url, checksum=manifests[0].checksum, size=manifests[0].size)
    await refused(client.score(url, [locked], target.embedding, data=data), "Model error")


async def submitted(client, network, key, number):
    targets = await client.get_targets()
    hit = await best_hit(client, network, TEXT * number, targets, f"hit-{number}")
    before = await balance(client, key.address())
    effects = succeeded(await client.submit_data(key, **hit.arguments()))
    equal(await balance(client, key.address()), before - hit.bond - effects.transaction_fee.total_fee)
    created = [object_id for object_id, change in effects.changed_objects if change["id_operation"] == "Created"]
    after = {padded(target.id) for target in await client.get_targets()}
    equal(len(after), 100)
    (replacement,) = after - {padded(target.id) for target in targets}
    equal(created, [replacement])

    # What everybody sees of it.
    listed = await client.list_targets(status="filled", submitter=key.address())
    (filled,) = [target for target in listed.targets if padded(target.id) == padded(hit.target.id)]
    equal((filled.status, filled.bond_amount, filled.data_url), ("filled", hit.bond, hit.url))
    equal(filled.submitter.removeprefix("0x"), key.address())
    equal(padded(filled.winning_model_id), padded(hit.target.model_ids[hit.score.winner]))
    equal(bytes(await client.fetch_submission_data(hit.target.id)), hit.data)
    masked = await client.get_targets(status="filled", submitter=key.address())
    equal({target.data_url for target in masked}, {None})
    return hit


async def claimed(client, key, submitter, hit):
    """Gives what the claim moved: to the claimer without the fee, and to the submitter."""
    owners = {padded(model.model_id): model.owner for model in await client.get_active_models()}
    owner = owners[padded(hit.target.model_ids[hit.score.winner])]
    before = [await balance(client, who) for who in (key.address(), submitter, owner)]
    fee = succeeded(await client.claim_rewards(key, hit.target.id)).transaction_fee.total_fee
    after = [await balance(client, who) for who in (key.address(), submitter, owner)]
    equal(after[2] - before[2], MODEL_SHARE)
    gone = [padded(target.id) for status in ("open", "filled", "claimable") for target in await client.get_targets(status=status)]
    true(padded(hit.target.id) not in gone, "a claimed target is gone")
    await refused(client.get_object(padded(hit.target.id)), "NotFound")
    return after[0] - before[0] + fee, after[1] - before[1]


async def scenario(network):
    client = await network.client()
    submitter = await network.wallet(client, 31, requests=2)
    stranger = await network.wallet(client, 32)
    await scoring(client, network, (await client.get_targets(limit=1))[0])
    ours = await submitted(client, network, submitter, 2)
    theirs = await submitted(client, network, submitter, 4)
    hits = (await client.get_latest_system_state()).target_state.hits_this_epoch
    equal(hits, 2)
    await refused(client.report_submission(stranger, ours.target.id), "NotAValidator")
    await refused(client.undo_report_submission(stranger, ours.target.id), "NotAValidator")

    equal(await client.advance_epoch(), 3)
    # Hits were far rarer than wanted, so the network made it easier, as the recorded node did.
    equal({target.distance_threshold for target in await client.get_targets()}, {f32(1.0999999)})
    equal(await client.get_targets(claimable=True, submitter=submitter.address()), [])
    equal(await client.advance_epoch(), 4)
    equal({target.distance_threshold for target in await client.get_targets()}, {f32(1.1999998)})
    claimable = await client.get_targets(claimable=True, submitter=submitter.address())
    equal(sorted(padded(t.id) for t in claimable), sorted(padded(hit.target.id) for hit in (ours, theirs)))
    equal({target.status for target in claimable}, {"claimable"})

    reward = ours.target.reward_pool
    share = reward - MODEL_SHARE - FINDER_SHARE
    gained, same = await claimed(client, submitter, submitter.address(), ours)
    equal(gained, share + FINDER_SHARE + ours.bond)
    true(same < gained, "the submitter paid the fee")
    equal(await claimed(client, stranger, submitter.address(), theirs), (FINDER_SHARE, share + theirs.bond))


play(scenario)
