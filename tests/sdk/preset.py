"""`SomaClient(chain="localnet")` finds the network on its default ports: all four services, without a URL."""

from harness import *


async def scenario(network):
    client = await SomaClient(chain="localnet")
    equal(await client.get_embedding_dim(), network.embedding_dim)
    equal(await client.scoring_health(), True)
    key = await network.wallet(client, 61)
    equal(await client.get_balance(key.address()), 2.0)
    # The faucet's payment is the first transaction of this chain.
    equal((await client.get_checkpoint_summary(1)).data.previous_digest, network.chain_id)
    equal(await client.advance_epoch(), 1)


play(scenario)
