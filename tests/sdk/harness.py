"""What every scenario needs: the network that the Rust test started, its object store, BCS for hand-made transactions, and checks.

Standard library and the official SDK only.
"""

import asyncio
import datetime
import hashlib
import hmac
import json
import math
import os
import re
import struct
import sys
import urllib.request

from soma_sdk import Keypair, SomaClient

SOMA = 1_000_000_000
BASE_FEE = 1_000
WRITE_FEE = 300


class Network:
    """The line that `somascope devnet --json` printed, and the endpoints file that it names."""

    def __init__(self, ready):
        self.__dict__.update(ready)
        with open(self.endpoints_file) as file:
            self.keys = json.load(file)["objects"]

    async def client(self):
        """A client of its own: what it reserves is known to no other."""
        return await SomaClient(
            self.rpc_url, scoring_url=self.scoring_url, admin_url=self.admin_url, faucet_url=self.faucet_url
        )

    async def wallet(self, client, number, requests=1):
        """A key with one coin for each faucet request."""
        key = Keypair.from_secret_key(bytes([number]) * 32)
        for _ in range(requests):
            await client.request_faucet(key.address())
        return key

    def upload(self, key, data):
        """A signed PUT to the object store (AWS Signature Version 4); gives the public URL."""
        store = self.keys
        host = store["endpoint_url"].split("//")[1]
        path = f"/{store['bucket']}/{key}"
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        content = hashlib.sha256(data).hexdigest()
        names = "host;x-amz-content-sha256;x-amz-date"
        headers = f"host:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{now}\n"
        canonical = "\n".join(["PUT", path, "", headers, names, content])
        scope = f"{now[:8]}/us-east-1/s3/aws4_request"
        to_sign = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signing_key = ("AWS4" + store["secret_access_key"]).encode()
        for part in scope.split("/"):
            signing_key = hmac.digest(signing_key, part.encode(), "sha256")
        signature = hmac.new(signing_key, to_sign.encode(), "sha256").hexdigest()
        request = urllib.request.Request(
            store["endpoint_url"] + path,
            data=data,
            method="PUT",
            headers={
                "x-amz-content-sha256": content,
                "x-amz-date": now,
                "authorization": f"AWS4-HMAC-SHA256 Credential={store['access_key_id']}/{scope}, "
                f"SignedHeaders={names}, Signature={signature}",
            },
        )
        with urllib.request.urlopen(request) as answer:
            equal(answer.status, 200)
        return f"{store['public_url']}/{key}"


# -- Checks. Plain `assert` would go under -O, and says less. --


def equal(found, wanted):
    if found != wanted:
        raise AssertionError(f"{wanted!r} was wanted, {found!r} found")


def true(condition, about):
    if not condition:
        raise AssertionError(about)


async def refused(call, *words):
    """The call raises, and its text has all the words. Gives the text."""
    try:
        answer = await call
    except Exception as error:
        text = str(error)
        for word in words:
            true(word in text, f"{word!r} is not in the refusal {text!r}")
        return text
    raise AssertionError(f"it was not refused: {answer!r}")


def shannons(soma):
    """The SDK gives balances as floats; every amount here is small enough to be exact."""
    return round(soma * SOMA)


# -- Geometry. --


def f32(number):
    return struct.unpack("<f", struct.pack("<f", number))[0]


def cosine_distance(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def padded(identifier):
    """Ids in target lists have no leading zeros; others have them."""
    return "0x" + identifier.removeprefix("0x").rjust(64, "0")


# -- Transactions as bytes, for what the SDK's own methods never build. --

TRANSFER_COIN = 9
PAY_COINS = 10
CLAIM_REWARDS = 23

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(text):
    number = 0
    for character in text:
        number = number * 58 + ALPHABET.index(character)
    return number.to_bytes(32, "big")


def object_ref(owned):
    """Of an object as the SDK lists it."""
    return bytes.fromhex(owned.id.removeprefix("0x")) + struct.pack("<Q", owned.version) + b"\x20" + base58(owned.digest)


def transfer(owned, recipient, amount):
    return bytes([TRANSFER_COIN]) + object_ref(owned) + b"\x01" + struct.pack("<Q", amount) + bytes.fromhex(recipient)


def claim(target_id):
    return bytes([CLAIM_REWARDS]) + bytes.fromhex(padded(target_id)[2:])


def transaction(kind, key, gas):
    """TransactionData version 1."""
    refs = b"".join(map(object_ref, gas))
    return b"\x00" + kind + bytes.fromhex(key.address()) + bytes([len(gas)]) + refs


async def coins(client, key):
    """Ascending by balance."""
    return await client.list_owned_objects(key.address(), "coin")


def coin_balance(coin):
    return struct.unpack("<Q", bytes(coin.data.contents)[-8:])[0]


def balance_of(listed):
    return sum(map(coin_balance, listed))


# -- Playing. --


async def best_hit(client, network, data, targets, name):
    """Uploads and scores the data; gives the first target that it hits with everything that a submission needs."""
    url = network.upload(f"{targets[0].generation_epoch}/{name}.bin", data)
    for target in targets:
        manifests = await client.get_model_manifests(target)
        score = await client.score(url, manifests, target.embedding, data=data)
        if score.distance[0] <= target.distance_threshold:
            return Hit(target, url, data, score)
    raise AssertionError("about half of the targets are in reach of any data")


class Hit:
    def __init__(self, target, url, data, score):
        self.target, self.url, self.data, self.score = target, url, data, score

    def arguments(self, **changed):
        """For `submit_data`, with some of them changed."""
        honest = {
            "target_id": self.target.id,
            "data": self.data,
            "data_url": self.url,
            "model_id": self.target.model_ids[self.score.winner],
            "embedding": self.score.embedding,
            "distance_score": self.score.distance[0],
            "loss_score": self.score.loss_score,
        }
        return honest | changed

    @property
    def bond(self):
        return 65 * len(self.data)


def succeeded(effects):
    equal(effects.V1.status, "Success")
    return effects.V1


def digest_of(refusal):
    """Of a transaction that was executed and failed, from the SDK's words."""
    return re.search(r"\(digest: (\w+)\)", refusal)[1]


async def costs_the_base_fee(client, key, call, *words):
    """The call is executed, fails with these words, and costs the sender the base fee and nothing else.
    Gives the SDK's words."""
    before = await client.get_balance(key.address())
    text = await refused(call(), "Transaction failed", *words)
    equal(shannons(await client.get_balance(key.address())), shannons(before) - BASE_FEE)
    effects = (await client.get_transaction(digest_of(text))).V1
    true(effects.status != "Success", effects.status)
    equal((effects.transaction_fee.total_fee, effects.transaction_fee.base_fee), (BASE_FEE, BASE_FEE))
    return text


def play(scenario):
    """Runs a scenario against the network on the command line, in time."""

    async def run():
        with open(sys.argv[1]) as file:
            network = Network(json.load(file))
        await asyncio.wait_for(scenario(network), 300)

    asyncio.run(run())
    sys.stdout.flush()
    # The SDK's own threads abort the process now and then when the interpreter is taken down around them.
    os._exit(0)
