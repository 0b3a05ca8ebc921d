"""Rows of 1,024 bytes a second of the network's own Python package on PyTorch, as one line of JSON.

usage: torch_forward.py published|fused FILE [PASSES]

`published`: soma-models exactly as it is. `fused`: its attention replaced by PyTorch's fused kernel. FILE: safetensors; sizes are read off it.
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open
from soma_models.v1.configs import ModelConfig, SIGRegConfig
from soma_models.v1.torch.loss import compute_loss
from soma_models.v1.torch.modules import attention
from soma_models.v1.torch.modules.model import Model
from soma_models.v1.torch.modules.sig_reg import SIGReg

ROWS, LENGTH, HEADS = 16, 1024, 8


def fused(self, inputs, *, positions=None):
    """What attention does, its inner part left to PyTorch."""
    batch, length, width = inputs.shape

    def heads(linear):
        return linear(inputs).reshape(batch, length, self.num_heads, self.head_dim)

    def rotated(x):
        return attention.apply_rope(x, positions, head_dim=self.head_dim)

    query, key, value = (x.transpose(1, 2) for x in (rotated(heads(self.query)), rotated(heads(self.key)), heads(self.value)))
    context = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return self.output(context.transpose(1, 2).reshape(batch, length, width))


def load(path):
    with safe_open(path, "pt") as file:
        embed, hidden = file.get_slice("encoder.layers.0.pwff.linear_inner.weight").get_shape()
        layers = 1 + max(int(name.split(".")[2]) for name in file.keys() if name.startswith("encoder.layers."))
    sizes = ModelConfig(dropout_rate=0.0, embedding_dim=embed, pwff_hidden_dim=hidden, num_layers=layers, num_heads=HEADS)
    return Model.load(path, sizes).eval()


def main():
    kind, path, passes = (sys.argv[1:] + ["3"])[:3]
    if kind == "fused":
        attention.MultiHeadAttention.forward = fused
    elif kind != "published":
        sys.exit(__doc__)
    model, regulariser = load(path), SIGReg(SIGRegConfig())
    tokens = torch.randint(0, 256, (ROWS, LENGTH), generator=torch.Generator().manual_seed(1))
    targets = torch.cat([tokens[:, 1:], torch.full((ROWS, 1), 256)], dim=1)
    wall, cpu = [], []
    with torch.inference_mode():
        for turn in range(int(passes) + 1):
            started, used = time.perf_counter(), time.process_time()
            loss, _ = compute_loss(model, regulariser, tokens, targets)
            if turn > 0:
                wall.append(time.perf_counter() - started)
                cpu.append(time.process_time() - used)
    print(json.dumps({
        "what": kind,
        "rows_per_s": round(ROWS / min(wall), 3),
        "cpu_s_per_row": round(min(cpu) / ROWS, 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "loss": round(loss.item(), 5),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }))


if __name__ == "__main__":
    main()
