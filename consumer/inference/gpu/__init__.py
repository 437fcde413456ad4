"""The process that holds the GPU: Qwen2-VL, packed without padding, one batch at a time.

    worker → payload → runner ─ vision → prefill → decode ─→ answers
                          └── device: memory readings, peaks, release

Only this package, `preparer`, `model_folder` and `vocabulary` import torch or transformers; the consumer's process
talks to it over `workers.channel`.
"""
