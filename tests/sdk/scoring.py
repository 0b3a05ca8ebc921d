"""`somascope serve` in place of the official scoring service: golden models and data from a server of this script, golden numbers."""

import functools
import http.server
import pathlib
import threading

from harness import *

INPUTS = ["seq_len_text", "seq_len_plus_1_text", "ramp", "utf8_code", "three_and_half_chunks_random", "all_ff"]
# Base58 of the bytes 00 to 1f.
KEY = "1thX6LZfHDZZKUs92febYZhYRcXddmzfzF2NvTkPNE"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def files_of(directory):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=directory))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def near(found, wanted, absolute):
    true(abs(found - wanted) <= absolute, (found, wanted))


async def main():
    ready = json.load(open(sys.argv[1]))
    data_dir = pathlib.Path(sys.argv[2])
    files = files_of(data_dir)
    golden = json.load(open(data_dir / "small16_expected.json"))
    # No node is asked: scoring needs none.
    client = await SomaClient("http://127.0.0.1:9", scoring_url=ready["url"])
    equal(await client.scoring_health(), True)

    def plain(name):
        weights = (data_dir / name).read_bytes()
        return SomaClient.model_manifest(
            url=f"{files}/{name}", checksum=SomaClient.commitment(weights), size=len(weights)
        )

    small = [plain(f"small16_model_{n}.safetensors") for n in range(3)]
    targets = {target["seed"]: target["values"] for target in golden["targets"]}
    for case in golden["cases"]:
        if case["input"] not in INPUTS:
            continue
        name = f"small16_input_{case['input']}.bin"
        data = (data_dir / name).read_bytes()
        models = {model["model"]: model for model in case["models"]}
        for wanted in case["score_response"]:
            score = await client.score(
                f"{files}/{name}", small, targets[wanted["target_seed"]], data=data, seed=case["seed"]
            )
            equal(score.winner, wanted["winner"])
            equal((len(score.loss_score), len(score.distance)), (1, 1))
            winner = models[score.winner]
            near(score.loss_score[0], winner["loss"], 1e-5 * winner["loss"])
            near(score.distance[0], wanted["distance"], 1e-4)
            for found, value in zip(score.embedding, winner["embedding"], strict=True):
                near(found, value, 1e-4)

    name = "small16_input_ramp.bin"
    url, data, target = f"{files}/{name}", (data_dir / name).read_bytes(), targets[0]
    await refused(client.score(url, [], target, data=data), "At least one model manifest is required")
    await refused(client.score(url, small, [], data=data), "Target embedding must not be empty")
    await refused(client.score(url, small, target + [1.0], data=data), "Target embedding", "16", "17")
    await refused(client.score(url, small, target, data=data + b"!"), "Blob error: size mismatch")
    await refused(client.score(url, small, target, data=b"!" + data[1:]), "Blob error: checksum mismatch")
    await refused(client.score(url + ".gone", small, target, data=data[:-1]), "Blob error: HTTP 404")
    empty = f"{files}/small16_input_empty.bin"
    await refused(client.score(empty, small, target, data=b""), "Empty data: data loader produced no batches")

    # The encrypted file under its key is the plain one; without the key, or with another, it is no model.
    wide = [1.0] + [0.0] * 63
    encrypted = (data_dir / "vec64_model_0.safetensors.enc").read_bytes()
    about = dict(
        url=f"{files}/vec64_model_0.safetensors.enc", checksum=SomaClient.commitment(encrypted), size=len(encrypted)
    )
    wrong = SomaClient.model_manifest(**about, decryption_key="1" * 32)
    await refused(client.score(url, [wrong], wide, data=data), "Model error")
    await refused(client.score(url, [SomaClient.model_manifest(**about)], wide, data=data), "Model error")
    opened = await client.score(
        url, [SomaClient.model_manifest(**about, decryption_key=KEY)], wide, data=data
    )
    alone = await client.score(url, [plain("vec64_model_0.safetensors")], wide, data=data)
    equal((opened.loss_score, opened.embedding), (alone.loss_score, alone.embedding))


asyncio.run(main())
