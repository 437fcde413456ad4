"""The GPU judge: a vision-language model, priced in bytes, admitted by free memory.

    prompt → preparer (process) → shape → price → admission → launch → worker (process, CUDA) → answer → findings
                                     └────────── ladder ←── out of memory ──┘

Everything but the two processes is pure or asyncio; only `preparer` and `gpu` import torch.
"""
